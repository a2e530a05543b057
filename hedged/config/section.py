"""The base of every configuration section: frozen, unknown keys refused."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One block of the configuration file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
