"""How the daemon is held: its lease, how it stops, and when it counts as hanging."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from hedged.config.section import Section


class ControlConfig(Section):
    """Stopping, supervision, and the lease. Seconds here are of the wall clock."""

    stop_within_s: float = Field(
        30.0, ge=5, le=600, description="SIGTERM to exit: the running cycle, cancellations, `on_stop`"
    )
    on_stop: Literal["keep", "flatten"] = Field("keep", description="what becomes of the hedges on SIGTERM")
    silent_after_s: float = Field(
        2.5,
        ge=2,
        le=60,
        description="a daemon that gave no sign of life for so long hangs: kill takes over",
    )
    lease_dir: Path | None = Field(
        None, description="where live accounts are leased; the same for all daemons of a machine"
    )
    stall_told_s: float = Field(
        10.0, ge=1, le=600, description="the event loop stood for so long: stacks are logged"
    )
    stall_exit_s: float | None = Field(
        60.0, ge=2, le=3_600, description="... and then the process ends; null: never"
    )
    restarts: int = Field(5, ge=0, le=100, description="of one task within restart_window_s; more: stop")
    restart_window_s: float = Field(600.0, ge=1, le=86_400, description="see restarts")

    @model_validator(mode="after")
    def _told_before_it_ends(self) -> Self:
        if self.stall_exit_s is not None and self.stall_exit_s <= self.stall_told_s:
            raise ValueError("stall_exit_s must be above stall_told_s")
        return self
