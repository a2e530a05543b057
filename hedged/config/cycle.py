"""When the daemon looks, and how fast its time passes."""

from typing import Self

from pydantic import Field, model_validator

from hedged.config.section import Section
from hedged.domain.clock import Clock, FastClock, SystemClock


class ClockConfig(Section):
    """How fast time passes; other than as it does only on a local chain that says so itself (`hedged sandbox --speed`).

    Periods of decisions, bars, horizons and ages count in this time; deadlines of requests do not.
    """

    speed: float = Field(1.0, ge=1, le=3_600, description="seconds of the chain per second of the wall clock")
    from_ms: int = Field(
        0, ge=0, description="instant at which the wall clock and this one agree, ms since 1970"
    )

    def make(self) -> Clock:
        """Return the clock."""
        return SystemClock() if self.speed == 1 else FastClock(SystemClock(), self.speed, self.from_ms)


class CycleConfig(Section):
    """When the daemon looks, and how much of the past it keeps."""

    interval_s: int = Field(900, ge=30, le=3_600, description="a decision every 15 minutes, aligned to UTC")
    bar_s: int = Field(900, ge=60, le=3_600, description="length of a bar in the window; divides an hour")
    history_days: int = Field(90, ge=7, le=400, description="kept in memory")
    guard_interval_s: float = Field(
        5.0,
        ge=0.5,
        le=60,
        description="between decisions, stops, margin and the kill latch are looked at so often",
    )
    guard_accounts_s: int = Field(
        60, ge=5, le=900, description="while a hedge is held, venues are asked for the account so often"
    )
    stale_after_s: int = Field(1_800, ge=60, description="a mark older than this decides nothing")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if 3_600 % self.bar_s:
            raise ValueError("bar_s must divide an hour")
        if max(self.interval_s, self.bar_s) % min(self.interval_s, self.bar_s):
            raise ValueError(
                "interval_s must be a multiple or a divisor of bar_s, or cycles miss the bars' ends"
            )
        return self
