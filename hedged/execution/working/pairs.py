"""Legs that belong together: the second is no larger than what the first has filled, and none stays alone.

The halves of a relocation and the legs of a divergence trade, opened or closed, are pairs. What one leg lacks of its
size the other must not have either: the *imbalance* is Σ what the buys lack − Σ what the sells lack, in coins.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hedged.domain.approved import ApprovedIntent
from hedged.domain.market import INJECTIVE, Market, SeriesKey
from hedged.domain.orders import Intent, Purpose, Side, Strategy
from hedged.execution.working.work import Work
from hedged.risk.exposure import reduces

DEPENDS = (
    Purpose.RELOCATE, Purpose.HEDGE_OPEN, Purpose.OWN_CUT, Purpose.CASCADE_OPEN, Purpose.DIVERGENCE_OPEN,
)  # fmt: skip
"""What is not continued after an earlier order of its coin failed: the gate judged it as if that one had filled."""


@dataclass(slots=True)
class Leg:
    """One leg. `opens`: it enlarges the daemon's own part of its market; `work` is None until it is begun.

    `mended`: orders that were sent later to complete it (on its side) or to take it back; `before`: what was held when
    it was decided, signed coins; `earlier`: what an earlier life filled of it.
    """

    intent: Intent
    opens: bool
    before: Decimal
    work: Work | None = None
    mended: tuple[Work, ...] = ()
    earlier: Decimal | None = None

    @property
    def filled(self) -> Decimal:
        """Coins on its side, as far as known."""
        done = self.work.filled if self.work else self.earlier or Decimal(0)
        side = self.intent.side
        return done + sum((w.filled * w.intent.side.sign * side.sign for w in self.mended), Decimal(0))

    @property
    def known(self) -> bool:
        """Whether every outcome is known."""
        return all(work.known for work in (self.work, *self.mended) if work is not None)

    @property
    def short(self) -> Decimal:
        """Coins that it lacks of its size."""
        return self.intent.quantity - self.filled


@dataclass(slots=True)
class Pair:
    """`since_ms`: since when one of its legs stands without the other, as far as it does, in `elapsing_ms`; `given_up`:
    for too long.
    """

    legs: list[Leg]
    since_ms: int | None = None
    given_up: bool = False

    @property
    def symbol(self) -> str:
        """The coin."""
        return self.legs[0].intent.key.symbol

    @property
    def opens(self) -> bool:
        """Whether it is a new pair: one leg of it alone is a position that nobody wants."""
        return all(leg.opens for leg in self.legs)

    @property
    def stops(self) -> bool:
        """Whether it is a stop: whoever began it goes on with it."""
        return any(leg.intent.purpose is Purpose.STOP for leg in self.legs)

    @property
    def known(self) -> bool:
        """Whether every outcome is known."""
        return all(leg.known for leg in self.legs)

    @property
    def begun(self) -> bool:
        """Whether any leg was worked."""
        return any(leg.work is not None or leg.earlier is not None for leg in self.legs)

    @property
    def imbalance(self) -> Decimal:
        """Coins by which the buys are behind the sells (> 0), or the sells behind the buys (< 0)."""
        return sum((leg.short * leg.intent.side.sign for leg in self.legs), Decimal(0))

    @property
    def gives_back(self) -> bool:
        """Whether it gives back a cut whose far side is closed first: half-done the trader holds less, nothing else."""
        return any(
            leg.intent.key.venue == INJECTIVE and not leg.intent.reduce_only and not leg.opens
            for leg in self.legs
        )

    def stands_alone(self, smallest: Mapping[SeriesKey, Decimal]) -> bool:
        """Tell whether one leg stands, or may stand, without the other by more than the smallest order of both.

        `smallest`: coins by market.
        """
        least = max((smallest.get(leg.intent.key, Decimal(0)) for leg in self.legs), default=Decimal(0))
        unknown = not self.known and not self.gives_back
        return self.begun and (unknown or abs(self.imbalance) > least)

    def remedy(self, attributed: Mapping[SeriesKey, Decimal]) -> tuple[Leg, Decimal] | None:
        """Return a leg and the signed coins by which it is to change so that none stands alone; it only ever reduces.

        A leg that closes is completed; one that opens has had its tries, and the other leg is taken back.
        """
        coins = self.imbalance
        behind = [leg for leg in self.legs if leg.intent.side.sign * coins > 0]
        ahead = [leg for leg in self.legs if leg.intent.side.sign * coins < 0]
        for leg in [*behind, *reversed(ahead)]:
            held = attributed.get(leg.intent.key, Decimal(0))
            room = leg.short if leg in behind else leg.filled
            change = min(abs(coins), abs(held), room) * (1 if coins > 0 else -1)
            if change and reduces(held, change):
                return leg, change
        return None


def pairs_of(approved: Sequence[ApprovedIntent], attributed: Mapping[SeriesKey, Decimal]) -> list[Pair]:
    """Find what belongs together among the intents of one decision."""
    pairs = []
    intents = [one.intent for one in approved]
    for symbol, kind in sorted({(i.key.symbol, _kind(i)) for i in intents}):
        mine = [i for i in intents if (i.key.symbol, _kind(i)) == (symbol, kind)]
        legs = mine if kind == Strategy.DIVERGENCE else _halves(mine)
        if len({leg.side for leg in legs}) == 2:
            held = [attributed.get(i.key, Decimal(0)) for i in legs]
            pairs.append(
                Pair([Leg(i, not reduces(q, i.signed_quantity), q) for i, q in zip(legs, held, strict=True)])
            )
    return pairs


def smallest(pairs: Iterable[Pair], markets: Mapping[SeriesKey, Market]) -> dict[SeriesKey, Decimal]:
    """Return the smallest orders of the pairs' markets, coins."""
    return {
        leg.intent.key: max(market.quantity_step, market.min_notional_usd / leg.intent.reference_price)
        for pair in pairs
        for leg in pair.legs
        if (market := markets.get(leg.intent.key)) is not None
    }


