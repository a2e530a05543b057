"""The stops of all hedges of the trader's own positions: what each has lost, which must be unwound, and until when.

Whoever trades (the cycle, or the guard between two cycles) tells them what account and prices say, asks what must be
flat, and writes that to the journal before the first order. Hedges of another kind (divergence) stop by their own rule.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Protocol

import structlog

from hedged.collectors.believed import BelievedMarks
from hedged.config import Config
from hedged.domain.clock import HOUR_MS, SECOND_MS, iso
from hedged.domain.funding import FundingPayment
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Fill, Strategy
from hedged.execution.accounts import AccountState, Taken
from hedged.risk.stop import Episode, Trade, book, credit, flat, stop, value

REMEMBERED = 256
"""Marks of Injective kept of each coin, to tell its price when a fill happened that became known later."""
NOT_HERE = (Strategy.DIVERGENCE,)

log = structlog.get_logger(__name__)


class Held(Protocol):
    """What knows the daemon's part of every market: an account's state, or the accounts themselves."""

    @property
    def attributed(self) -> Mapping[SeriesKey, Decimal]:
        """Signed coins by market."""
        ...

    @property
    def owners(self) -> Mapping[SeriesKey, Strategy]:
        """For which strategy they are held."""
        ...


@dataclass(frozen=True, slots=True)
class Unvalued:
    """Why a hedge cannot be valued now, and since when it could not be, ms."""

    why: str
    since_ms: int


class Stops:
    """One owner at a time: whoever holds the right to trade. `unvalued`: the hedges that cannot be valued now."""

    def __init__(
        self,
        config: Config,
        episodes: Mapping[str, Mapping[str, Any]] | None = None,
        own: Mapping[str, Decimal] | None = None,
    ) -> None:
        """`episodes`, `own`: as the journal holds them, so that a restart goes on measuring and unwinding."""
        self._config = config
        self._apart_ms = config.risk.valued_within_s * SECOND_MS * config.clock.speed
        self.episodes = {symbol: Episode(**body) for symbol, body in (episodes or {}).items()}
        self.unvalued: dict[str, Unvalued] = {}
        self._own = dict(own or {})  # N as last known
        self._here: dict[str, deque[tuple[int, float]]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._unpaid: list[FundingPayment] = []  # payments of coins whose N was never known
        self._taken: set[str] = set()

    def reconfigure(self, config: Config) -> None:
        """Stop by another configuration from now on; what is measured goes on."""
        self._config = config
        self._apart_ms = config.risk.valued_within_s * SECOND_MS * config.clock.speed

    def to_json(self) -> dict[str, Any]:
        """Turn into a plain tree for the journal."""
        return {symbol: episode.to_json() for symbol, episode in sorted(self.episodes.items())}

    @staticmethod
    def part(account: Held) -> dict[SeriesKey, Decimal]:
        """Return what is held for the strategies that stop by this rule, without zeros."""
        return {
            key: q for key, q in account.attributed.items() if q and account.owners.get(key) not in NOT_HERE
        }

    def mark(self, held: Mapping[SeriesKey, Decimal], believed: BelievedMarks) -> None:
        """Value what is held at present marks. What cannot be valued keeps its last value, and says why."""
        stale_ms = self._config.cycle.stale_after_s * SECOND_MS
        for symbol in sorted({key.symbol for key in (*held, *believed.marks)} | set(self.episodes)):
            here = SeriesKey(INJECTIVE, symbol)
            if here in believed.marks:
                self._here[symbol].append((believed.known_ms[here], believed.marks[here]))
            mine = {key: q for key, q in held.items() if key.symbol == symbol}
            if not mine and here not in believed.marks:
                continue  # nothing to value, nothing to value it by
            why = believed.together({here, *mine}, stale_ms, self._apart_ms) if mine else ""
            if mine and symbol not in self._own:
                why = "what is held on Injective is not known yet"
            self._tell(symbol, why, believed.now_ms)
            if not why:
                self.episodes[symbol] = value(
                    self.episodes.get(symbol, Episode()),
                    float(self._own.get(symbol, 0)),
                    {key.venue: float(q) for key, q in mine.items()},
                    believed.fresh(symbol, stale_ms),
                    believed.now_ms,
                )

    def see(self, account: AccountState, believed: BelievedMarks) -> None:
        """Take over what is new in an account: value what was held until now, then count fills and funding."""
        held = self.part(account)
        self._own.update(account.own)
        self.mark(_before(held, account), believed)
        self.count(account)

    def count(self, account: AccountState) -> None:
        """Count the fills and the funding that are new in an account."""
        held = self.part(account)
        before = _before(held, account)
        trades: dict[str, list[Trade]] = defaultdict(list)
        for fill in account.fills:
            if fill.purpose.strategy not in NOT_HERE:
                trades[fill.key.symbol].append(self._trade(fill))
        for taken in account.taken:
            if taken.owner not in NOT_HERE:
                trades[taken.execution.key.symbol].append(self._trade_of_others(taken))
                self._taken.add(taken.execution.key.symbol)
        for symbol, mine in trades.items():
            held_before = {key.venue: float(q) for key, q in before.items() if key.symbol == symbol}
            own = float(self._own.get(symbol, 0))
            self.episodes[symbol] = book(self.episodes.get(symbol, Episode()), own, held_before, mine)
        self._credit([*self._unpaid, *account.payments], account.owners)
        for symbol in sorted(set(self.episodes) - {key.symbol for key in held}):
            self.settle(symbol)

    def decide(
        self, now_ms: int, held: Mapping[SeriesKey, Decimal], near: Mapping[str, str]
    ) -> tuple[dict[str, str], list[str]]:
        """Return the symbols that must be (or stay) flat with the reason, and those of them stopped just now.

        `near`: by symbol why a venue is about to liquidate its hedge. Write `to_json` to the journal before trading.
        """
        stopped: dict[str, str] = {}
        begun: list[str] = []
        for symbol in sorted({key.symbol for key in held} | set(self.episodes)):
            episode = self.episodes.get(symbol, Episode())
            holds = any(key.symbol == symbol for key in held)
            if why := self._triggers(symbol, now_ms, near) if holds or symbol in self._taken else "":
                until_ms = now_ms + self._config.hedge.horizon_h * HOUR_MS
                episode = stop(episode, why, until_ms, held=holds)
                begun.append(symbol)
                log.warning("hedge_stopped", symbol=symbol, reason=why, no_new_hedge_before=iso(until_ms))
            elif not holds:
                episode = flat(episode)
            self.episodes[symbol] = episode
            if episode.unwinding:
                stopped[symbol] = episode.why
            elif now_ms < episode.stopped_until_ms:
                stopped[symbol] = "stopped earlier: no new hedge within the horizon of a stop"
        self._taken.clear()
        return stopped, begun

    def unwinding(self, held: Mapping[SeriesKey, Decimal]) -> set[str]:
        """Return the symbols that were stopped and are not flat yet."""
        return {key.symbol for key in held if self.episodes.get(key.symbol, Episode()).unwinding}

    def triggered(self, now_ms: int, held: Mapping[SeriesKey, Decimal], near: Mapping[str, str]) -> set[str]:
        """Return the symbols whose stop triggers at the values of now, as far as they are known."""
        return {symbol for symbol in {key.symbol for key in held} if self._triggers(symbol, now_ms, near)}

    def plan(self, protected_usd: Mapping[str, float]) -> None:
        """Note what each hedge is to protect that this cycle may open or enlarge, USD over the horizon."""
        for symbol, usd in protected_usd.items():
            self.episodes[symbol] = replace(self.episodes.get(symbol, Episode()), planned_usd=usd)

    def settle(self, symbol: str) -> None:
        """Note that a hedge that was being unwound is flat, or so little is left that no order can close it."""
        if self.episodes[symbol].unwinding:
            log.info("hedge_unwound", symbol=symbol, stopped_for=self.episodes[symbol].why)
            self.episodes[symbol] = flat(self.episodes[symbol])

    def _triggers(self, symbol: str, now_ms: int, near: Mapping[str, str]) -> str:
        """Say why a hedge must be stopped; empty where it need not be, or is stopped already."""
        episode = self.episodes.get(symbol, Episode())
        if episode.unwinding or now_ms < episode.stopped_until_ms:
            return ""
        if symbol in near:
            return near[symbol]
        if episode.must_stop:
            return (
                f"stop: the hedge has lost {episode.loss_usd:,.2f} USD, more than the "
                f"{episode.allowance_usd:,.2f} USD of funding it protects against"
            )
        if self._config.risk.leg_stop and episode.leg_must_stop:
            return (
                f"stop: the hedge's legs have lost {episode.leg_loss_usd:,.2f} USD by themselves, more than the "
                f"{episode.allowance_usd:,.2f} USD of funding they protect against (risk.leg_stop)"
            )
        return ""

    def _tell(self, symbol: str, why: str, now_ms: int) -> None:
        """Log once that a hedge cannot be valued, and once that it can be again."""
        if why and symbol not in self.unvalued:
            log.warning("hedge_not_valued", symbol=symbol, why=why)
        elif not why and symbol in self.unvalued:
            log.info("hedge_valued_again", symbol=symbol)
        if why:
            episode = self.episodes.setdefault(symbol, Episode())
            before = self.unvalued.get(symbol)
            self.unvalued[symbol] = Unvalued(why, before.since_ms if before else episode.valued_ms or now_ms)
        else:
            self.unvalued.pop(symbol, None)

    def _trade(self, fill: Fill) -> Trade:
        return Trade(
            fill.key.venue,
            float(fill.signed_quantity),
            float(fill.reference_price),
            float(fill.execution.fee_usd + fill.spread_usd),
            self._here_at(fill.key.symbol, fill.execution.ts_ms),
        )

    def _trade_of_others(self, taken: Taken) -> Trade:
        """Value what a liquidation took at its own price; of its fee what the hedge's share of it is."""
        e = taken.execution
        fee = float(e.fee_usd * abs(taken.quantity) / e.quantity)
        here = self._here_at(e.key.symbol, e.ts_ms)
        return Trade(e.key.venue, float(taken.quantity), float(e.price), fee, here)

    def _here_at(self, symbol: str, ts_ms: int) -> float | None:
        """Return Injective's mark known nearest to an instant."""
        known = self._here.get(symbol)
        return min(known, key=lambda one: abs(one[0] - ts_ms))[1] if known else None

    def _credit(self, payments: Iterable[FundingPayment], owners: Mapping[SeriesKey, Strategy]) -> None:
        due: dict[str, list[FundingPayment]] = defaultdict(list)
        self._unpaid = []
        for payment in payments:
            key = payment.settlement.key
            if owners.get(key) in NOT_HERE:
                continue
            if key.symbol in self._own:
                due[key.symbol].append(payment)
            else:
                self._unpaid.append(payment)
        for symbol, mine in due.items():
            episode = self.episodes.get(symbol, Episode())
            self.episodes[symbol] = credit(episode, float(self._own[symbol]), mine)


def _before(held: Mapping[SeriesKey, Decimal], account: AccountState) -> dict[SeriesKey, Decimal]:
    """Return what was held before the fills that are new in an account."""
    before = dict(held)
    changes: Sequence[tuple[SeriesKey, Decimal]] = [
        *((f.key, f.signed_quantity) for f in account.fills if f.purpose.strategy not in NOT_HERE),
        *((t.execution.key, t.quantity) for t in account.taken if t.owner not in NOT_HERE),
    ]
    for key, change in changes:
        before[key] = before.get(key, Decimal(0)) - change
    return {key: quantity for key, quantity in before.items() if quantity}
