"""For how long a hedge was held, from decisions that need not be told at every bar."""

from hedged.backtest.summary import held_h
from hedged.domain.clock import HOUR_MS


def test_a_decision_stands_until_the_next_one() -> None:
    """If this fails, an engine that tells fewer decisions reports fewer hours of hedging."""
    told = [("{}", 0), ('{"binance": 1.0}', 2), ("{}", 5), ('{"binance": 1.0}', 7)]
    rows = [{"ts_ms": hour * HOUR_MS, "current": current} for current, hour in told]
    assert held_h(rows, 10 * HOUR_MS) == 3 + 3
    every = [
        {"ts_ms": hour * HOUR_MS, "current": [c for c, h in told if h <= hour][-1]} for hour in range(10)
    ]
    assert held_h(every, 10 * HOUR_MS) == 3 + 3
    assert held_h([], HOUR_MS) == 0
