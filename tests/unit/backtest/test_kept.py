"""What a run keeps reads as it was added, wherever it lies; files are gone with it."""

import gc
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from hedged.backtest.kept import kept_decisions, kept_forecasts, rows_of
from hedged.backtest.paid import Paid
from hedged.domain.forecast import LEVELS, RateForecast
from hedged.domain.funding import FundingRate, Settlement, funding_payment
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Strategy

HERE, THERE = SeriesKey(INJECTIVE, "ETH"), SeriesKey("binance", "ETH")


def test_decisions_read_as_they_were_added(tmp_path: Path) -> None:
    """If this fails, a long run reports other decisions than it made, or leaves files behind."""
    rows = [
        {"ts_ms": i, "symbol": "ETH" if i % 2 else "BTC", "strategy": Strategy.FUNDING_HEDGE, "reason": f"no. {i}",
         "current": "{}", "price": 0.1 * i, "break_even_h": None if i % 3 else 2.5}
        for i in range(10)
    ]  # fmt: skip
    kept = kept_decisions(tmp_path, part=4)
    for row in rows:
        kept.add([row])
    assert len([*tmp_path.glob("*/*.parquet")]) == 2
    for told in (list(kept), kept[:], [kept[i] for i in range(len(kept))]):
        assert [{name: row[name] for name in rows[0]} for row in told] == rows
    assert kept[-1]["ts_ms"] == 9
    with pytest.raises(IndexError):
        kept[10]
    names = ("ts_ms", "break_even_h")
    odd = [{name: row[name] for name in names} for row in rows[1::2]]
    assert rows_of(kept, "ETH", names) == odd
    assert [row["ts_ms"] for row in rows_of(rows, "ETH", names)] == [row["ts_ms"] for row in odd]
    del kept
    gc.collect()
    assert not [*tmp_path.iterdir()]


def test_forecasts_read_as_they_were_added(tmp_path: Path) -> None:
    """If this fails, a report holds other forecasts against what came."""
    told = [RateForecast(HERE, i, 24, 1e-5 * i, np.arange(len(LEVELS)) / 7 * i, 0.25) for i in range(7)]
    kept = kept_forecasts(tmp_path, part=3)
    kept.add(told)
    for one, other in zip(kept, told, strict=True):
        np.testing.assert_array_equal(one.quantiles, other.quantiles)
        assert (one.key, one.made_at_ms, one.horizon_h, one.mean, one.p_up) == (
            HERE,
            other.made_at_ms,
            24,
            other.mean,
            0.25,
        )


def test_payments_of_venues_lie_together() -> None:
    """If this fails, what was paid is told in another order, or not to the last digit."""

    def paid(key: SeriesKey, ts_ms: int, quantity: str) -> object:
        rate = FundingRate(key.venue, Decimal("0.00012345678901"), Decimal("8.0"))
        return funding_payment(Decimal(quantity), Settlement(key, ts_ms, rate, Decimal("3123.4567")))

    here, there = Paid([HERE]), Paid([THERE])
    mine = [paid(HERE, 1, "-2.000000001"), paid(HERE, 3, "1")]
    others = [paid(THERE, 1, "1"), paid(THERE, 2, "0.3")]
    here.extend(mine)  # type: ignore[arg-type]
    there.extend(others)  # type: ignore[arg-type]
    whole = Paid.together([here, there])
    assert list(whole) == [others[0], mine[0], others[1], mine[1]]
    assert whole[-1] == mine[1]
    assert whole.frame()["venue"].to_list() == ["binance", INJECTIVE, "binance", INJECTIVE]
    np.testing.assert_allclose(
        whole.frame()["payment_usd"], [float(p.payment_usd) for p in whole], rtol=1e-14
    )
    assert here.beside({"ETH": Decimal(1)}, 0) == mine[:1]
