"""The stand-in for Injective: both declared rules, on numbers worked out by hand and on the recorded years."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_tables import candles, funding, of

from hedged.adapters.replay.proxy import IN_BAND_PREMIUM, Proxy, ProxyRule, stand_in
from hedged.adapters.replay.series import series_of
from hedged.adapters.replay.tables import load_tables
from hedged.domain.errors import DataError
from hedged.domain.funding import HYPERLIQUID_RULE
from hedged.domain.market import INJECTIVE, SeriesKey, decimal_of

INTEREST = 0.00000416666
CAP = 0.000625


def rates(rule: ProxyRule, *prints: float, hours: float = 1.0, **more: pl.DataFrame) -> list[float]:
    """Injective's rates when Hyperliquid printed these, one an interval."""
    rows = [(n * hours, "hyperliquid", "BTC", "USDC", rate, hours, None) for n, rate in enumerate(prints)]
    tables = stand_in({"funding": funding(*rows), "ohlcv": candles(), **more}, Proxy("hyperliquid", rule))
    out = tables["funding"]
    assert set(out["venue"]) == {INJECTIVE}
    return out.sort("ts")["funding_rate"].to_list()


@pytest.mark.parametrize(
    ("rule", "printed", "expected"),
    [
        ("level", 0.00003, 0.00003),
        ("level", -0.00003, -0.00003),
        ("level", 0.002, CAP),
        ("level", -0.002, -CAP),
        # 8F = 0.00024 > 0.0001: P = 0.00074
        ("chain", 0.00003, 0.00074 / 24 + INTEREST),
        # 8F = −0.00024 < 0.0001: P = −0.00074
        ("chain", -0.00003, -0.00074 / 24 + INTEREST),
        # exactly at the floor the print does not tell the premium: its mean inside the band
        ("chain", 0.0000125, 0.000037 / 24 + INTEREST),
        ("chain", 0.0, -0.0005 / 24 + INTEREST),
        ("chain", 0.002, CAP),
        ("chain", -0.003, -CAP),
    ],
)
def test_by_hand(rule: ProxyRule, printed: float, expected: float) -> None:
    """If this fails, every result reported with a stand-in was made with another rule than the declared one."""
    assert rates(rule, printed) == [pytest.approx(expected, rel=1e-9)]


def test_a_recorded_premium_goes_before_an_inverted_one() -> None:
    """If this fails, the chain rule guesses at premiums that are recorded, above all at the floor."""
    premium = of(
        "premium",
        (0.0, "hyperliquid", "BTC", "premium_index_1h", 0.0004),
        (0.0, "hyperliquid", "ETH", "premium_index_1h", 0.9),
        (0.0, "okx", "BTC", "perp_close_vs_spot_close", 0.9),
        (1.0, "hyperliquid", "BTC", "some other kind", 0.9),
    )
    told = rates("chain", 0.0000125, 0.0000125, premium=premium)
    assert told == pytest.approx([0.0004 / 24 + INTEREST, IN_BAND_PREMIUM / 24 + INTEREST])


def test_eight_hourly_prints_keep_their_sum() -> None:
    """If this fails, the years in which Hyperliquid settled every 8 hours are off by a factor of 8."""
    assert rates("level", 0.0008, hours=8.0) == [pytest.approx(0.0008)]
    assert rates("level", 0.02, hours=8.0) == [pytest.approx(8 * CAP)]
    assert rates("chain", 0.0008, hours=8.0) == [pytest.approx(8 * (0.0013 / 24 + INTEREST))]


def test_caps_and_interest_come_from_the_chain() -> None:
    """If this fails, caps are constants: they were 0.0000625 in 2023 and ten times that before and after."""
    snapshot = of("injective_markets", ("BTC", 0.0000625, 0.00001, INJECTIVE), ("ETH", 0.9, 0.9, INJECTIVE))
    assert rates("level", 0.0002, injective_markets=snapshot) == [pytest.approx(0.0000625)]
    told = rates("chain", 0.00003, 0.0002, injective_markets=snapshot)
    assert told == pytest.approx([0.00074 / 24 + 0.00001, 0.0000625])


@given(st.sampled_from(["chain", "level"]), st.floats(-0.5, 0.5), st.sampled_from([1.0, 8.0]))
@settings(max_examples=30)
def test_no_rate_of_a_stand_in_is_beyond_the_cap(rule: ProxyRule, printed: float, hours: float) -> None:
    """If this fails, Injective charges in a backtest what its cap forbids, and hedging looks better than it is."""
    (told,) = rates(rule, printed, hours=hours)
    assert abs(told) <= CAP * hours * (1 + 1e-12)


def test_the_stand_in_leaves_its_own_place() -> None:
    """If this fails, the daemon hedges Injective with the very data that plays Injective."""
    tables = {
        "funding": funding(
            (0.0, "hyperliquid", "BTC", "USDC", 1e-5, 1.0, 101.0),
            (0.0, "binance", "BTC", "USDT", 1e-4, 8.0, None),
            (0.0, INJECTIVE, "BTC", "USDT", 0.5, 1.0, None),
        ),
        "ohlcv": candles(
            (0.0, "hyperliquid", "BTC", "perp", "1h", 100.0, 1.0),
            (0.0, INJECTIVE, "BTC", "perp", "1h", 55.0, 1.0),
        ),
        "premium": of("premium", (0.0, "hyperliquid", "BTC", "premium_index_1h", 1e-4)),
    }
    out = stand_in(tables, Proxy("hyperliquid", "level"))
    for name, frame in out.items():
        assert "hyperliquid" not in frame["venue"].to_list(), name
    series = series_of(out)
    assert set(series) == {SeriesKey(INJECTIVE, "BTC"), SeriesKey("binance", "BTC")}
    mine = series[SeriesKey(INJECTIVE, "BTC")]
    assert (list(mine.funding_rate), list(mine.funding_mark), list(mine.close.values)) == (
        [1e-5],
        [101.0],
        [100.0],
    )
    assert series[SeriesKey("binance", "BTC")].funding_rate[0] == 1e-4


