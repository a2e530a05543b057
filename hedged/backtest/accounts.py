"""What became of the money at each venue, and how fills came about, for summary.json."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from hedged.adapters.paper.record import AccountRecord, Forced
from hedged.backtest.runner import RunResult
from hedged.domain.clock import iso


def made_and_taken(result: RunResult) -> dict[str, dict[str, float]]:
    """Return number, notional and fees of the fills, USD: made (they rested), taken, and forced by a venue."""
    found: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
    for fill in result.fills:
        e = fill.execution
        how = "forced" if e.client_id is None else "made" if fill.made else "taken"
        row = (Decimal(1), e.quantity * e.price, e.fee_usd)
        found[how] = [a + b for a, b in zip(found[how], row, strict=True)]
    return {
        how: {"fills": int(found[how][0]), "usd": float(found[how][1]), "fees_usd": float(found[how][2])}
        for how in ("made", "taken", "forced")
    }


def accounts(result: RunResult) -> dict[str, dict[str, Any]]:
    """Return each venue's money over the run, the lowest free collateral with its instant, and what was forced."""
    return {venue: _account(record) for venue, record in result.accounts.items()}


def _account(record: AccountRecord) -> dict[str, Any]:
    return {
        "begin_usd": float(record.begin_usd),
        "end_usd": float(record.end_usd),
        "realised_usd": float(record.realised_usd),
        "fees_usd": float(record.fees_usd),
        "funding_usd": float(record.funding_usd),
        "penalties_usd": float(record.penalties_usd),
        "insured_usd": float(record.insured_usd),
        "added_usd": float(record.added_usd),
        "unrealised_usd": float(record.unrealised_usd),
        "lowest_free_usd": float(record.lowest_free_usd),
        "lowest_free_at": iso(record.lowest_free_ms),
        "forced": [_forced(one) for one in record.forced],
    }


def _forced(one: Forced) -> dict[str, Any]:
    e = one.execution
    return {
        "at": iso(e.ts_ms),
        "symbol": e.key.symbol,
        "why": str(one.why),
        "quantity": float(e.signed_quantity),
        "price": float(e.price),
        "penalty_usd": float(one.penalty_usd),
        "insured_usd": float(one.insured_usd),
    }
