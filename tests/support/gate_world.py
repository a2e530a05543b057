"""What the gate is asked in tests: one long of 100 BTC at 100 USD, everything known, limits far away but the cap."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from fakes import HASHES, HERE, NOW_MS, OTHER, THERE, market

from hedged.config import parse_config
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Intent
from hedged.risk.facts import GateFacts
from hedged.risk.gate import Review, review
from hedged.risk.kill import KillLevel
from hedged.risk.limits import Limits, limits_of

MARK = Decimal(100)
KEYS = (HERE, THERE, OTHER)
RISK = {"max_orders_per_hour": 10, "max_notional_per_hour_usd": 100_000, "max_leverage": 3}
LIMITS = limits_of(parse_config({"risk": RISK}))


def facts(**changes: Any) -> GateFacts:
    usual = GateFacts(
        now_ms=NOW_MS,
        loaded=HASHES,
        kill=KillLevel.NONE,
        reconciled=True,
        own={"BTC": Decimal(100)},
        attributed={},
        marks=dict.fromkeys(KEYS, MARK),
        markets={key: market(key) for key in KEYS},
        equity_usd=Decimal(1_000_000),
        collateral_usd={"binance": Decimal(10_000), "bybit": Decimal(10_000)},
        free_usd={"binance": Decimal(10_000), "bybit": Decimal(10_000)},
        sigma={"BTC": 0.02},
        basis_sigma={THERE: 0.001, OTHER: 0.001},
        forecast_by=dict.fromkeys(KEYS, "ensemble"),
        forecast_made_ms=NOW_MS,
        book_usd=Decimal(100_000),
    )
    return replace(usual, **changes)


def limits(**changes: Any) -> Limits:
    return replace(LIMITS, **changes)


def judge(orders: Iterable[Intent], known: GateFacts, within: Limits = LIMITS) -> Review:
    return review(orders, known, within, "test")


def without(mapping: dict[SeriesKey, Any], key: SeriesKey) -> dict[SeriesKey, Any]:
    return {k: v for k, v in mapping.items() if k != key}
