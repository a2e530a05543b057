"""What a cycle's report becomes as metrics."""

from decimal import Decimal

import numpy as np
import pytest
from prometheus_client import generate_latest

from hedged.cycle import CycleReport
from hedged.domain.forecast import ForecastSet, Span
from hedged.domain.market import SeriesKey
from hedged.execution.accounts import AccountState
from hedged.risk.gate import Review
from hedged.risk.pnl import HedgePnl
from hedged.telemetry.metrics import Metrics
from hedged.telemetry.publish import announce, publish_forecasters, publish_money

KEYS = tuple(SeriesKey(venue, "INJ") for venue in ("injective", "binance", "bybit", "okx"))


def test_series_are_counted_by_who_forecast_them() -> None:
    """If this fails, an operator does not see that half of the book rests on the stand-in, or on nobody."""
    metrics = Metrics()

    def counts(made_by: dict[SeriesKey, str]) -> dict[str, float]:
        keys = tuple(made_by)
        made = ForecastSet(0, 24, keys, {}, np.empty((1, len(keys))), "m", "f", made_by)
        publish_forecasters(made, metrics, KEYS, "ensemble")
        lines = generate_latest(metrics.registry).decode().splitlines()
        told = [line for line in lines if line.startswith("hedged_forecast_series{")]
        return {line.split('"')[1]: float(line.split()[-1]) for line in told}

    assert counts({KEYS[0]: "ensemble", KEYS[1]: "ewma"}) == {"ensemble": 1, "ewma": 1, "none": 2}
    assert counts(dict.fromkeys(KEYS, "ensemble")) == {"ensemble": 4, "ewma": 0, "none": 0}


def report(account: AccountState, pnl: HedgePnl) -> CycleReport:
    """A cycle that saw a short of INJ, forecast to receive, hedged by a tenth."""
    key = KEYS[0]
    rates = np.full((4, 1), 1e-5)
    forecasts = ForecastSet(0, 24, (key,), {}, rates, "m", "f", spans=(Span(8, rates, "a guess"),))
    return CycleReport(
        0, account, {key: Decimal(20)}, forecasts, {}, Review(), (), (), {}, {}, {}, (), pnl, loss_limit=""
    )


def test_money_is_told_with_its_sign_and_unknown_is_absent() -> None:
    """If this fails, a dashboard shows a cost as a gain, or the collateral of a venue that no longer answers."""
    metrics = Metrics()

    def told(name: str, **labels: object) -> float | None:
        return metrics.registry.get_sample_value(name, {key: str(value) for key, value in labels.items()})

    account = AccountState(
        own={"INJ": Decimal(-100)}, attributed={KEYS[0]: Decimal(10)},
        collateral_usd={"binance": Decimal(50), "okx": Decimal(7)}, free_usd={"binance": Decimal(30)},
    )  # fmt: skip
    publish_money(report(account, HedgePnl(price_usd=-2.0, funding_usd=5.0, costs_usd=4.0)), metrics)
    parts = {part: told("hedged_hedge_pnl_part_usd", part=part) for part in ("funding", "price", "costs")}
    assert parts == {"funding": 5.0, "price": -2.0, "costs": -4.0}
    assert told("hedged_hedge_pnl_usd") == sum(value for value in parts.values() if value is not None) == -1.0
    ahead = {
        kind: told("hedged_funding_ahead_usd", hours=8, kind=kind, band="mean")
        for kind in ("unhedged", "hedged")
    }
    assert ahead["unhedged"] == pytest.approx(100 * 20 * 8 * 1e-5), (
        "a short receives while the rate is positive"
    )
    assert ahead["hedged"] == pytest.approx(90 * 20 * 8 * 1e-5)
    assert told("hedged_collateral_usd", venue="okx") == 7
    assert told("hedged_collateral_free_usd", venue="binance") == 30

    publish_money(report(AccountState(collateral_usd={"binance": Decimal(49)}), HedgePnl()), metrics)
    assert told("hedged_collateral_usd", venue="binance") == 49
    assert told("hedged_collateral_usd", venue="okx") is None
    assert told("hedged_funding_ahead_usd", hours=8, kind="hedged", band="mean") is None


def test_rare_counters_begin_at_zero() -> None:
    """If this fails, the first order, refusal or shrink of a kind is on no dashboard: Prometheus saw no increase."""
    metrics = Metrics()
    announce(metrics, ["okx"])
    told = metrics.registry.get_sample_value
    assert told("hedged_orders_total", {"venue": "okx", "purpose": "relocate"}) == 0
    assert told("hedged_refusals_total", {"reason": "over_cap"}) == 0
    assert told("hedged_shrinks_total", {"reason": "too_deep"}) == 0
