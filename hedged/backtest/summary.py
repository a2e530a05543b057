"""What a run amounted to: funding with and without the daemon, costs, and whether it paid."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from statistics import median
from typing import Any

import numpy as np

from hedged.adapters.replay.prices import PriceSource, prices_at
from hedged.backtest.accounts import accounts, made_and_taken
from hedged.backtest.assumptions import assumptions
from hedged.backtest.by_strategy import by_strategy
from hedged.backtest.by_strategy import price_pnl as price_of
from hedged.backtest.gaps import find_gaps, held_in
from hedged.backtest.kept import rows_of
from hedged.backtest.measured import Measured, own_of
from hedged.backtest.metrics.course import as_paid
from hedged.backtest.runner import RunResult
from hedged.backtest.world import World
from hedged.domain.clock import DAY_MS, HOUR_MS, iso
from hedged.domain.funding import Settlement, funding_payment
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Strategy

DEFINITIONS = {
    "unhedged_funding_usd": "funding of the trader's own positions had the daemon done nothing; > 0 received, < 0 paid",
    "hedged_funding_usd": "funding of everything really held: own positions after cuts, and hedge legs; > 0 received",
    "fees_usd": "trading fees of hedge orders; > 0 a cost, a rebate counts against it",
    "spread_usd": "half-spread and impact against the mark at the decision; > 0 a cost",
    "price_pnl_vs_unhedged_usd": "price gain or loss of the hedge legs and cuts at the mark, against the unhedged book",
    "net_saving_usd": "hedged funding − unhedged funding − fees − spread",
    "net_pnl_vs_unhedged_usd": "net saving + price PnL against the unhedged book",
    "turnover_usd": "notional of all hedge orders",
    "orders": "notional and fees of fills by how they came about: made (they rested), taken, forced by a venue; USD",
    "accounts": "cash at each venue from begin to end; end = begin + realised − fees − penalties + insured + funding + "
    "added; added: by the trader to meet margin calls; insured: losses that exceeded the collateral",
    "per_strategy": "the same money by who traded; net_pnl_usd of all adds up to net_pnl_vs_unhedged_usd",
}


def summarise(
    result: RunResult,
    world: World,
    settlements: Sequence[Settlement],
    command: str,
    measured: Measured | None = None,
    **extra: Any,
) -> dict[str, Any]:
    """Return the run's summary. `settlements`: Injective's prints within the window, whatever was held; `measured`: the
    same run held against its baselines, where that was reckoned.
    """
    config, window = result.config, result.window
    settlements = as_paid(settlements, result)
    own = own_of(result)
    finals = {key: world.last_price(key, window.to_ms - 1) for key in world.markets}
    traded = sorted({*own, *(fill.key.symbol for fill in result.fills)})
    received: dict[str, Decimal] = defaultdict(Decimal)
    for payment in result.payments:
        received[payment.settlement.key.symbol] += payment.payment_usd
    per_symbol = {
        s: _of_symbol(s, own.get(s, Decimal(0)), result, settlements, received[s], finals, world)
        for s in traded
    }
    summed = (
        "unhedged_funding_usd", "hedged_funding_usd", "fees_usd", "spread_usd", "price_pnl_vs_unhedged_usd",
        "net_saving_usd", "net_pnl_vs_unhedged_usd", "turnover_usd",
    )  # fmt: skip
    totals = {name: sum(row[name] for row in per_symbol.values()) for name in summed}
    used = [SeriesKey(INJECTIVE, s) for s in sorted(own)]
    used += [SeriesKey(v, s) for v in config.hedge.venues for s in traded]
    strategies = by_strategy(result.fills, result.payments, own, settlements, finals)
    return {
        "command": command,
        "from": iso(window.from_ms),
        "to": iso(window.to_ms),
        "equity_usd": float(result.equity_usd),
        "assumptions": assumptions(result, world),
        "proxy": str(world.proxy) if world.proxy else None,
        "proxy_rule": world.proxy.rule if world.proxy else None,
        **totals,
        "per_symbol": per_symbol,
        "per_strategy": strategies,
        "orders": made_and_taken(result),
        "accounts": accounts(result),
        "model": f"{config.hedge.forecaster}: forecast of the mean rate over {config.hedge.horizon_h} h",
        "model_hash": result.model_hash,
        "feature_hash": result.feature_hash,
        "config_hash": config.hash,
        "data_gaps": [gap.to_json() for gap in held_in(find_gaps(world, used, window), result.fills)],
        "price_sources": price_sources(result, world, settlements),
        "definitions": DEFINITIONS,
        "pays": verdict(totals, (window.to_ms - window.from_ms) / DAY_MS, len(result.fills))
        + beside_the_book(strategies),
        **(measured.summary() if measured else {}),
        **extra,
    }


def _of_symbol(
    symbol: str,
    quantity: Decimal,
    result: RunResult,
    settlements: Sequence[Settlement],
    received: Decimal,
    finals: dict[SeriesKey, Decimal | None],
    world: World,
) -> dict[str, Any]:
    fills = [f for f in result.fills if f.key.symbol == symbol]
    prints = [s for s in settlements if s.key.symbol == symbol]
    unhedged = float(sum((funding_payment(quantity, s).payment_usd for s in prints), Decimal(0)))
    hedged = float(received)
    fees = float(sum((f.execution.fee_usd for f in fills), Decimal(0)))
    spread = float(sum((f.spread_usd for f in fills), Decimal(0)))
    price_pnl = float(sum((price_of(f, finals) for f in fills), Decimal(0)))
    first = world.price(SeriesKey(INJECTIVE, symbol), result.window.from_ms) or Decimal(0)
    decisions = rows_of(result.decisions, symbol, ("ts_ms", "current", "action", "reason", "break_even_h"))
    hedged_hours = held_h(decisions, result.window.to_ms)
    return {
        "position_usd": float(quantity * first),
        "quantity": float(quantity),
        "unhedged_funding_usd": unhedged,
        "hedged_funding_usd": hedged,
        "fees_usd": fees,
        "spread_usd": spread,
        "price_pnl_vs_unhedged_usd": price_pnl,
        "net_saving_usd": hedged - unhedged - fees - spread,
        "net_pnl_vs_unhedged_usd": hedged - unhedged - fees - spread + price_pnl,
        "turnover_usd": float(sum((f.execution.quantity * f.execution.price for f in fills), Decimal(0))),
        "fills": len(fills),
        "hedged_hours": hedged_hours,
        "why": _why(decisions, len(fills), hedged_hours, result.config.hedge.horizon_h),
    }


def held_h(decisions: Sequence[dict[str, Any]], to_ms: int) -> float:
    """Return for how many hours a coin's hedge was held: each of its decisions stands until the next."""
    ends_ms = [d["ts_ms"] for d in decisions[1:]] + [to_ms] * bool(decisions)
    held_ms: list[int] = [
        end - d["ts_ms"] for d, end in zip(decisions, ends_ms, strict=True) if d["current"] != "{}"
    ]
    return sum(held_ms) / HOUR_MS


