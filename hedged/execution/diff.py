"""From desired to actual: the orders that one cycle needs. Pure."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from hedged.config import RiskConfig
from hedged.domain.market import INJECTIVE, Market, SeriesKey
from hedged.domain.orders import Hashes, Intent, Side
from hedged.risk.exposure import reduces
from hedged.strategy.snapshot import DesiredPosition


def intents_for(
    desired: Iterable[DesiredPosition],
    attributed: Mapping[SeriesKey, Decimal],
    marks: Mapping[SeriesKey, Decimal],
    markets: Mapping[SeriesKey, Market],
    risk: RiskConfig,
    hashes: Hashes,
    now_ms: int,
) -> list[Intent]:
    """Return the intents that move the daemon's own part of each market towards what is desired.

    Reductions come first, then the thinnest book first: the leg most likely to fail goes before the one that would be
    left naked. Changes below the venue's minimum are left for later. A change of sign stops at zero unless what
    is held is dust; the next cycle opens the other side. An order that would take too much of the book is cut to
    size; the next cycle goes on.
    """
    intents = []
    for want in desired:
        key = want.key
        if key not in marks or key not in markets:
            continue
        intent = _intent(
            want, attributed.get(key, Decimal(0)), marks[key], markets[key], risk, hashes, now_ms
        )
        if intent is not None:
            intents.append(intent)
    return sorted(intents, key=lambda i: (not i.reduce_only, markets[i.key].costs.depth_usd, i.key))


def _intent(
    want: DesiredPosition,
    held: Decimal,
    mark: Decimal,
    market: Market,
    risk: RiskConfig,
    hashes: Hashes,
    now_ms: int,
) -> Intent | None:
    # dust on the other side cannot be closed by itself: it is carried along across zero
    stops_at_zero = want.quantity * held < 0 and _closable(held, mark, market)
    change = -held if stops_at_zero else want.quantity - held
    largest = risk.depth_share * market.costs.depth_usd / mark
    quantity = market.quantise_quantity(min(abs(change), largest))
    if quantity == 0 or quantity * mark < market.min_notional_usd:
        return None
    side = Side.BUY if change > 0 else Side.SELL
    collar = side.sign * risk.price_collar_bp / 10_000
    return Intent(
        cycle_ts_ms=now_ms,
        key=want.key,
        side=side,
        quantity=quantity,
        worst_price=market.quantise_price(mark * (1 + collar)),
        reference_price=mark,
        purpose=want.purpose,
        reduce_only=_reduces_at_venue(want.key, held, side.sign * quantity),
        hashes=hashes,
    )


def _closable(held: Decimal, mark: Decimal, market: Market) -> bool:
    quantity = market.quantise_quantity(abs(held))
    return quantity > 0 and quantity * mark >= market.min_notional_usd


def _reduces_at_venue(key: SeriesKey, held: Decimal, change: Decimal) -> bool:
    """On Injective the venue's position is the trader's own, so a cut reduces it and giving back opens it."""
    if key.venue == INJECTIVE:
        return not reduces(held, change)
    return reduces(held, change)
