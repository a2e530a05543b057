"""Money: what hedging has brought so far, and the collateral behind what is held."""

from collections.abc import Collection, Mapping

from hedged.domain.market import SeriesKey
from hedged.execution.accounts import AccountState
from hedged.risk.pnl import HedgePnl
from hedged.status.document import Collateral, Saved
from hedged.status.figures import known


def saved(pnl: HedgePnl, received_usd: float | None, since_ms: int | None) -> Saved:
    """Return what hedging has brought. `received_usd`: all funding that venues booked; None: unknown."""
    return Saved(
        net_usd=pnl.total_usd,
        funding_usd=pnl.funding_usd,
        price_usd=pnl.price_usd,
        costs_usd=pnl.costs_usd,
        unhedged_usd=None if received_usd is None else received_usd - pnl.funding_usd,
        since_ms=since_ms,
    )


def collateral_rows(
    account: AccountState, venues: Collection[str], far: Mapping[SeriesKey, float]
) -> tuple[Collateral, ...]:
    """Return a row for every venue that is traded on. `far`: adverse moves to liquidation."""
    rows = []
    for venue in sorted({*venues, *account.unknown}):
        equity, free = account.collateral_usd.get(venue), account.free_usd.get(venue)
        here = sorted((move, key.symbol) for key, move in far.items() if key.venue == venue)
        held = {k.symbol for k, p in account.positions.items() if k.venue == venue and p.quantity}
        held |= {k.symbol for k, q in account.attributed.items() if k.venue == venue and q}
        rows.append(
            Collateral(
                venue=venue,
                equity_usd=known(equity),
                free_usd=known(free),
                used_usd=known(equity - free) if equity is not None and free is not None else None,
                held=bool(held),
                margin_call_move=known(here[0][0]) if here else None,
                nearest=here[0][1] if here else None,
                unknown=account.unknown.get(venue),
            )
        )
    return tuple(rows)
