"""Signals: whatever comes, their effect stays within its bounds and ends."""

from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.signals import ALL, Action, Signal, SignalBounds, SignalEffect, effect

NOW_MS = 1_767_225_600_000
BOUNDS = SignalBounds(0.5, 1.25)

signals = st.builds(
    Signal,
    id=st.text(max_size=3),
    action=st.sampled_from(Action),
    symbol=st.sampled_from([ALL, "BTC", "ETH"]),
    strength=st.floats(-10, 10),
    received_ms=st.integers(NOW_MS - 5_000, NOW_MS + 5_000),
    expires_ms=st.integers(NOW_MS - 5_000, NOW_MS + 9_000),
)


def one(action: Action, **changes: object) -> Signal:
    plain = {"id": "1", "symbol": "BTC", "strength": 1.0, "received_ms": NOW_MS - 1, "expires_ms": NOW_MS + 1}
    return Signal(action=action, **(plain | changes))  # type: ignore[arg-type]


@given(st.lists(signals, max_size=8), st.floats(0, 1), st.floats(1, 2))
def test_the_factor_never_leaves_its_bounds(held: list[Signal], least: float, most: float) -> None:
    """If this fails, a message from outside can scale a hedge beyond what the operator allowed."""
    told = effect(held, "BTC", NOW_MS, SignalBounds(least, most))
    assert least <= told.factor <= most
    assert told == effect(reversed(held), "BTC", NOW_MS, SignalBounds(least, most))


@given(st.lists(signals, max_size=8))
def test_what_is_over_to_come_or_of_another_market_means_nothing(held: list[Signal]) -> None:
    """If this fails, a signal outlives its time, counts before it was received, or moves another market."""
    current = [s for s in held if s.received_ms <= NOW_MS < s.expires_ms and s.symbol in (ALL, "BTC")]
    assert effect(held, "BTC", NOW_MS, BOUNDS) == effect(current, "BTC", NOW_MS, BOUNDS)
    assert effect([], "BTC", NOW_MS, BOUNDS) == SignalEffect()


def test_actions() -> None:
    """If this fails, a signal does the opposite of what it says, or an alert moves money."""

    def factor(*held: Signal) -> float:
        return effect(held, "BTC", NOW_MS, BOUNDS).factor

    assert factor(one(Action.HEDGE_MORE)) == 1.25
    assert factor(one(Action.HEDGE_MORE, strength=0.5)) == 1.125
    assert factor(one(Action.HEDGE_LESS)) == 0.5
    assert factor(one(Action.HEDGE_LESS, strength=0.0)) == 1.0
    older = one(Action.HEDGE_LESS, received_ms=NOW_MS - 2)
    assert factor(one(Action.HEDGE_MORE), older) == 1.25, "the newest decides"
    assert effect([one(Action.ALERT)], "BTC", NOW_MS, BOUNDS) == SignalEffect()
    both = effect([one(Action.PAUSE_OPENINGS), one(Action.HEDGE_MORE)], "BTC", NOW_MS, BOUNDS)
    assert both.pause == "a signal asks to open nothing until 2026-01-01T00:00:00Z"
    assert both.note == "a signal (hedge_more) scales increases by 1.25 until 2026-01-01T00:00:00Z"
