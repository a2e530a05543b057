"""Recorded tables are told as a venue would have told them: the right contract, and nothing before it was known."""

from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fakes import market
from hypothesis import given
from hypothesis import strategies as st
from small_tables import TS, H, at, candles, funding, ms, of, recording

from hedged.adapters.replay.prices import PriceSource, prices_at
from hedged.adapters.replay.series import series_of
from hedged.adapters.replay.tables import REQUIRED, bar_ms, load_tables
from hedged.adapters.replay.venue import assumed_market, observe_at
from hedged.domain.bars import BAR_MS, Field
from hedged.domain.errors import DataError
from hedged.domain.market import INJECTIVE, SeriesKey

KEY = SeriesKey("binance", "BTC")
PRINT = (0.0, "binance", "BTC", "USDT", 8e-5, 8.0, None)


def seen(tables: dict[str, pl.DataFrame], hours: float, field: Field) -> tuple[float, int]:
    """Value of a field as known at an instant, and since when."""
    values, known_ms = observe_at(series_of(tables), KEY, np.array([ms(hours)]))
    return float(values[0, field]), int(known_ms[0, field])


def small(**more: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {"funding": funding(PRINT), "ohlcv": candles()} | more


def write(tables: dict[str, pl.DataFrame], folder: Path) -> Path:
    for name, frame in tables.items():
        frame.write_parquet(folder / f"{name}.parquet")
    return folder


class TestTables:
    """Reading a data directory."""

    def test_everything_is_read(self, tmp_path: Path) -> None:
        """If this fails, a table that is there is ignored."""
        tables = recording()
        read = load_tables(write(tables, tmp_path), ["BTC"])
        assert {name: len(frame) for name, frame in read.items()} == {n: len(f) for n, f in tables.items()}
        assert load_tables(tmp_path, ["ETH"])["funding"].is_empty()

    @pytest.mark.parametrize("name", REQUIRED)
    def test_a_missing_table_is_named(self, tmp_path: Path, name: str) -> None:
        """If this fails, a user with half a data directory sees a traceback instead of what is missing."""
        write(recording(), tmp_path)
        (tmp_path / f"{name}.parquet").unlink()
        with pytest.raises(DataError, match=f"no {name}.parquet") as error:
            load_tables(tmp_path, ["BTC"])
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize(
        ("name", "column"), [("funding", "interval_hours"), ("ohlcv", "bar"), ("premium", "kind")]
    )
    def test_a_missing_column_is_named(self, tmp_path: Path, name: str, column: str) -> None:
        """If this fails, a table of another schema breaks somewhere deep inside, or is misread."""
        tables = recording()
        tables[name] = tables[name].drop(column)
        with pytest.raises(DataError, match=f"{name}.parquet lacks the column {column}") as error:
            load_tables(write(tables, tmp_path), ["BTC"])
        assert "\n" not in str(error.value)

    def test_a_broken_file_is_named(self, tmp_path: Path) -> None:
        """If this fails, a torn download ends in a traceback."""
        (write(recording(), tmp_path) / "ohlcv.parquet").write_bytes(b"PAR1 torn")
        with pytest.raises(DataError, match=r"ohlcv\.parquet cannot be read") as error:
            load_tables(tmp_path, ["BTC"])
        assert "\n" not in str(error.value)

    def test_no_directory(self, tmp_path: Path) -> None:
        """If this fails, a mistyped path looks like missing tables."""
        with pytest.raises(DataError, match="not a directory"):
            load_tables(tmp_path / "nowhere", ["BTC"])

    def test_only_the_linear_contract(self, tmp_path: Path) -> None:
        """If this fails, USDC- and coin-margined prints of the same coin are mixed into one series."""
        rows = [
            (0.0, venue, "BTC", quote, 1e-4, 8.0, None)
            for venue in ("binance", "bybit", "hyperliquid")
            for quote in ("USDT", "USDC", "USD")
        ]
        write(small() | {"funding": funding(*rows)}, tmp_path)
        kept = load_tables(tmp_path, ["BTC"])["funding"].select("venue", "quote").rows()
        assert sorted(kept) == [
            ("binance", "USDT"),
            ("bybit", "USDT"),
            ("hyperliquid", "USD"),
            ("hyperliquid", "USDC"),
        ]

    @pytest.mark.parametrize(("bar", "minutes"), [("15m", 15), ("1h", 60), ("4h", 240), ("1d", 1_440)])
    def test_bar_lengths(self, bar: str, minutes: int) -> None:
        """If this fails, candles are known at the wrong time."""
        assert bar_ms(bar) == minutes * 60_000

    @pytest.mark.parametrize("bar", ["", "h", "1w", "xh"])
    def test_an_unknown_bar_is_refused(self, bar: str) -> None:
        """If this fails, a bar of unknown length is given some length."""
        with pytest.raises(DataError, match="unknown bar"):
            bar_ms(bar)


class TestKnownAt:
    """Each kind of row from the moment at which it was known, not a millisecond before."""

    @pytest.mark.parametrize(
        ("name", "row", "field", "value", "known_h"),
        [
            ("open_interest", (1.0, "binance", "BTC", "1h", 500.0), Field.OPEN_INTEREST, 500.0, 1.0),
            ("open_interest", (1.0, "binance", "BTC", "1d", 500.0), Field.OPEN_INTEREST, 500.0, 25.0),
            ("premium", (1.0, "binance", "BTC", "venue", 2e-4), Field.PREMIUM, 2e-4, 1.0),
            ("liquidity", (1.0, "binance", "BTC", 9e5), Field.BID_DEPTH_USD, 9e5, 1.0),
            ("liquidations", (0.0, "binance", "BTC", "1d", 77.0), Field.LIQUIDATIONS_USD, 77.0, 24.0),
            ("long_short", (1.0, "binance", "BTC", 1.5), Field.LONG_SHORT_RATIO, 1.5, 1.0),
            ("estimates", (1.0, "binance", "BTC", 8e-4, 8.0, 8.0), Field.FUNDING_ESTIMATE, 1e-4, 1.0),
            ("estimates", (1.0, "binance", "BTC", 8e-4, 4.0, 4.0), Field.INTERVAL_H, 4.0, 1.0),
        ],
    )
    def test_optional_tables(
        self, name: str, row: tuple[object, ...], field: Field, value: float, known_h: float
    ) -> None:
        """If this fails, a value is used before it was known: the backtest sees the future."""
        tables = small(**{name: of(name, row)})
        assert seen(tables, known_h, field) == (pytest.approx(value), ms(known_h))
        before, since = seen(tables, known_h - 1e-6, field)
        assert before != pytest.approx(value)
        assert since < ms(known_h)

    def test_funding_at_its_settlement_per_hour(self) -> None:
        """If this fails, an 8-hour rate is read as hourly, or before it was charged."""
        assert seen(small(), 0, Field.FUNDING_SETTLED) == (pytest.approx(1e-5), ms(0))
        assert seen(small(), 0, Field.SETTLED_INTERVAL_H) == (8.0, ms(0))
        assert seen(small(), 2, Field.SETTLES_IN_S)[0] == 6 * 3_600
        assert np.isnan(seen(small(), -0.001, Field.FUNDING_SETTLED)[0])

    def test_the_next_settlement_comes_from_the_venue_where_it_says_so(self) -> None:
        """If this fails, a changed interval is noticed one settlement late."""
        tables = small(estimates=of("estimates", (1.0, "binance", "BTC", 8e-4, 4.0, 4.0)))
        assert seen(tables, 1.5, Field.SETTLES_IN_S)[0] == 2.5 * 3_600

    def test_an_estimate_of_a_settlement_that_is_over_says_nothing(self) -> None:
        """If this fails, the coming settlement is forecast by the estimate of the one before, due a while ago."""
        tables = small(estimates=of("estimates", (1.0, "binance", "BTC", 8e-4, 4.0, 4.0)))
        assert np.isnan(seen(tables, 4, Field.FUNDING_ESTIMATE)[0])
        assert seen(tables, 4, Field.SETTLES_IN_S)[0] == 4 * 3_600  # as the last print has it

    def test_a_candle_when_it_has_closed(self) -> None:
        """If this fails, the close of a candle is known while it is still open: an hour of foresight."""
        tables = small(ohlcv=candles((1.0, "binance", "BTC", "perp", "1h", 50.0, 8.0)))
        assert seen(tables, 2, Field.MARK) == (50.0, ms(2))
        assert np.isnan(seen(tables, 1.9999, Field.MARK)[0])
        assert seen(tables, 2, Field.VOLUME) == (2.0, ms(2))  # a quarter of the hour's

    def test_the_shorter_candle_wins_where_two_close_together(self) -> None:
        """If this fails, a daily candle's volume is told in the place of the last hour's."""
        rows = [
            (0.0, "binance", "BTC", "perp", "1d", 60.0, 960.0),
            (23.0, "binance", "BTC", "perp", "1h", 60.0, 8.0),
        ]
        for order in (rows, rows[::-1]):
            assert seen(small(ohlcv=candles(*order)), 24, Field.VOLUME)[0] == 2.0

    def test_spot_candles_and_foreign_premiums_are_not_the_perpetual(self) -> None:
        """If this fails, spot prices or another definition of the premium enter the series."""
        tables = small(
            ohlcv=candles((0.0, "binance", "BTC", "spot", "1h", 50.0, 8.0)),
            premium=of("premium", (1.0, "binance", "BTC", "perp_close_vs_index", 0.5)),
        )
        assert np.isnan(seen(tables, 1, Field.MARK)[0])
        assert np.isnan(seen(tables, 1, Field.PREMIUM)[0])
        assert seen(tables, 1, Field.BASIS)[0] == 0.5

    def test_a_signal_speaks_of_whom_it_names(self) -> None:
        """If this fails, a signal about one coin is read for another, or one about all is read for none."""
        rows = (
            (0.0, None, None, "macro", 20.0),
            (0.0, None, "BTC", "sentiment", 0.4),
            (0.0, "okx", "BTC", "wallet_concentration", 0.3),
            (0.0, None, "ETH", "sentiment", -0.9),
        )
        tables = small(signals=of("signals", *rows))
        assert seen(tables, 1, Field.MACRO)[0] == 20.0
        assert seen(tables, 1, Field.SENTIMENT)[0] == 0.4
        assert np.isnan(seen(tables, 1, Field.WALLET_CONCENTRATION)[0])


class TestPrices:
    """The ladder of prices."""

    LADDER = (
        ({"mark", "own", "other"}, PriceSource.VENUE_MARK, 10.0),
        ({"own", "other"}, PriceSource.VENUE_CANDLE, 20.0),
        ({"other", "old"}, PriceSource.OTHER_VENUE, 30.0),
        ({"old"}, PriceSource.STALE_CANDLE, 40.0),
        ({"ancient"}, PriceSource.NONE, None),
        ({"open"}, PriceSource.NONE, None),
    )

    @pytest.mark.parametrize(("have", "source", "price"), LADDER)
    def test_the_best_known_price(self, have: set[str], source: PriceSource, price: float | None) -> None:
        """If this fails, a worse price is taken while a better one is known, or its source is told wrongly."""
        rows = {
            "own": (47.0, "okx", "BTC", "perp", "1h", 20.0, 1.0),
            "other": (47.0, "bybit", "BTC", "perp", "1h", 30.0, 1.0),
            "old": (24.0, "okx", "BTC", "perp", "1h", 40.0, 1.0),
            "ancient": (22.9, "okx", "BTC", "perp", "1h", 50.0, 1.0),
            "open": (47.5, "okx", "BTC", "perp", "1h", 60.0, 1.0),
        }
        mark = 10.0 if "mark" in have else None
        prints = funding(
            (48.0, "okx", "BTC", "USDT", 1e-4, 8.0, mark), (48.0, "bybit", "BTC", "USDT", 1e-4, 8.0, None)
        )
        tables = {"funding": prints, "ohlcv": candles(*(row for name, row in rows.items() if name in have))}
        found = prices_at(series_of(tables), SeriesKey("okx", "BTC"), np.array([ms(48)]))
        assert found.source[0] == source
        assert (None if np.isnan(found.price[0]) else found.price[0]) == price
        if source is PriceSource.OTHER_VENUE:
            assert found.venues[found.venue[0]] == "bybit"

    def test_a_candle_goes_stale_after_a_day(self) -> None:
        """If this fails, a market without trades keeps a price of last week."""
        tables = small(ohlcv=candles((0.0, "binance", "BTC", "perp", "1h", 40.0, 1.0)))
        hours = (1.0, 1.9, 2.0, 25.0, 25.001)
        found = prices_at(series_of(tables), KEY, np.array([ms(h) for h in hours]))
        assert [PriceSource(s) for s in found.source] == [
            PriceSource.VENUE_CANDLE, PriceSource.VENUE_CANDLE, PriceSource.STALE_CANDLE, PriceSource.STALE_CANDLE,
            PriceSource.NONE,
        ]  # fmt: skip
        assert list(found.known_ms) == [ms(1)] * 4 + [0]

    def test_a_mark_counts_at_its_own_instant_only(self) -> None:
        """If this fails, the mark of an old settlement hides the newer candle."""
        tables = small(ohlcv=candles((0.0, "binance", "BTC", "perp", "1h", 40.0, 1.0)))
        tables["funding"] = funding((1.0, "binance", "BTC", "USDT", 1e-4, 8.0, 39.0))
        found = prices_at(series_of(tables), KEY, np.array([ms(1), ms(1.25)]))
        assert list(found.price) == [39.0, 40.0]


KNOWN_AFTER = {"funding": 0, "premium": 0, "liquidity": 0, "estimates": 0, "long_short": 0, "signals": 0}


def known_at(name: str) -> pl.Expr:
    """When a row of a table was known, said independently of the adapter (see the data directory's README)."""
    if name in KNOWN_AFTER:
        return pl.col("ts")
    length = pl.when(pl.col("bar") == "1d").then(24 * H).otherwise(H if name == "ohlcv" else 0)
    return (pl.col("ts") + pl.duration(milliseconds=length)).cast(TS)


VALUES = ("funding_rate", "mark_price", "close", "volume", "open_interest_base", "premium", "depth_50bps_usd",
          "liquidations_usd", "funding_estimate", "long_short_ratio", "value")  # fmt: skip
QUARTERS = np.arange(ms(0), ms(59) + 1, BAR_MS)


@cache
def observed(key: SeriesKey) -> tuple[np.ndarray, np.ndarray]:
    """What the whole recording tells of a market in every quarter of an hour."""
    return observe_at(series_of(recording()), key, QUARTERS)


@pytest.mark.parametrize("way", ["perturbed", "removed"])
@given(hours=st.integers(1, 59 * 4).map(lambda quarter: quarter / 4))
def test_the_future_leaves_no_trace(way: str, hours: float) -> None:
    """If this fails, something told at an instant depends on a row that was known only later."""
    tables = recording()
    changed = {}
    for name, frame in tables.items():
        late = known_at(name) > pl.lit(at(hours)).cast(TS)
        if way == "removed":
            changed[name] = frame.filter(~late)
        else:
            columns = [c for c in VALUES if c in frame.columns]
            changed[name] = frame.with_columns(
                pl.when(late).then(-777.0).otherwise(pl.col(c)).alias(c) for c in columns
            )
        assert way != "perturbed" or len(changed[name]) == len(frame)
    series, times = series_of(changed), QUARTERS[ms(hours) >= QUARTERS]
    for key in (KEY, SeriesKey(INJECTIVE, "BTC")):
        for expected, got in zip(observed(key), observe_at(series, key, times), strict=True):
            np.testing.assert_array_equal(got, expected[: len(times)])


def test_the_leak_test_would_notice() -> None:
    """If this fails, the perturbation above touches nothing and proves nothing."""
    tables = recording()
    for name, frame in tables.items():
        assert frame.filter(known_at(name) > pl.lit(at(30)).cast(TS)).height > 0, name
    values, known_ms = observe_at(series_of(tables), KEY, np.array([ms(50)]))
    told = [f for f in Field if not np.isnan(values[0, f])]
    assert set(Field) - set(told) == {Field.INDEX}
    assert (known_ms[0] <= ms(50)).all()


@pytest.mark.parametrize(
    ("price", "tick", "step"), [(65_000, "0.1", "0.00001"), (14, "0.0001", "0.01"), (0.1, "0.000001", "1")]
)
def test_assumed_rules_fit_the_price(price: float, tick: str, step: str) -> None:
    """If this fails, a market without recorded rules gets ticks or steps of the wrong size."""
    rules = assumed_market(KEY, price, market())
    assert (rules.price_tick, rules.quantity_step) == (Decimal(tick), Decimal(step))


def test_rows_in_any_order_tell_the_same() -> None:
    """If this fails, what is told depends on how a file happens to be sorted."""
    tables = recording()
    shuffled = {name: frame.sample(fraction=1, shuffle=True, seed=3) for name, frame in tables.items()}
    times = np.arange(ms(0), ms(60), BAR_MS)
    true, told = (observe_at(series_of(t), KEY, times)[0] for t in (tables, shuffled))
    np.testing.assert_array_equal(told, true)
