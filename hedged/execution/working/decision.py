"""The intents of one decision, one after another: what may still follow one that found nothing, and how much of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from hedged.domain.approved import ApprovedIntent
from hedged.domain.market import Market, SeriesKey
from hedged.domain.orders import Intent
from hedged.execution.working.attempts import Attempts
from hedged.execution.working.pairs import DEPENDS, Pair, allowed
from hedged.execution.working.work import Work
from hedged.risk.exposure import reduces

SECOND_TAKES = 3  # tries of a second leg, while the first one stands alone


@dataclass(slots=True)
class Decision:
    """`held`: tells the daemon's part of every market; `pairs`: those of its intents; `exempt`: second legs, of which
    the first bound the limits on rate; `broken`: symbols of which an order found nothing, and venues whose limits were
    judged as if every reduction there had filled.
    """

    held: Callable[[], Mapping[SeriesKey, Decimal]]
    markets: Mapping[SeriesKey, Market]
    attempts: Attempts
    pairs: list[Pair] = field(default_factory=list)
    exempt: set[SeriesKey] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    done: list[Work] = field(default_factory=list)
    skipped: list[Intent] = field(default_factory=list)

    def reduces(self, intent: Intent) -> bool:
        """Tell whether an intent makes the daemon's own part of its market smaller, or enlarges it."""
        return reduces(self.held().get(intent.key, Decimal(0)), intent.signed_quantity)

    def begin(self, one: ApprovedIntent) -> Work | None:
        """Return the work on an intent, as far as what was before lets it be done; None where nothing is sent."""
        intent, market = one.intent, self.markets.get(one.intent.key)
        quantity = allowed(intent, self.done, self.skipped)
        if market is not None:
            quantity = market.quantise_quantity(quantity)
        begun = Work(one, quantity, market, self.attempts)
        at_broken_venue = intent.key.venue in self.broken and not self.reduces(intent)
        counted_on = intent.key.symbol in self.broken or at_broken_venue
        if (intent.purpose in DEPENDS and counted_on) or not begun.left:
            return None
        for pair in self.pairs:
            for leg in [leg for leg in pair.legs if leg.intent is intent]:
                begun.whole = True
                if any(leg.work is not None and leg.work.filled for leg in pair.legs):
                    begun.takes = SECOND_TAKES
                    self.exempt.add(intent.key)
                leg.work = begun
        return begun

    def skip(self, intent: Intent) -> None:
        """Note that nothing of an intent is sent."""
        self.skipped.append(intent)
        if self.reduces(intent):
            self.broken.add(intent.key.venue)

    def over(self, one: Work) -> None:
        """Note what came of an intent."""
        intent = one.intent
        self.done.append(one)
        if not one.filled or not one.known:
            self.broken.add(intent.key.symbol)
        if (one.left or not one.known) and self.reduces(intent):
            self.broken.add(intent.key.venue)

    def mend(self, pair: Pair, approved: ApprovedIntent) -> Work:
        """Return the work on what completes or takes back a leg of a pair."""
        intent = approved.intent
        mine = Work(approved, intent.quantity, self.markets.get(intent.key), self.attempts)
        (leg,) = [leg for leg in pair.legs if leg.intent.key == intent.key]
        leg.mended = (*leg.mended, mine)
        return mine

    @property
    def sent(self) -> int:
        """Of how many intents an order was sent."""
        return sum(1 for one in self.done if one.ids)
