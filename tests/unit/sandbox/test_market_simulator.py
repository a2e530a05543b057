"""The market simulator keeps its contract: reproducible, causal by prefix, and true to each venue's own rule."""

import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.funding import PremiumRule
from hedged.domain.injective import FundingState, InjectiveRule
from hedged.domain.market import INJECTIVE, SeriesKey, decimal_of
from hedged.sandbox.dynamics import Dynamics
from hedged.sandbox.market_simulator import SCHEMAS, MarketSimulator, chain_twap, interval_rates, simulate
from hedged.sandbox.markets import SERIES, SIMULATED_MARKETS, SYMBOLS, simulated_markets

START_MS = 1_735_689_600_000  # 2025-01-01
INTEREST = float(InjectiveRule().hourly_interest)
Tables = dict[str, pl.DataFrame]

DIGEST = f"""
import hashlib
from hedged.sandbox.market_simulator import simulate
digest = hashlib.sha256()
for name, table in simulate(5, {START_MS}, 2).items():
    digest.update(name.encode() + table.write_csv().encode())
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def month() -> Tables:
    """Thirty days of one seed."""
    return simulate(1, START_MS, 30)


@pytest.fixture(scope="module")
def years() -> pl.DataFrame:
    """Funding of three seeds, a year each, with the rate in per cent a year and INJ's day for counting."""
    prints = [simulate(seed, START_MS, 365)["funding"].with_columns(seed=pl.lit(seed)) for seed in (1, 2, 3)]
    annual = pl.col("funding_rate") / pl.col("interval_hours") * 876_000
    day = (pl.col("ts") - pl.duration(minutes=1)).dt.date()
    return pl.concat(prints).with_columns(annual=annual, day=day)


def of_series(table: pl.DataFrame, key: SeriesKey) -> pl.DataFrame:
    """Rows of one series."""
    return table.filter(pl.col("venue") == key.venue, pl.col("symbol") == key.symbol)


def in_order(traded: np.ndarray, second: np.ndarray, premium: np.ndarray) -> Iterator[tuple[int, Decimal]]:
    """One hour's trades (60,) as the chain sees them, one after the other."""
    for minute in np.flatnonzero(traded):
        yield int(second[minute]), decimal_of(premium[minute])


def test_same_in_any_process() -> None:
    """If this fails, a backtest of the same seed differs from run to run and no result can be reproduced."""
    digests = set()
    for hash_seed in ("0", "4711"):
        env = os.environ | {"PYTHONHASHSEED": hash_seed}
        run = subprocess.run(
            [sys.executable, "-c", DIGEST], env=env, check=True, capture_output=True, text=True
        )
        digests.add(run.stdout)
    assert len(digests) == 1


def test_prefix_of_a_longer_run(month: Tables) -> None:
    """If this fails, what happens on a day depends on how many days follow: the past would know the future."""
    longer = simulate(1, START_MS, 40)
    end = pl.lit(START_MS + 30 * DAY_MS).cast(pl.Datetime("ms", "UTC"))
    for name, table in month.items():
        known = pl.col("ts") < end if name in ("ohlcv", "liquidations") else pl.col("ts") <= end
        assert_frame_equal(longer[name].filter(known), table, check_exact=True)


def test_advancing_in_pieces_is_the_same(month: Tables) -> None:
    """If this fails, a daemon that asks day by day lives in another market than a backtest that asks at once."""
    simulator = MarketSimulator(1, START_MS)
    pieces = [simulator.advance(days) for days in (1, 2, 27)]
    assert simulator.now_ms == START_MS + 30 * DAY_MS
    for name, table in month.items():
        assert_frame_equal(pl.concat([piece[name] for piece in pieces]), table, check_exact=True)


def test_seeds_differ() -> None:
    """If this fails, several seeds are one market and confidence intervals over seeds mean nothing."""
    first, second = (simulate(seed, START_MS, 1)["ohlcv"]["close"] for seed in (1, 2))
    assert not first.equals(second)


