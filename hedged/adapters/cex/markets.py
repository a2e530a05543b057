"""Markets of an exchange as ccxt tells them, turned into ours: quantities in coins, prices to the tick.

A contract may be many coins or a hundredth of one (OKX): `contract` is coins per contract, and nothing outside this
module and the two that send and read quantities knows of contracts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from hedged.domain.market import Costs, Market, SeriesKey, decimal_of

CUSHION = Decimal("1.01")
"""Where the least size is told in coins: the price may fall a little between a plan and its order."""
UNKNOWN_LEVERAGE = Decimal(20)
"""Highest leverage assumed of a market that does not tell it."""


@dataclass(frozen=True, slots=True)
class Perpetual:
    """A linear perpetual. `name` is ccxt's symbol, `least` the smallest order in coins, `least_usd` in money."""

    symbol: str
    name: str
    contract: Decimal
    least: Decimal
    least_usd: Decimal
    market: Market
    info: Mapping[str, Any]

    def contracts(self, coins: Decimal) -> Decimal:
        """Return coins as contracts."""
        return coins / self.contract

    def coins(self, contracts: float | str | Decimal) -> Decimal:
        """Return contracts as coins."""
        told = contracts if isinstance(contracts, Decimal) else decimal_of(float(contracts))
        return told * self.contract


@dataclass(frozen=True, slots=True)
class Measured:
    """What was last seen of a market's book and of the account's fees; None where it is not known."""

    mark: Decimal | None = None
    half_spread: Decimal | None = None
    depth_usd: Decimal | None = None
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None


def read_markets(
    venue: str, rows: Iterable[Mapping[str, Any]], quote: str, costs: Costs, leverage: Decimal
) -> dict[str, Perpetual]:
    """Return the active linear perpetuals settled in `quote`, by symbol; of two of one coin the first.

    `leverage`: what is set before the first order; the initial margin is the inverse of it.
    """
    found: dict[str, Perpetual] = {}
    for row in rows:
        wanted = row.get("swap") and row.get("linear") and row.get("settle") == quote == row.get("quote")
        if wanted and row.get("active") is not False and row["base"] not in found:
            perpetual = _read(venue, row, costs, leverage)
            if perpetual is not None:
                found[perpetual.symbol] = perpetual
    return dict(sorted(found.items()))


def _read(venue: str, row: Mapping[str, Any], costs: Costs, leverage: Decimal) -> Perpetual | None:
    """Read one market; None where it does not tell its tick, step or contract."""
    precision, limits = row["precision"], row["limits"]
    tick, step, size = (
        _number(precision.get("price")),
        _number(precision.get("amount")),
        _number(row["contractSize"]),
    )
    if not (tick and step and size):
        return None
    highest = _number(limits.get("leverage", {}).get("max")) or UNKNOWN_LEVERAGE
    least = (_number(limits["amount"].get("min")) or step) * size
    least_usd = _number(limits["cost"].get("min")) or Decimal(0)
    market = Market(
        key=SeriesKey(venue, row["base"]),
        price_tick=tick,
        quantity_step=step * size,
        min_notional_usd=least_usd,
        initial_margin_ratio=1 / min(max(leverage, Decimal(1)), highest),
        # the first tier's maintenance is half of what the highest leverage leaves, at all three exchanges
        maintenance_margin_ratio=1 / (2 * highest),
        costs=costs,
    )
    return Perpetual(row["base"], row["symbol"], size, least, least_usd, market, row.get("info") or {})


def measured(perpetual: Perpetual, seen: Measured) -> Market:
    """Return the market with what was last seen in place of what was assumed."""
    costs = perpetual.market.costs
    by_size = perpetual.least * (seen.mark or Decimal(0)) * CUSHION
    return replace(
        perpetual.market,
        min_notional_usd=max(perpetual.least_usd, by_size),
        costs=Costs(
            costs.maker_fee if seen.maker_fee is None else seen.maker_fee,
            costs.taker_fee if seen.taker_fee is None else seen.taker_fee,
            seen.half_spread or costs.half_spread,
            seen.depth_usd or costs.depth_usd,
        ),
    )


def _number(value: Any) -> Decimal | None:
    return None if value is None else decimal_of(float(value))
