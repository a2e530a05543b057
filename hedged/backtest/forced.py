"""What venues closed by force, as fills of whoever held it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

from hedged.adapters.paper.record import AccountRecord
from hedged.domain.funding import Settlement
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Fill, Purpose, Strategy

CLOSES = {
    Strategy.FUNDING_HEDGE: Purpose.HEDGE_CLOSE,
    Strategy.CASCADE_HEDGE: Purpose.CASCADE_CLOSE,
    Strategy.DIVERGENCE: Purpose.DIVERGENCE_CLOSE,
}


def with_forced(fills: Sequence[Fill], accounts: Mapping[str, AccountRecord]) -> list[Fill]:
    """Return the fills with what was taken of the daemon's positions at exchanges, in the order of time.

    On Injective a position is the trader's own: what is forced there ends it, and is no trade of the daemon's.
    """
    forced = [one.execution for record in accounts.values() for one in record.forced]
    forced = [e for e in forced if e.key.venue != INJECTIVE]
    if not forced:
        return list(fills)
    held: dict[SeriesKey, Decimal] = defaultdict(Decimal)
    owner: dict[SeriesKey, Strategy] = {}
    found: list[Fill] = []
    events = [(fill.execution.ts_ms, 0, fill) for fill in fills]
    events += [(e.ts_ms, 1, Fill(e, CLOSES[Strategy.FUNDING_HEDGE], e.price)) for e in forced]
    for _, is_forced, fill in sorted(events, key=lambda event: event[:2]):
        key = fill.key
        if is_forced:
            fill = Fill(fill.execution, CLOSES[owner.get(key, Strategy.FUNDING_HEDGE)], fill.reference_price)
        elif held[key] * (held[key] + fill.signed_quantity) <= 0:
            owner[key] = fill.purpose.strategy
        held[key] += fill.signed_quantity
        found.append(fill)
    return found


def ended_ms(accounts: Mapping[str, AccountRecord]) -> dict[str, int]:
    """Return when own positions were first closed by force, by symbol."""
    found: dict[str, int] = {}
    for one in accounts[INJECTIVE].forced if INJECTIVE in accounts else ():
        found.setdefault(one.execution.key.symbol, one.execution.ts_ms)
    return found


def while_held(settlements: Sequence[Settlement], accounts: Mapping[str, AccountRecord]) -> list[Settlement]:
    """Return the prints that own positions were there for: an unhedged book would have been closed just as well."""
    ended = ended_ms(accounts)
    return [s for s in settlements if s.ts_ms <= ended.get(s.key.symbol, s.ts_ms)]
