"""Signals from outside (a chart's alert): one more, bounded input of the plan. None of them is an order.

A signal scales what the plan would add to a hedge anyway, by a factor that the configuration bounds, or asks to open
nothing for a while. It opens nothing by itself, closes nothing, and lifts no limit.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from hedged.domain.clock import iso

ALL = "*"
"""The symbol of a signal that concerns every market."""


class Action(StrEnum):
    """What a signal asks for."""

    HEDGE_MORE = "hedge_more"
    HEDGE_LESS = "hedge_less"
    PAUSE_OPENINGS = "pause_openings"
    ALERT = "alert"  # tell the operator; no effect on decisions


@dataclass(frozen=True, slots=True)
class Signal:
    """One accepted signal. `strength` 0 … 1; in force from `received_ms` until just before `expires_ms`."""

    id: str
    action: Action
    symbol: str
    strength: float
    received_ms: int
    expires_ms: int

    def in_force(self, symbol: str, now_ms: int) -> bool:
        """Tell whether it counts for a market now; what was received later than now does not."""
        return self.symbol in (ALL, symbol) and self.received_ms <= now_ms < self.expires_ms


@dataclass(frozen=True, slots=True)
class SignalBounds:
    """The least and the most that a signal may multiply an increase by: 0 ≤ least ≤ 1 ≤ most."""

    least: float
    most: float


@dataclass(frozen=True, slots=True)
class SignalEffect:
    """What the signals in force mean for one market. `factor` multiplies increases of the hedge; `pause`: why nothing
    is to be opened, or None; `note`: one clause for the decision's reason, empty where there is nothing to say.
    """

    factor: float = 1.0
    pause: str | None = None
    note: str = ""


def effect(signals: Iterable[Signal], symbol: str, now_ms: int, bounds: SignalBounds) -> SignalEffect:
    """Combine the signals on one market: the newest decides on the size, any pause pauses.

    The factor is 1 + strength·(most − 1) or 1 − strength·(1 − least); it never leaves the bounds.
    """
    held = sorted(
        (s for s in signals if s.in_force(symbol, now_ms)),
        key=lambda s: (s.received_ms, s.expires_ms, s.id, s.action, s.strength),
    )
    pauses = [s for s in held if s.action is Action.PAUSE_OPENINGS]
    pause = None
    if pauses:
        until_ms = max(s.expires_ms for s in pauses)
        pause = f"a signal asks to open nothing until {iso(until_ms)}"
    sizes = [s for s in held if s.action in (Action.HEDGE_MORE, Action.HEDGE_LESS)]
    if not sizes:
        return SignalEffect(pause=pause)
    newest = sizes[-1]
    strength = min(1.0, max(0.0, newest.strength))
    limit = bounds.most if newest.action is Action.HEDGE_MORE else bounds.least
    factor = min(bounds.most, max(bounds.least, 1.0 + strength * (limit - 1.0)))
    note = f"a signal ({newest.action}) scales increases by {factor:.2f} until {iso(newest.expires_ms)}"
    return SignalEffect(factor, pause, note)
