"""Pairs in the journal: a life that ends between two legs leaves word of it to the next one."""

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any

from hedged.domain.market import SeriesKey
from hedged.domain.orders import Hashes, Intent, Purpose, Side
from hedged.execution.working.pairs import Leg, Pair

STATE = "pairs"


def to_json(pairs: Iterable[Pair]) -> dict[str, Any]:
    """Turn pairs into a plain tree: their legs as decided, and what was held then."""
    return {"pairs": [[_leg_to_json(leg) for leg in pair.legs] for pair in pairs]}


def from_json(body: Mapping[str, Any], attributed: Mapping[SeriesKey, Decimal]) -> list[Pair]:
    """Read them back. How far a leg was filled is seen from what is held now."""
    return [Pair([_leg(told, attributed) for told in legs]) for legs in body.get("pairs", ())]


def others(body: Mapping[str, Any], symbols: Collection[str]) -> list[Any]:
    """Return, as they are kept, the pairs of other coins."""
    return [legs for legs in body.get("pairs", ()) if legs[0]["symbol"] not in symbols]


def _leg_to_json(leg: Leg) -> dict[str, Any]:
    intent = leg.intent
    return {
        "venue": intent.key.venue, "symbol": intent.key.symbol, "side": intent.side, "purpose": intent.purpose,
        "quantity": str(intent.quantity), "price": str(intent.reference_price), "decided_ms": intent.cycle_ts_ms,
        "reduce_only": intent.reduce_only, "opens": leg.opens, "before": str(leg.before),
    }  # fmt: skip


def _leg(told: Mapping[str, Any], attributed: Mapping[SeriesKey, Decimal]) -> Leg:
    key, price, before = (
        SeriesKey(told["venue"], told["symbol"]),
        Decimal(told["price"]),
        Decimal(told["before"]),
    )
    intent = Intent(
        told["decided_ms"], key, Side(told["side"]), Decimal(told["quantity"]), price, price,
        Purpose(told["purpose"]), told["reduce_only"], Hashes("", "", ""),
    )  # fmt: skip
    done = (attributed.get(key, Decimal(0)) - before) * intent.side.sign
    return Leg(intent, told["opens"], before, earlier=min(max(done, Decimal(0)), intent.quantity))
