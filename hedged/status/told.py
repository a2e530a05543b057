"""What every row of the status document is."""

from pydantic import BaseModel, ConfigDict


class Told(BaseModel):
    """A part of the document: it never changes, and a number in it is a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