def _why(decisions: Sequence[dict[str, Any]], fills: int, hedged_hours: float, horizon_h: int) -> str:
    if not fills:
        frozen = [d for d in decisions if d["action"] == "frozen"]
        if len(frozen) == len(decisions) and frozen:
            return f"never decided: {frozen[-1]['reason']}"
        waits = [float(d["break_even_h"]) for d in decisions if d.get("break_even_h") is not None]
        if not waits:
            return "never hedged: no leg was expected to save anything"
        return (
            f"never hedged: the best leg needed {median(waits):,.0f} h (median) to earn its cost, "
            f"within {horizon_h} h it did not"
        )
    opened = next(d for d in decisions if d["current"] != "{}")
    return f"hedged {hedged_hours:,.0f} h in {fills} fills; first: {opened['reason']}"


def verdict(totals: dict[str, float], days: float, fills: int) -> str:
    """Say in one sentence whether hedging paid."""
    unhedged = totals["unhedged_funding_usd"]
    direction = "paid" if unhedged < 0 else "received"
    monthly = abs(unhedged) / days * 30
    book = f"Unhedged, the book {direction} {abs(unhedged):,.0f} USD of funding ({monthly:,.0f} a month)"
    if not fills:
        return f"{book}; no hedge was worth its cost, so nothing was traded."
    net = totals["net_saving_usd"]
    costs = totals["fees_usd"] + totals["spread_usd"]
    price = totals["price_pnl_vs_unhedged_usd"]
    moved = ""
    if abs(price) >= 1:
        moved = f" Price moves of the changed exposure made {price:+,.0f} USD beside it: luck, not saving."
    if net > 0:
        return f"{book}; hedging improved that by {net:,.0f} USD after {costs:,.0f} USD of fees and spread.{moved}"
    return f"{book}; hedging did not pay: it cost {-net:,.0f} USD net, of which fees and spread {costs:,.0f}.{moved}"


def beside_the_book(strategies: Mapping[str, Mapping[str, Any]]) -> str:
    """Say what of the result is no saving, because it came from trades that protect nothing."""
    trades = strategies[Strategy.DIVERGENCE]
    if not trades["fills"]:
        return ""
    return f" Divergence trades made {trades['net_pnl_usd']:+,.0f} USD of this, price and costs included."


def price_sources(
    result: RunResult, world: World, settlements: Sequence[Settlement]
) -> dict[str, dict[str, int]]:
    """Count where the prices of settlements and fills came from."""
    asked: dict[str, list[tuple[SeriesKey, int]]] = {
        "settlements": [(s.key, s.ts_ms) for s in settlements]
        + [
            (p.settlement.key, p.settlement.ts_ms)
            for p in result.payments
            if p.settlement.key.venue != INJECTIVE
        ],
        "fills": [(f.key, f.execution.ts_ms) for f in result.fills],
    }
    counts = {}
    for what, instants in asked.items():
        by_key: dict[SeriesKey, list[int]] = {}
        for key, ts_ms in instants:
            by_key.setdefault(key, []).append(ts_ms)
        found: Counter[str] = Counter()
        for key, times in by_key.items():
            prices = prices_at(world.series, key, np.array(times, dtype=np.int64), settling=True)
            for source, venue in zip(prices.source, prices.venue, strict=True):
                name = PriceSource(int(source))
                other = f":{prices.venues[venue]}" if name is PriceSource.OTHER_VENUE else ""
                found[name.name.lower() + other] += 1
        counts[what] = dict(sorted(found.items()))
    return counts