def test_only_hyperliquid_has_a_rule() -> None:
    """If this fails, another venue's 8-hour rates are passed off as Injective's."""
    tables = {"funding": funding((0.0, "binance", "BTC", "USDT", 1e-4, 8.0, None)), "ohlcv": candles()}
    with pytest.raises(DataError, match="use hyperliquid"):
        stand_in(tables, Proxy("binance", "chain"))
    with pytest.raises(DataError, match="no rows of hyperliquid"):
        stand_in(tables, Proxy("hyperliquid", "chain"))


def test_hyperliquids_rule_reproduces_its_prints(shared_data: Path) -> None:
    """If this fails, the formula by which printed rates are inverted into premiums is not the venue's."""
    prints = pl.scan_parquet(shared_data / "funding.parquet").filter(
        pl.col("venue") == "hyperliquid", pl.col("symbol") == "BTC", pl.col("interval_hours") == 1
    )
    premiums = pl.scan_parquet(shared_data / "premium.parquet").filter(
        pl.col("venue") == "hyperliquid", pl.col("symbol") == "BTC"
    )
    both = prints.join(premiums, on="ts").select("funding_rate", "premium").collect()
    assert len(both) == 12_192
    exact = Decimal("1e-10")  # premiums are printed with ten decimals
    right = sum(
        abs(HYPERLIQUID_RULE.rate(decimal_of(premium)) - decimal_of(rate)) <= exact
        for rate, premium in both.iter_rows()
    )
    assert right == 12_192
    floor = decimal_of(IN_BAND_PREMIUM)
    back = [HYPERLIQUID_RULE.invert(decimal_of(rate), floor) for rate, _ in both.iter_rows()]
    known = np.array([float(p) for p in back])
    outside = known != IN_BAND_PREMIUM
    assert np.abs(known - both["premium"].to_numpy())[outside].max() < 1e-8


def test_the_premium_at_the_floor(shared_data: Path) -> None:
    """If this fails, a third of all hours (the interest floor) gets another premium than the recorded mean."""
    tables = load_tables(shared_data, ["BTC", "ETH"])
    both = tables["funding"].filter(pl.col("venue") == "hyperliquid", pl.col("interval_hours") == 1)
    both = both.join(tables["premium"].filter(pl.col("venue") == "hyperliquid"), on=["ts", "symbol"])
    at_floor = both.filter((pl.col("funding_rate") * 8 - 0.0001).abs() < 1e-9)
    means = dict(at_floor.group_by("symbol").agg(pl.col("premium").mean()).iter_rows())
    assert sum(means.values()) / 2 == pytest.approx(IN_BAND_PREMIUM, rel=0.03)
    assert means == pytest.approx(
        {"BTC": 0.0000569, "ETH": 0.0000157}, rel=0.01
    )  # the one figure hides this spread


def bp_a_year(shared: Path, symbol: str, rule: ProxyRule, *, recorded_premium: bool) -> float:
    """What a long paid under a rule in 2024 and 2025, in bp of notional a year."""
    tables = load_tables(shared, [symbol])
    if not recorded_premium:
        tables = {name: frame for name, frame in tables.items() if name != "premium"}
    here = stand_in(tables, Proxy("hyperliquid", rule))["funding"].filter(pl.col("venue") == INJECTIVE)
    paid = here.filter(pl.col("ts").dt.year().is_in([2024, 2025]))["funding_rate"]
    assert len(paid) > 17_000
    return float(paid.sum() / 2 * 1e4)


@pytest.mark.parametrize(
    ("symbol", "rule", "published"),
    [("BTC", "level", 1_742), ("BTC", "chain", 957), ("ETH", "level", 1_532), ("ETH", "chain", 736),
     ("SOL", "level", 1_687), ("SOL", "chain", 797), ("DOGE", "level", 2_299), ("DOGE", "chain", 1_073),
     ("BNB", "level", 544), ("BNB", "chain", -22)],
)  # fmt: skip
def test_the_level_of_two_years(shared_data: Path, symbol: str, rule: ProxyRule, published: float) -> None:
    """If this fails, results under the stand-in are not comparable with the design's table of what a long pays."""
    # the table was made by inverting alone
    told = bp_a_year(shared_data, symbol, rule, recorded_premium=False)
    assert told == pytest.approx(published, rel=0.005, abs=1)


@pytest.mark.parametrize(("symbol", "expected"), [("BTC", 988), ("ETH", 705)])
def test_recorded_premiums_shift_the_level(shared_data: Path, symbol: str, expected: float) -> None:
    """If this fails, the recorded premium of BTC and ETH is no longer preferred to the inverted one."""
    told = bp_a_year(shared_data, symbol, "chain", recorded_premium=True)
    assert told == pytest.approx(expected, rel=0.003)