def allowed(intent: Intent, before: Sequence[Work], skipped: Sequence[Intent]) -> Decimal:
    """Return how many coins of an intent may be traded after what the earlier orders of its coin have filled.

    Giving back a cut waits for its far side; what enlarges a hedge, and the second leg of a divergence trade, is
    smaller by what the other side lacks. What enlarges is also smaller by what the reductions lack whose room in the
    cap it was to use, whatever their side. What is not known counts as the worse. `skipped`: earlier intents of which
    nothing was sent.
    """
    gives_back = intent.key.venue == INJECTIVE and not intent.reduce_only
    waits = intent.purpose in DEPENDS or intent.purpose is Purpose.DIVERGENCE_CLOSE
    if not (gives_back or waits):
        return intent.quantity
    lacks = {Side.BUY: Decimal(0), Side.SELL: Decimal(0)}
    room = {True: Decimal(0), False: Decimal(0)}  # that reductions have not made, by whether on Injective
    for other, lacking in _lacking(before, skipped):
        if _together(other, intent) and _reduction(other):
            room[other.key.venue == INJECTIVE] += lacking
    for work in before:
        other = work.intent
        if _together(other, intent) and (work.known or other.side is not intent.side):
            lacks[other.side] += other.quantity - work.filled
    for other in skipped:
        if _together(other, intent):
            lacks[other.side] += other.quantity
    same = lacks.pop(intent.side)
    (opposite,) = lacks.values()
    # the halves of a relocation use the cap once
    taken = max(room.values()) if intent.purpose in DEPENDS and not _reduction(intent) else Decimal(0)
    return max(Decimal(0), intent.quantity - max(taken, opposite - same))


def _lacking(before: Sequence[Work], skipped: Sequence[Intent]) -> list[tuple[Intent, Decimal]]:
    """Return earlier intents with the coins that they have not filled."""
    return [(work.intent, work.intent.quantity - work.filled) for work in before] + [
        (other, other.quantity) for other in skipped
    ]


def _reduction(intent: Intent) -> bool:
    """Tell whether an intent makes the daemon's own part smaller: on Injective that is what is not reduce-only."""
    return intent.reduce_only != (intent.key.venue == INJECTIVE)


def _together(one: Intent, other: Intent) -> bool:
    return one.key.symbol == other.key.symbol and _kind(one) == _kind(other)


def _kind(intent: Intent) -> str:
    """Divergence trades and hedges of one coin have nothing to do with each other."""
    divergence = intent.purpose.strategy is Strategy.DIVERGENCE
    return Strategy.DIVERGENCE if divergence else Strategy.FUNDING_HEDGE


def _halves(intents: Sequence[Intent]) -> list[Intent]:
    """Return the halves of a relocation among a coin's hedges: the order on Injective, and the far ones against it."""
    here = next((i for i in intents if i.key.venue == INJECTIVE), None)
    if here is None:
        return []
    far = [
        i
        for i in intents
        if i.side is not here.side and (i.purpose is Purpose.RELOCATE or not here.reduce_only)
    ]
    return [here, *far]
