"""Where the sandbox's prices come from: the simulator, tides, or a recorded directory."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import DataError
from hedged.domain.injective import InjectiveRule
from hedged.sandbox.injective.crowd import Mood, SimulatedFeed, quotes
from hedged.sandbox.injective.past import PRINT_DELAY_MS, TRADED_H
from hedged.sandbox.injective.recorded import play_recording
from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig
from hedged.sandbox.injective.tides import play_tides

START = 1_700_000_000_000
HOURS = 24 * 40


def test_a_shortened_hour_plays_the_same_market_faster() -> None:
    """If this fails, funding of shortened hours has another size than that of real ones."""
    slow, fast = SimulatedFeed(3, START, 3_600), SimulatedFeed(3, START, 6)
    for minute in range(0, 180, 7):
        one = slow.until(START + minute * 60_000 + 1)["BTC"]
        other = fast.until(START + minute * 100 + 1)["BTC"]
        assert (one.mark, one.premium, list(one.trades)) == (other.mark, other.premium, list(other.trades))


def test_every_simulated_trade_is_played_once() -> None:
    """If this fails, a premium evolves from too few or too many trades when blocks are slow or days change."""
    coarse, fine = SimulatedFeed(3, START, 3_600), SimulatedFeed(3, START, 3_600)
    two_days = 2 * 24 * HOUR_MS
    many = [t for ms in range(0, two_days + 1, 1_800_000) for t in fine.until(START + ms)["BTC"].trades]
    few = [t for ms in range(0, two_days + 1, 6 * HOUR_MS) for t in coarse.until(START + ms)["BTC"].trades]
    assert many == few
    assert len(many) > 100


def test_past_rates_are_the_simulators_own() -> None:
    """If this fails, the history that a daemon reads at its start does not fit the market it goes on in."""
    feed = SimulatedFeed(3, START, 3_600, history_h=30)
    rates = feed.past_rates["INJ"]
    assert len(rates) == 30
    assert max(map(abs, rates)) <= InjectiveRule().hourly_cap


def test_quotes_stand_on_ticks_round_the_premium_with_the_stated_depth() -> None:
    """If this fails, the book is crossed, off its ticks, or deeper than the market claims."""
    tick, step = Decimal("0.001"), Decimal("0.001")
    mood = Mood(Decimal("14.1234"), Decimal("0.001"))
    rows = quotes(mood, tick, step, Decimal("0.0002"), Decimal(150_000))
    bids = [price for is_buy, price, _ in rows if is_buy]
    asks = [price for is_buy, price, _ in rows if not is_buy]
    mid = mood.mark * Decimal("1.001")
    assert max(bids) < mid < min(asks)
    assert all(price % tick == 0 and quantity % step == 0 for _, price, quantity in rows)
    assert sum(p * q for is_buy, p, q in rows if is_buy) == pytest.approx(
        Decimal(150_000), rel=Decimal("0.01")
    )


def recorded(folder: Path, symbols: tuple[str, ...] = ("INJ", "BTC")) -> Path:
    times = [datetime.fromtimestamp((START // HOUR_MS + n) * 3_600, UTC) for n in range(HOURS)]
    rows = [(t, symbol, 10.0 + n / 100) for symbol in symbols for n, t in enumerate(times)]
    ts, names, closes = (list(column) for column in zip(*rows, strict=True))
    base = {"ts": pl.Series(ts, dtype=pl.Datetime("ms", "UTC")), "venue": "hyperliquid", "symbol": names}
    pl.DataFrame(base | {"bar": "1h", "close": closes}).write_parquet(folder / "ohlcv.parquet")
    funding = {"funding_rate": [0.0000625 + 1e-6] * len(rows), "interval_hours": [1.0] * len(rows)}
    pl.DataFrame(base | funding).write_parquet(folder / "funding.parquet")
    return folder


def test_a_recording_is_played_hour_by_hour(tmp_path: Path) -> None:
    """If this fails, recorded marks or premiums come at another time or size than they were."""
    feed = play_recording(recorded(tmp_path), ("INJ", "BTC"), START, hour_s=10, history_h=100)
    at_start, later = feed.until(START)["INJ"], feed.until(START + 15_000)["INJ"]
    assert later.mark - at_start.mark == Decimal("0.015"), "an hour and a half later"
    # 8 h rate 0.000508 lies 0.000408 above the interest: outside the dead band's edge by 0.0005
    assert at_start.premium == Decimal("0.001008")
    assert len(later.trades) == 18, "one every five recorded minutes"
    assert len(feed.past_rates["INJ"]) == 100
    assert feed.past_rates["INJ"][0] == Decimal("0.001008") / 24 + InjectiveRule().hourly_interest
    assert feed.until(START + 10_000 * HOURS)["INJ"].trades == [], "after its end nobody trades"


def test_a_market_that_was_not_recorded_is_named(tmp_path: Path) -> None:
    """If this fails, a sandbox would start with a market that has no price."""
    with pytest.raises(DataError, match="ETH"):
        play_recording(recorded(tmp_path), ("INJ", "ETH"), START, hour_s=10)
    with pytest.raises(DataError, match="cannot be played"):
        play_recording(tmp_path / "nothing", ("INJ",), START, hour_s=10)


def test_tides_turn_on_the_hour_and_were_long_before() -> None:
    """If this fails, the manual's rehearsal shows no turn, or a past in which no forecaster would expect what is."""
    feed = play_tides(3, ("INJ", "BTC"), seed=7, start_ms=START, hour_s=3_600, history_h=500)
    into_the_hour = START % HOUR_MS
    signs = [
        1 if feed.until(START - into_the_hour + hour * HOUR_MS + 1)["INJ"].premium > 0 else -1
        for hour in range(9)
    ]
    assert signs == [1, 1, 1, -1, -1, -1, 1, 1, 1]
    past = [rate > 0 for rate in feed.past_rates["INJ"]]
    assert past == [True] * 68 + [False] * 240 + [True] * 192
    assert len(feed.past_prices["BTC"]) == 500


def test_the_indexer_remembers_prints_and_trades_from_before_the_start() -> None:
    """If this fails, the daemon meets a market without a past: nothing to forecast from, no volatility."""
    config = SandboxConfig(symbols=("INJ", "BTC"), block_time_s=None, history_hours=600)
    history = InjectiveSandbox(config).chain.state.history
    of_inj = [row for row in history.trades if row.symbol == "INJ"]
    assert len(of_inj) == 2 * TRADED_H, "one an hour, told of both its sides"
    assert {row.by_house for row in of_inj} == {True}
    hours = sorted({row.ts_ms for row in of_inj})
    assert {b - a for a, b in pairwise(hours)} == {HOUR_MS}
    prints = sorted({row.ts_ms for row in history.rates})
    assert len(prints) == 600
    assert prints[-1] - hours[-1] == HOUR_MS // 2 + PRINT_DELAY_MS, (
        "in the middle of the hour that was settled"
    )