@pytest.mark.parametrize(
    ("start_ms", "days", "message"), [(START_MS + HOUR_MS, 1, "midnight"), (START_MS, 0, "advance by 0")]
)
def test_refuses_what_has_no_meaning(start_ms: int, days: int, message: str) -> None:
    """If this fails, a start within a day or an empty span silently shifts every settlement."""
    with pytest.raises(ValueError, match=message):
        simulate(1, start_ms, days)


def test_chain_formula_agrees_with_the_domain() -> None:
    """If this fails, simulated Injective prints are not what the chain would charge for the same trades."""
    rng = np.random.default_rng(3)
    shape = (120, 1)
    traded = rng.random(shape) < 0.05
    second = np.arange(120)[:, None] % 60 * 60 + rng.integers(1, 60, shape)
    premium = rng.normal(0.0, 0.01, shape)
    twap = chain_twap(traded, second, premium)
    rule = InjectiveRule()
    for hour in range(2):
        rows = slice(60 * hour, 60 * hour + 60)
        start_s = 3_600 * hour
        state = FundingState(start_s + 3_600, Decimal(0), start_s)
        for at_s, value in in_order(traded[rows, 0], second[rows, 0], premium[rows, 0]):
            state = state.after_trade(start_s + at_s, value)
        mean = np.zeros((1, len(SERIES)))
        mean[0, 0] = twap[rows][-1, 0]
        assert interval_rates(mean)[0, 0] == pytest.approx(
            float(state.rate_if_no_more_trades(rule)), abs=1e-15
        )


def test_forty_silent_minutes_then_one_trade() -> None:
    """If this fails, a late trade in a silent market does not decide the hour as it does on the chain."""
    traded = np.zeros((60, 1), dtype=bool)
    traded[40] = True
    twap = chain_twap(traded, np.full((60, 1), 40 * 60 + 30), np.full((60, 1), 0.003))[:, 0]
    assert np.all(twap[:40] == 0.0)
    assert twap[40:] == pytest.approx(0.003)


