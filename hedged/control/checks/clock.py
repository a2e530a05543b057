"""This machine's clock beside a venue's, measured as NTP does it (RFC 5905): half the way there and back is unknown."""

from dataclasses import dataclass

from hedged.control.checks.finding import Finding, fail, ok, warn
from hedged.domain.clock import SECOND_MS

REMEDY = "set the clock: turn on NTP (`timedatectl set-ntp true`)"


@dataclass(frozen=True, slots=True)
class Tick:
    """One question for the time, ms: when it was asked, what was answered, when that came."""

    asked_ms: int
    theirs_ms: int
    received_ms: int

    @property
    def way_ms(self) -> int:
        """There and back."""
        return self.received_ms - self.asked_ms

    @property
    def offset_ms(self) -> int:
        """Our clock − theirs, if both ways take as long; wrong by at most half of `way_ms`."""
        return (self.asked_ms + self.received_ms) // 2 - self.theirs_ms


def judge_clock(venue: str, tick: Tick, most_s: float) -> Finding:
    """Judge one: what half the way may explain is no fault. `most_s`: beyond it nothing is opened."""
    text = f"this clock is {tick.offset_ms:+d} ms from {venue}'s (± {tick.way_ms // 2} ms)"
    sure_s = max(0.0, abs(tick.offset_ms) - tick.way_ms / 2) / SECOND_MS
    if sure_s > most_s:
        return fail(venue, f"{text}: nothing is opened there beyond {most_s:g} s", REMEDY)
    if sure_s > min(1.0, most_s / 2):
        return warn(venue, text, REMEDY)
    return ok(venue, text)
