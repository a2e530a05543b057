"""The executor: works approved intents one after another, pairs leg by leg; what is unknown stops what hangs on it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import structlog

from hedged.config import Config
from hedged.domain.approved import ApprovedIntent
from hedged.domain.clock import HOUR_MS, SECOND_MS, Clock, elapsing_ms
from hedged.domain.errors import Fatal
from hedged.domain.market import Market, SeriesKey
from hedged.domain.orders import Intent, Purpose
from hedged.domain.ports import Rests, Trading
from hedged.execution.accounts import Accounts
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.execution.turn import Turn
from hedged.execution.working import kept_pairs
from hedged.execution.working.attempts import Attempts
from hedged.execution.working.collars import Collars
from hedged.execution.working.decision import Decision
from hedged.execution.working.pairs import DEPENDS, Pair, pairs_of, smallest
from hedged.execution.working.rates import Rates
from hedged.execution.working.work import Tools, Work, out_of_reach, work
from hedged.risk.facts import OpenOrder
from hedged.risk.kill import killed

LEAST_REST_S = 2.0  # wall time, as requests take it: below this an order is not worth the two of resting

log = structlog.get_logger(__name__)


class Executor:
    """Owns sending. `failed`: by symbol what went wrong with the orders of the latest decision; `pairs`: its pairs;
    `collars`: how far from the mark reductions may trade; `hurried`: see `hurry`;
    `left`: the pairs that an earlier life was in the middle of, until `take_over` or the next decision.
    """

    def __init__(
        self,
        trading: Mapping[str, Trading],
        journal: Journal,
        accounts: Accounts,
        clock: Clock,
        markets: Mapping[SeriesKey, Market] | None = None,
        config: Config | None = None,
        turn: Turn | None = None,
    ) -> None:
        """`markets`: orders rest only where the rules of their market are known; `turn`: see `Attempts`."""
        config = config or Config()
        self._trading = trading
        self._journal = journal
        self._accounts = accounts
        self._clock = clock
        self._markets = markets or {}
        self._config = config.execution
        self._rates = Rates(clock, config.execution, config.risk.max_orders_per_hour)
        self._attempts = Attempts(trading, journal, accounts, clock, self._rates, turn)
        self._speed = config.clock.speed
        self.hurried = False
        self._decision = self._decided([])
        self._tools = Tools(
            self._attempts, config.execution, self._speed, self._forbids, self._rates.room_to_rest,
            lambda: self.hurried,
        )  # fmt: skip
        self._alone_s: list[float] = []
        self.collars = Collars(config.risk.price_collar_bp, config.execution.reduce_collar_bp)
        self.failed: dict[str, str] = {}
        self.pairs: list[Pair] = []
        self.left: dict[str, Any] = {}
        self._kept = False

    def reconfigure(self, config: Config) -> None:
        """Work orders by another configuration from the next decision on; what was sent goes on counting."""
        self._config = config.execution
        self._rates.reconfigure(config.execution, config.risk.max_orders_per_hour)
        self._tools = replace(self._tools, config=config.execution)
        self.collars.reconfigure(config.risk.price_collar_bp, config.execution.reduce_collar_bp)

    @property
    def unresolved(self) -> dict[str, SeriesKey]:
        """Orders that may still fill, by client id, and their markets: see `_blocked`."""
        return self._attempts.unresolved

    def unresolved_markets(self) -> frozenset[SeriesKey]:
        """Return the markets of those orders."""
        return frozenset(self.unresolved.values())

    def live_ids(self) -> frozenset[str]:
        """Return the client ids of all orders that may be live and are cared for here: any other was left behind."""
        return frozenset(self.unresolved)

    async def load(self) -> None:
        """Find attempts that a previous life left open; look them up, and cancel what rests, before anything else.

        What it sent within the last hour still counts against the limits on rate.
        """
        self._rates.load(await self._journal(JournalStore.sent_since, self._clock.now_ms() - HOUR_MS))
        await self._attempts.load()
        strange = {key.venue for key in self.unresolved.values()} - set(self._trading)
        if strange:
            raise Fatal(
                f"orders of unknown outcome at {', '.join(sorted(strange))}: name it in hedge.venues again"
            )
        left = await self._journal(JournalStore.load_state, kept_pairs.STATE)
        self.left = left if left.get("pairs") else {}
        self._kept = bool(self.left)
        await self.resolve()

    def sent_last_hour(self) -> tuple[int, Decimal]:
        """Return number and notional (USD) of the orders sent within the last hour."""
        return self._rates.last_hour()

    def open_orders(self) -> tuple[OpenOrder, ...]:
        """Return what may still fill: attempts of unknown outcome and resting orders, as if wholly open."""
        return tuple(
            OpenOrder(key, self._attempts.coins[client_id]) for client_id, key in self.unresolved.items()
        )

    async def resolve(self) -> None:
        """Look up every order that may still fill once more; one that rests though nobody works it is cancelled."""
        await self._attempts.resolve()
        self._watch_pairs()

    def hurry(self) -> None:
        """Rest no more, now and later: what waits in the book is taken at once. For a daemon that is to end."""
        self.hurried = True

    async def execute(self, approved: Sequence[ApprovedIntent]) -> int:
        """Work the intents of a decision in order. Return of how many an order was sent."""
        self.failed = {}
        now_ms = elapsing_ms(self._speed)
        self._alone_s += [(now_ms - p.since_ms) / SECOND_MS for p in self.pairs if p.since_ms is not None]
        self.pairs = pairs_of(approved, self._accounts.attributed)
        await self._keep([pair for pair in self.pairs if not pair.stops])
        self._rates.begin()
        self._attempts.forget()
        self._decision = self._decided(self.pairs)
        out = await self._out_of_reach()
        latched = (await self._journal(JournalStore.latch)).level
        left_s, waiting = 0.0 if latched else self._config.rest_s, len(approved)
        for one in approved:
            began = None if one.intent in out else await self._begin(one)
            waiting -= 1
            if began is None:
                self._decision.skip(one.intent)
                continue
            began.rest_s = self._rest_s(began, left_s / (waiting + 1))
            before_ms = elapsing_ms(self._speed)
            await self._work(began)
            if began.rest_s:
                left_s = max(0.0, left_s - (elapsing_ms(self._speed) - before_ms) / SECOND_MS)
            self._decision.over(began)
        return self._decision.sent

    async def mend(self, pair: Pair, approved: ApprovedIntent) -> None:
        """Send what completes or takes back a leg of a pair, at once."""
        await self._work(self._decision.mend(pair, approved))

    def left_pairs(self) -> list[Pair]:
        """Return the pairs that an earlier life was in the middle of, as far as the account is known now."""
        return kept_pairs.from_json(self.left, self._accounts.attributed)

    def take_over(self) -> None:
        """Go on with them."""
        self.pairs, self.left = self.left_pairs(), {}
        self._watch_pairs()

    async def settled(self) -> None:
        """Note that no pair of the latest decision is in the middle of anything, or that it is the operator's now."""
        await self._keep([])

    async def left_alone(self) -> None:
        """Note that what an earlier life was in the middle of is the operator's now."""
        self.left = {}
        await self._keep([])

    def alone(self) -> list[Pair]:
        """Return the pairs of the latest decision of which a leg stands without the other."""
        least = smallest(self.pairs, self._markets)
        return [pair for pair in self.pairs if pair.stands_alone(least)]

    def naked_s(self) -> float:
        """Return for how many seconds of the clock a leg has now stood without its other one; 0 where none does."""
        since = [pair.since_ms for pair in self.pairs if pair.since_ms is not None]
        return (elapsing_ms(self._speed) - min(since)) / SECOND_MS if since else 0.0

    def told_alone_s(self) -> list[float]:
        """Return, once each, for how long legs stood alone until their pairs were whole or gone."""
        told, self._alone_s = self._alone_s, []
        return told

    async def _begin(self, one: ApprovedIntent) -> Work | None:
        """Return the work on an intent; None where nothing is sent."""
        intent, symbol = one.intent, one.intent.key.symbol
        if why := await self._forbids(intent, Decimal(0)):
            log.warning("order_skipped_killed", market=str(intent.key), purpose=intent.purpose)
            self.failed.setdefault(symbol, why)
            return None
        if self._blocked(intent):
            log.warning("order_skipped_outcome_unknown", market=str(intent.key))
            self.failed[symbol] = "not sent while the outcome of an earlier order is unknown"
            self._decision.broken.add(symbol)
            return None
        begun = self._decision.begin(one)
        if begun is None:
            log.warning("order_skipped_after_failure", market=str(intent.key), purpose=intent.purpose)
        return begun

    async def _work(self, one: Work) -> None:
        intent = one.intent
        await work(one, self._trading[intent.key.venue], self._tools)
        self._watch_pairs()
        if one.why:
            self.failed[intent.key.symbol] = one.why
        if self._decision.reduces(intent):
            self.collars.worked(one, self._clock.now_ms())

    def _rest_s(self, one: Work, share_s: float) -> float:
        """Return how long an intent may rest: not at all where it is urgent or completes a pair."""
        urgent = one.intent.purpose is Purpose.STOP or one.takes > 1 or self.hurried
        rests = isinstance(self._trading[one.intent.key.venue], Rests) and one.market is not None
        worth = share_s / self._speed >= LEAST_REST_S
        return share_s if rests and worth and not urgent else 0.0

    async def _out_of_reach(self) -> list[Intent]:
        """Return the legs of new pairs of which one could not be filled now: what is not begun needs no unwinding."""
        out: list[Intent] = []
        for pair in [p for p in self.pairs if p.opens]:
            for leg in pair.legs:
                if why := await out_of_reach(leg.intent, self._trading[leg.intent.key.venue]):
                    log.warning("pair_not_begun", symbol=pair.symbol, reason=why)
                    self.failed[pair.symbol] = why
                    out += [one.intent for one in pair.legs]
        return out

    async def _forbids(self, intent: Intent, usd: Decimal) -> str:
        """Say why no order of an intent may be sent now, or none of so many USD; empty where it may."""
        latch = await self._journal(JournalStore.latch)
        if killed(intent, latch.level):  # latched since the gate looked
            return "not sent: the kill latch was set meanwhile"
        if not usd or intent.key in self._decision.exempt or self._decision.reduces(intent):
            return ""
        return self._rates.refuses(usd)

    def _decided(self, pairs: list[Pair]) -> Decision:
        return Decision(lambda: self._accounts.attributed, self._markets, self._attempts, pairs)

    def _blocked(self, intent: Intent) -> bool:
        """Whether an attempt of unknown outcome stands in the way: in the same market; where the intent enlarges a
        hedge also in its symbol or at its venue, whose cap and margin that attempt may already use up.
        """
        return any(
            key == intent.key
            or (
                intent.purpose in DEPENDS
                and (key.symbol == intent.key.symbol or key.venue == intent.key.venue)
            )
            for key in self.unresolved.values()
        )

    async def _keep(self, pairs: Sequence[Pair]) -> None:
        """Leave word of pairs to a next life, beside those of other coins that an earlier one left and nobody took."""
        left = kept_pairs.others(self.left, {pair.symbol for pair in pairs})
        self.left = {"pairs": left} if left else {}
        told = {"pairs": kept_pairs.to_json(pairs)["pairs"] + left}
        if told["pairs"] or self._kept:
            await self._journal(JournalStore.save_state, kept_pairs.STATE, told)
        self._kept = bool(told["pairs"])

    def _watch_pairs(self) -> None:
        """Note which pairs have a leg that stands alone, since when, and for how long one did."""
        now_ms, least = elapsing_ms(self._speed), smallest(self.pairs, self._markets)
        for pair in self.pairs:
            alone = pair.stands_alone(least)
            if alone and pair.since_ms is None:
                pair.since_ms = now_ms
            elif not alone and pair.since_ms is not None:
                self._alone_s.append((now_ms - pair.since_ms) / SECOND_MS)
                pair.since_ms = None