def test_injective_prints_replay_from_the_trades() -> None:
    """If this fails, the funding table is not the chain's formula applied to the trades of the simulated day."""
    _, trades = Dynamics(7, first_weekday=(START_MS // DAY_MS + 3) % 7).next_day()
    funding = simulate(7, START_MS, 1)["funding"]
    rule = InjectiveRule()
    for column, symbol in enumerate(SYMBOLS):
        rates = of_series(funding, SeriesKey(INJECTIVE, symbol))["funding_rate"].to_list()
        for hour, rate in enumerate(rates):
            rows = slice(60 * hour, 60 * hour + 60)
            state = FundingState(3_600, Decimal(0), 0)
            hours = (part[rows, column] for part in (trades.traded, trades.second, trades.premium))
            for at_s, value in in_order(*hours):
                state = state.after_trade(at_s, value)
            assert rate == pytest.approx(float(state.rate_if_no_more_trades(rule)), abs=1e-15)


def test_silent_hour_pays_exactly_the_interest(month: Tables) -> None:
    """If this fails, thin markets are priced wrong: without a trade the chain charges the interest and nothing else."""
    eth = SeriesKey(INJECTIVE, "ETH")
    volume = of_series(month["ohlcv"], eth).group_by_dynamic("ts", every="1h").agg(pl.col("volume").sum())
    silent = volume.filter(pl.col("volume") == 0.0).select(pl.col("ts").dt.offset_by("1h"))
    rates = of_series(month["funding"], eth).join(silent, on="ts")["funding_rate"]
    assert len(rates) > 100
    assert (rates == INTEREST).all()


def test_cex_prints_follow_the_premium_rule(month: Tables) -> None:
    """If this fails, a CEX's print is not its dead band and clamp applied to the interval's mean premium."""
    joined = month["funding"].join(month["premium"], on=["ts", "venue", "symbol"])
    for simulated in SIMULATED_MARKETS:
        if not isinstance(simulated.rule, PremiumRule):
            continue
        rows = of_series(joined, simulated.key)
        expected = [float(simulated.rule.rate(decimal_of(premium))) for premium in rows["premium"]]
        assert rows["funding_rate"].to_list() == pytest.approx(expected, abs=6e-9)


def test_intervals(month: Tables) -> None:
    """If this fails, settlements come at the wrong hours or a rate is compared without its interval."""
    for simulated in SIMULATED_MARKETS:
        rows = of_series(month["funding"], simulated.key)
        step_ms = simulated.interval_h * HOUR_MS
        first = START_MS + step_ms
        expected = list(range(first, START_MS + 30 * DAY_MS + 1, step_ms))
        assert rows["ts"].dt.epoch("ms").to_list() == expected
        assert rows["interval_hours"].unique().to_list() == [simulated.interval_h]
    assert {m.key: m.interval_h for m in SIMULATED_MARKETS}[SeriesKey("bybit", "INJ")] == 4


def test_caps_bind() -> None:
    """If this fails, a wild premium is charged in full where the venue would have stopped at its cap."""
    caps = np.array([float(simulated.rate_cap) for simulated in SIMULATED_MARKETS])
    rates = interval_rates(np.array([[0.5], [-0.5]]) * np.ones(len(SERIES)))
    assert rates == pytest.approx(np.array([caps, -caps]))


def test_estimate_is_what_settles(month: Tables) -> None:
    """If this fails, running estimates point at the wrong settlement or know nothing of it, or know it before."""
    funding = month["funding"].rename({"ts": "next_ts"}).select("next_ts", "venue", "symbol", "funding_rate")
    joined = month["estimates"].join(funding, on=["next_ts", "venue", "symbol"])
    left_h = (pl.col("next_ts") - pl.col("ts")).dt.total_minutes() / 60
    assert (month["estimates"]["next_ts"] > month["estimates"]["ts"]).all()
    assert joined.select((left_h <= pl.col("interval_hours")).all()).item()
    error = (pl.col("funding_estimate") - pl.col("funding_rate")).abs().mean()
    cex = joined.filter(pl.col("venue") != INJECTIVE, pl.col("interval_hours") == 8)
    late, early = (cex.filter(left_h == hours).select(error).item() for hours in (0.25, 7.75))
    assert 0.0 < late < 0.2 * early
    fresh = joined.filter(pl.col("venue") == INJECTIVE, left_h == 1.0)
    assert (fresh["funding_estimate"] == INTEREST).all()


def test_schemas_and_no_gaps(month: Tables) -> None:
    """If this fails, code that reads recorded data directories cannot read a simulated one."""
    assert list(month) == list(SCHEMAS)
    for name, table in month.items():
        assert table.schema == SCHEMAS[name], name
        assert table.null_count().sum_horizontal().item() == 0, name
        numbers = table.select(pl.col(pl.Float64, pl.Float32))
        assert numbers.select(pl.all_horizontal(pl.all().is_finite().all())).item(), name
        assert not table.select("ts", "venue", "symbol").is_duplicated().any(), name
        assert table["ts"].is_sorted(), name
        assert table["source"].unique().to_list() == ["simulator"], name
        if name not in ("funding", "long_short"):
            assert table.height == 30 * 96 * len(SERIES), name
    assert INJECTIVE not in month["long_short"]["venue"]


def test_recorded_tables_have_the_same_schema(shared_data: Path) -> None:
    """If this fails, simulated and recorded tables have drifted apart."""
    for name in ("funding", "ohlcv", "open_interest", "premium", "liquidity", "liquidations"):
        assert pl.read_parquet_schema(shared_data / f"{name}.parquet") == dict(SCHEMAS[name]), name


def test_candles_are_consistent(month: Tables) -> None:
    """If this fails, candles contradict themselves or the marks that positions are valued at."""
    ohlcv = month["ohlcv"]
    low, high = pl.min_horizontal("open", "close"), pl.max_horizontal("open", "close")
    assert ohlcv.select(
        ((pl.col("low") <= low) & (pl.col("high") >= high) & (pl.col("volume") >= 0.0)).all()
    ).item()
    closes = ohlcv.with_columns(pl.col("ts").dt.offset_by("15m"))
    settled = month["funding"].join(closes, on=["ts", "venue", "symbol"])
    assert settled.height == month["funding"].height
    assert (settled["mark_price"] == settled["close"]).all()
    follows = (pl.col("open").shift(-1) == pl.col("close")).over("venue", "symbol")
    assert ohlcv.select(follows.drop_nulls().all()).item()


def test_books_react(month: Tables) -> None:
    """If this fails, depth, liquidations and open interest carry no information about the market they belong to."""
    inj = SeriesKey("binance", "INJ")
    ohlcv = of_series(month["ohlcv"], inj)
    move = (ohlcv["close"] / ohlcv["open"]).log()
    liquidations = of_series(month["liquidations"], inj)
    assert liquidations["long_liquidations_usd"].filter(move > 0.0).sum() == 0.0
    big = move.abs() > move.abs().quantile(0.99)
    assert liquidations["liquidations_usd"].filter(big).mean() > 10 * liquidations["liquidations_usd"].mean()
    depth, spread = (
        of_series(month["liquidity"], inj)["depth_50bps_usd"],
        of_series(month["liquidity"], inj)["spread_bps"],
    )
    assert np.corrcoef(depth.log(), spread.log())[0, 1] < -0.3
    interest = of_series(month["open_interest"], inj)
    assert (interest["open_interest_usd"] / interest["open_interest_base"]).to_list() == pytest.approx(
        ohlcv["close"].to_list()
    )


@pytest.mark.parametrize(
    ("venue", "symbol", "low", "high"),
    [
        (INJECTIVE, "INJ", 30.0, 60.0),
        (INJECTIVE, "BTC", 9.0, 18.0),
        (INJECTIVE, "ETH", 3.65, 13.0),
        ("binance", "BTC", 5.0, 11.0),
        ("bybit", "BTC", 5.0, 11.0),
        ("binance", "ETH", 5.0, 11.0),
        ("bybit", "ETH", 5.0, 11.0),
        ("binance", "INJ", 10.0, 35.0),
        ("bybit", "INJ", 10.0, 35.0),
    ],
)
def test_long_run_means(years: pl.DataFrame, venue: str, symbol: str, low: float, high: float) -> None:
    """If this fails, the simulator has left the recorded levels of funding (% a year) it was calibrated to."""
    assert low < of_series(years, SeriesKey(venue, symbol))["annual"].mean() < high


def test_cex_prints_sit_at_the_floor_as_often_as_recorded(years: pl.DataFrame) -> None:
    """If this fails, the dead band is hit too rarely or too often, which flatters or ruins every forecaster."""
    prints = years.filter(pl.col("venue") != INJECTIVE, pl.col("symbol") != "INJ")
    assert 0.35 <= (prints["funding_rate"] == 0.0001).mean() <= 0.5


def test_hot_regimes(years: pl.DataFrame) -> None:
    """If this fails, there is either nothing to hedge within a month or no ordinary time in which not to."""
    inj = of_series(years, SeriesKey(INJECTIVE, "INJ")).group_by("seed", "day", maintain_order=True)
    days = inj.agg(pl.col("annual").mean()).with_columns(hot=pl.col("annual").abs() > 75.0)
    assert 0.15 < days["hot"].mean() < 0.35
    positive = (pl.col("annual") > 60.0).cast(pl.Int32)
    stretch = days.select(positive.rolling_sum(30).over("seed").min()).item()
    assert stretch >= 1
    assert abs(days.filter(~pl.col("hot"))["annual"].mean()) < 30.0


def test_markets_speak_the_daemons_terms() -> None:
    """If this fails, the daemon trades simulated markets under rules or costs that the simulator did not mean."""
    markets = simulated_markets()
    assert tuple(markets) == SERIES
    for key, market in markets.items():
        assert market.key == key
        assert (market.costs.maker_fee < 0) == (key.venue == INJECTIVE)
        assert market.costs.taker_fee == Decimal("0.0005")
        assert Decimal("0.00005") <= market.costs.half_spread <= Decimal("0.0002")
        assert market.maintenance_margin_ratio < market.initial_margin_ratio
