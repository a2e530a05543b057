"""The section of the configuration about the model's life: when it is trained anew, what may take its place."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from hedged.config.section import Section


class ModelsConfig(Section):
    """How models succeed each other. Each decision names the model that made it, so none of this is in its hash."""

    retrain: bool = Field(
        True, description="train anew by itself; needs the image with torch, and history in `data`"
    )
    data: Path | None = Field(
        None,
        description="data directory to learn from, downloads and recordings; default: what the recorder writes",
    )
    recipe: Literal["auto", "full", "small", "tiny"] = Field(
        "auto",
        description="auto: full where memory_mb allows it, else small; tiny rehearses in seconds, not for money",
    )
    learn_days: int | None = Field(
        None, ge=60, description="learn from the last so many days alone; default: from all that is known"
    )
    memory_mb: int = Field(
        4_096, ge=512, description="most memory of a training; beyond it it ends, not the daemon"
    )
    threads: int = Field(1, ge=1, le=64, description="of a training")
    nice: int = Field(19, ge=0, le=19, description="of a training: 19 yields to everything else")
    hours: float = Field(
        12.0, gt=0, description="a training that takes longer is ended and goes on the next time"
    )
    every_days: int = Field(30, ge=1, description="days from one training to the next")
    stormy_days: int = Field(7, ge=1, description="the same while the market is stormy")
    drift_days: int = Field(7, ge=1, description="least days between two trainings that drift asks for")
    direction_floor: float = Field(
        0.60, ge=0, le=1, description="surely fewer calls of direction right than this: train at once"
    )
    challengers: int = Field(1, ge=0, le=3, description="so many of the newest challengers run in shadow")
    promote: bool = Field(
        True, description="a challenger that is better with confidence takes over by itself"
    )
    confidence: float = Field(0.95, ge=0.5, lt=1, description="of that, over all looks together")
    shadow_days: int = Field(14, ge=1, description="least days of outcomes that both have forecast")
    demote: bool = Field(
        True, description="a model that is surely worse than the stand-in, slow or silent gives way to it"
    )
    slow_s: float = Field(
        20.0, gt=0, description="a forecast that takes longer, three times in a row, is slow"
    )
