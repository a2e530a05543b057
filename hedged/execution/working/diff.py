"""From desired to actual: the orders that one cycle needs. Pure."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from hedged.config import RiskConfig
from hedged.domain.market import INJECTIVE, Market, SeriesKey
from hedged.domain.orders import Hashes, Intent, Purpose, Side
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
    collars_bp: Mapping[SeriesKey, Decimal] | None = None,
) -> list[Intent]:
    """Return the intents that move the daemon's own part of each market towards what is desired.

    Reductions come first, then the thinnest book first: the leg most likely to fail goes before the one that would be
    left naked. `collars_bp`: where a reduction may go further from the mark than `risk.price_collar_bp`.

    Changes below the venue's minimum are left for later. A change of sign stops at zero unless what is held is dust;
    the next cycle opens the other side. A reduction that would take too much of the book is cut to size, as the gate
    does with openings; the next cycle goes on.
    """
    tradable = [w for w in desired if w.key in marks and w.key in markets]
    changes = {
        w.key: _change(w, attributed.get(w.key, Decimal(0)), marks[w.key], markets[w.key]) for w in tradable
    }
    closing = [w for w in tradable if reduces(attributed.get(w.key, Decimal(0)), changes[w.key])]
    # what moves from one venue to another is cut by the same factor out and in, or one leg would stand alone
    moved = {w.key.symbol for w in closing if w.purpose is Purpose.RELOCATE}
    together: dict[str, Decimal] = {}
    for want in tradable:
        if want.purpose is Purpose.RELOCATE and want.key.symbol in moved and changes[want.key]:
            part = _share(changes[want.key], marks[want.key], markets[want.key], risk)
            together[want.key.symbol] = min(together.get(want.key.symbol, Decimal(1)), part)
    intents = []
    for want in tradable:
        key, change = want.key, changes[want.key]
        if want.purpose is Purpose.RELOCATE:
            change *= together.get(key.symbol, Decimal(1))
        elif want in closing:
            change *= _share(change, marks[key], markets[key], risk)
        intent = _intent(
            want, change, attributed.get(key, Decimal(0)), marks[key], markets[key], risk, hashes, now_ms,
            (collars_bp or {}).get(key, risk.price_collar_bp),
        )  # fmt: skip
        if intent is not None:
            intents.append(intent)

    def turn(intent: Intent) -> tuple[bool, Decimal, bool, SeriesKey]:
        held = attributed.get(intent.key, Decimal(0))
        closes = intent.reduce_only and reduces(held, intent.signed_quantity)
        return not closes, markets[intent.key].costs.depth_usd, not intent.reduce_only, intent.key

    return sorted(intents, key=turn)


def _change(want: DesiredPosition, held: Decimal, mark: Decimal, market: Market) -> Decimal:
    # dust on the other side cannot be closed by itself: it is carried along across zero
    stops_at_zero = want.quantity * held < 0 and _closable(held, mark, market)
    return -held if stops_at_zero else want.quantity - held


def _share(change: Decimal, mark: Decimal, market: Market, risk: RiskConfig) -> Decimal:
    """Return the share of a change (not zero) that takes no more than what may be taken of the book."""
    return min(Decimal(1), risk.depth_share * market.costs.depth_usd / mark / abs(change))


def _intent(
    want: DesiredPosition,
    change: Decimal,
    held: Decimal,
    mark: Decimal,
    market: Market,
    risk: RiskConfig,
    hashes: Hashes,
    now_ms: int,
    reduce_collar_bp: Decimal,
) -> Intent | None:
    quantity = market.quantise_quantity(abs(change))
    if quantity == 0 or quantity * mark < market.min_notional_usd:
        return None
    side = Side.BUY if change > 0 else Side.SELL
    out = reduces(held, side.sign * quantity)
    collar = side.sign * (reduce_collar_bp if out else risk.price_collar_bp) / 10_000
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
