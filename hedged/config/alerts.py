"""What the operator is told, where and how often (layer 3, requirement A8), and the sign of life for others."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from hedged.config.section import Section
from hedged.domain.alert import Kind, Severity

LEVELS = {severity.label: severity for severity in Severity}


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", text):
        raise ValueError(
            "a target's name is 1 to 32 of a-z, 0-9, _ and -, a letter first: it labels a metric"
        )
    return text


class UrlSection(Section):
    """An address that holds a token: in a file or the environment, never here."""

    url_file: Path | None = Field(None, description="file (mode 0600) with the address")
    url_env: str | None = Field(None, description="environment variable with the address instead")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.url_file is None) == (self.url_env is None):
            raise ValueError("give either url_file or url_env, one of them")
        return self


class AlertTargetConfig(UrlSection):
    """Somebody who is told."""

    level: Literal["info", "warning", "critical"] = Field(
        "warning", description="nothing less severe is told"
    )
    kinds: tuple[Kind, ...] | None = Field(None, description="these alone; null: all")

    @property
    def severity(self) -> Severity:
        """The level as a severity."""
        return LEVELS[self.level]


class HeartbeatConfig(UrlSection):
    """A dead man's switch that somebody else runs: it alarms when no request comes any more."""

    every_s: float = Field(60.0, ge=5, le=3_600, description="asked this often, while all is well")
    method: Literal["GET", "POST", "HEAD"] = Field("GET", description="of the request")


class AlertsConfig(Section):
    """A settlement far from its forecast is told once: beyond both deviations."""

    deviation_bands: float = Field(
        3.0, gt=0, description="distance from the forecast's median, in half-widths of its 80 % band"
    )
    deviation_floor: Decimal = Field(
        Decimal("0.0003"), ge=0, description="and at least this much per 8 hours (0.0003 is 0.03 %)"
    )
    margin_distance: float = Field(
        0.10, ge=0, le=1, description="told when an adverse move of this share would liquidate a position"
    )
    targets: dict[Annotated[str, AfterValidator(_name)], AlertTargetConfig] = Field(
        default_factory=dict, description="who is told, by a name of your own; none: nothing is sent"
    )
    messages_per_hour: int = Field(
        20, ge=4, le=1_000, description="to all together; a quarter of it is for what is critical alone"
    )
    remind_after_s: float = Field(14_400, ge=0, description="of what still stands; 0: never")
    over_after_s: float = Field(300, ge=0, le=86_400, description="it is over when it is gone for so long")
    deadline_s: float = Field(15.0, ge=1, le=120, description="of one delivery; later it counts as failing")
    heartbeat: HeartbeatConfig | None = Field(None, description="off without")
