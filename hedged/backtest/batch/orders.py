"""Approved orders worked as the executor works them on a venue where nothing rests: one after another, each taken.

The same rules decide what may follow an order that found nothing (`execution.working`); only waiting is left out: the
time at which an order arrives is reckoned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import cast

from hedged.backtest.batch.account import Account, Time
from hedged.config import Config
from hedged.domain.approved import ApprovedIntent
from hedged.domain.clock import SECOND_MS
from hedged.domain.errors import Rejected
from hedged.domain.market import SeriesKey
from hedged.execution.working.attempts import Attempts
from hedged.execution.working.collars import Collars
from hedged.execution.working.decision import Decision
from hedged.execution.working.pairs import Pair, pairs_of, smallest
from hedged.execution.working.rates import Rates
from hedged.execution.working.work import RETAKE_S, Work
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
    _filled: dict[str, Decimal] = field(default_factory=dict)
    _attempts: Attempts = field(init=False)
    _decision: Decision = field(init=False)

    def __post_init__(self) -> None:
        config = self.config
        self.collars = Collars(config.risk.price_collar_bp, config.execution.reduce_collar_bp)
        self.rates = Rates(self.clock, config.execution, config.risk.max_orders_per_hour)
        # all that `Work` asks of the attempts: what orders filled, and that every outcome is known
        self._attempts = cast(Attempts, SimpleNamespace(unresolved={}, filled=self._filled))
        self._decision = self._decided([])

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
        self._decision = self._decided(self.pairs)
        for one in approved:
            begun = self._decision.begin(one)
            if begun is None:
                self._decision.skip(one.intent)
                continue
            self._work(begun)
            self._decision.over(begun)
        return self._decision.sent

    def alone(self) -> list[Pair]:
        """Return the pairs of the latest decision of which a leg stands without the other."""
        least = smallest(self.pairs, self.account.world.markets)
        return [pair for pair in self.pairs if pair.stands_alone(least)]

    def mend(self, pair: Pair, approved: ApprovedIntent) -> None:
        """Send what completes or takes back a leg of a pair."""
        self.before = self.account.attributed
        self._work(self._decision.mend(pair, approved))

    def _decided(self, pairs: list[Pair]) -> Decision:
        return Decision(lambda: self.before, self.account.world.markets, self._attempts, pairs)

    def _work(self, one: Work) -> None:
        self._take(one)
        self._watch_pairs()
        if one.why:
            self.failed[one.intent.key.symbol] = one.why
        if self._decision.reduces(one.intent):
            self.collars.worked(one, self.clock.ms)

    def _watch_pairs(self) -> None:
        """Note since when legs stand alone."""
        alone = self.alone()
        for pair in self.pairs:
            if not any(pair is one for one in alone):
                pair.since_ms = None
            elif pair.since_ms is None:
                pair.since_ms = self.clock.ms

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
        if one.intent.key in self._decision.exempt or self._decision.reduces(one.intent):
            return ""
        return self.rates.refuses(one.left_usd)
