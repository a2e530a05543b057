"""Approved orders worked as the executor works them on a venue where nothing rests: one after another, each taken.

The same rules decide what may follow an order that found nothing (`execution.working`); only waiting is left out: the
time at which an order arrives is reckoned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

from hedged.backtest.batch.account import Account, Time
from hedged.config import Config
from hedged.domain.approved import ApprovedIntent
from hedged.domain.clock import SECOND_MS
from hedged.domain.errors import Rejected
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Intent
from hedged.execution.working.attempts import Attempts
from hedged.execution.working.collars import Collars
from hedged.execution.working.executor import SECOND_TAKES
from hedged.execution.working.pairs import DEPENDS, Pair, allowed, pairs_of
from hedged.execution.working.rates import Rates
from hedged.execution.working.work import RETAKE_S, Work
from hedged.risk.exposure import reduces
from hedged.risk.facts import OpenOrder


@dataclass(slots=True)
class Orders:
    """Works orders; what the gate's facts ask of an executor is answered too. `failed`: by symbol, what went wrong;
    `before`: the daemon's part when they were decided.
    """

    config: Config
    account: Account
    clock: Time
    failed: dict[str, str] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    collars: Collars = field(init=False)
    rates: Rates = field(init=False)
    before: Mapping[SeriesKey, Decimal] = field(default_factory=dict)
    _exempt: set[SeriesKey] = field(default_factory=set)
    _filled: dict[str, Decimal] = field(default_factory=dict)
    _attempts: Attempts = field(init=False)

    def __post_init__(self) -> None:
        config = self.config
        self.collars = Collars(config.risk.price_collar_bp, config.execution.reduce_collar_bp)
        self.rates = Rates(self.clock, config.execution, config.risk.max_orders_per_hour)
        # all that `Work` asks of the attempts: what orders filled, and that every outcome is known
        self._attempts = cast(Attempts, SimpleNamespace(unresolved={}, filled=self._filled))

    def sent_last_hour(self) -> tuple[int, Decimal]:
        """Return number and notional (USD) of the orders sent within the last hour."""
        return self.rates.last_hour()

    def open_orders(self) -> tuple[OpenOrder, ...]:
        """Return what may still fill: nothing does."""
        return ()

    def execute(self, approved: Sequence[ApprovedIntent]) -> int:
        """Work the intents of a decision in order; return of how many an order was sent. `new` has their fills."""
        self.failed = {}
        self.before = self.account.attributed
        self.pairs = pairs_of(approved, self.before)
        self.rates.begin()
        self._filled.clear()
        self._exempt = set()
        broken: set[str] = set()
        done: list[Work] = []
        skipped: list[Intent] = []
        for one in approved:
            intent = one.intent
            begun = self._begin(one, broken, done, skipped)
            if begun is None:
                skipped.append(intent)
                if self._reduces(intent):
                    broken.add(intent.key.venue)
                continue
            self._work(begun)
            done.append(begun)
            if not begun.filled:
                broken.add(intent.key.symbol)
            if begun.left and self._reduces(intent):
                broken.add(intent.key.venue)
        return sum(1 for one in done if one.ids)

    def alone(self) -> list[Pair]:
        """Return the pairs of the latest decision of which a leg stands without the other."""
        return [pair for pair in self.pairs if pair.stands_alone(self._smallest())]

    def mend(self, pair: Pair, approved: ApprovedIntent) -> None:
        """Send what completes or takes back a leg of a pair."""
        intent = approved.intent
        self.before = self.account.attributed
        mine = Work(approved, intent.quantity, self.account.world.markets.get(intent.key), self._attempts)
        (leg,) = [leg for leg in pair.legs if leg.intent.key == intent.key]
        leg.mended = (*leg.mended, mine)
        self._work(mine)

    def _begin(
        self, one: ApprovedIntent, broken: set[str], done: Sequence[Work], skipped: Sequence[Intent]
    ) -> Work | None:
        intent, symbol = one.intent, one.intent.key.symbol
        market = self.account.world.markets.get(intent.key)
        quantity = allowed(intent, done, skipped)
        if market is not None:
            quantity = market.quantise_quantity(quantity)
        begun = Work(one, quantity, market, self._attempts)
        counted_on = symbol in broken or (intent.key.venue in broken and not self._reduces(intent))
        if (intent.purpose in DEPENDS and counted_on) or not begun.left:
            return None
        for pair in [pair for pair in self.pairs if any(leg.intent is intent for leg in pair.legs)]:
            begun.whole = True
            if any(leg.work is not None and leg.work.filled for leg in pair.legs):
                begun.takes = SECOND_TAKES
                self._exempt.add(intent.key)
            for leg in pair.legs:
                if leg.intent is intent:
                    leg.work = begun
        return begun

    def _work(self, one: Work) -> None:
        intent = one.intent
        self._take(one)
        if one.why:
            self.failed[intent.key.symbol] = one.why
        if self._reduces(intent):
            if one.missed:
                self.collars.missed(intent.key, self.clock.ms)
            elif not one.left:
                self.collars.met(intent.key)

    def _take(self, one: Work) -> None:
        for number in range(one.takes):
            if not one.left:
                return
            if number:
                self.clock.ms += round(RETAKE_S * SECOND_MS)
            if why := self._refuses(one):
                one.why = why
                return
            refused = self._send(one)
            one.missed = bool(one.left)
            if refused:
                return

    def _send(self, one: Work) -> bool:
        """Send the next order of an intent; return whether the venue refused it."""
        order = one.approved.attempt(len(one.ids), one.left, one.intent.worst_price)
        one.ids.append(order.client_id)
        self.rates.sent(order.client_id, order.intent, rests=False)
        one.why = ""
        try:
            state = self.account.place(order)
        except Rejected as error:
            one.why = f"the order was rejected: {error}"
            return True
        self._filled[order.client_id] = state.filled
        if one.left:
            one.why = f"{one.filled.normalize():f} of {one.quantity.normalize():f} coins were filled"
        return False

    def _refuses(self, one: Work) -> str:
        intent = one.intent
        if intent.key in self._exempt or self._reduces(intent):
            return ""
        return self.rates.refuses(one.left_usd)

    def _reduces(self, intent: Intent) -> bool:
        return reduces(self.before.get(intent.key, Decimal(0)), intent.signed_quantity)

    def _smallest(self) -> Mapping[SeriesKey, Decimal]:
        markets: Any = self.account.world.markets
        return {
            leg.intent.key: max(market.quantity_step, market.min_notional_usd / leg.intent.reference_price)
            for pair in self.pairs
            for leg in pair.legs
            if (market := markets.get(leg.intent.key)) is not None
        }
