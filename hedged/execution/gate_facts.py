"""What the gate is told in each cycle, and what is remembered for it: failures of venues, the hedges' PnL."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Self

import structlog

from hedged.collectors.poller import Poller
from hedged.config import Config
from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS, SECOND_MS
from hedged.domain.forecast import ForecastSet
from hedged.domain.funding import FundingPayment
from hedged.domain.market import INJECTIVE, Market, SeriesKey
from hedged.domain.orders import Fill, Hashes
from hedged.execution.accounts import AccountState
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.execution.reconcile.orphans import worst_of
from hedged.execution.working.executor import Executor
from hedged.features.moments import Moments
from hedged.risk.facts import GateFacts
from hedged.risk.forecast_record import ForecastRecord, Misses
from hedged.risk.kill import KillLevel
from hedged.risk.limits import Limits, limits_of
from hedged.risk.pnl import HedgePnl, charge, pay, resumed, value
from hedged.risk.rules.permission import loss_limit, standing

STATE, RECORD = "hedge_pnl", "forecast_record"
MOST_FAILURES = 1_000

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class GateFactsKeeper:
    """Builds `GateFacts`. `forecaster`: who forecasts the series of which a forecast does not say otherwise."""

    limits: Limits
    equity_usd: Decimal
    loaded: Hashes
    forecaster: str
    beside_usd: Decimal = Decimal(0)  # what strategies that protect nothing may hold, all legs together
    pnl: HedgePnl = field(default_factory=HedgePnl)
    loss_limit: str = ""
    record: ForecastRecord = field(default_factory=ForecastRecord)
    missing: set[SeriesKey] = field(default_factory=set)
    _unsaved: bool = False
    _failures: dict[str, deque[int]] = field(default_factory=dict)
    _unpaid: list[FundingPayment] = field(default_factory=list)  # payments that came while N was unknown

    @classmethod
    def of(cls, config: Config, equity_usd: Decimal, loaded: Hashes) -> Self:
        """Make one for a configuration; it knows of no past yet."""
        beside_usd = config.strategies.beside_usd
        return cls(limits_of(config), equity_usd, loaded, config.hedge.forecaster, beside_usd)

    def reconfigure(self, config: Config, loaded: Hashes) -> None:
        """Judge by another configuration from now on; what is remembered stays."""
        self.limits, self.loaded = limits_of(config), loaded
        self.forecaster, self.beside_usd = config.hedge.forecaster, config.strategies.beside_usd

    async def load(self, journal: Journal) -> None:
        """Go on with the PnL that an earlier life had: its costs and funding are what the journal says."""
        kept: dict[str, Any] = await journal(JournalStore.load_state, STATE)
        fills, payments = await journal(JournalStore.fills), await journal(JournalStore.funding)
        self.pnl = resumed(HedgePnl(**kept), fills, payments, await journal(JournalStore.book))
        self.record = ForecastRecord.from_json(await journal(JournalStore.load_state, RECORD))

    async def save(self, journal: Journal) -> None:
        """Keep the PnL, and how forecasts have done, across restarts."""
        await journal(JournalStore.save_state, STATE, self.pnl.to_json())
        if self._unsaved:
            await journal(JournalStore.save_state, RECORD, self.record.to_json())
            self._unsaved = False

    def facts(
        self,
        now_ms: int,
        account: AccountState,
        marks: Mapping[SeriesKey, Decimal],
        markets: Mapping[SeriesKey, Market],
        forecasts: ForecastSet,
        moved: Moments,
        poller: Poller,
        executor: Executor,
        kill: KillLevel,
        closed: Mapping[SeriesKey, str],
    ) -> GateFacts:
        """Value what is held, count the venues' failures, and put together all that the gate judges by."""
        self._count_failures(now_ms, {*account.unknown, *poller.lost})
        self._unsaved |= self.record.look(now_ms, poller.latest.values(), forecasts)
        misses = self.record.misses(now_ms)
        self._tell_misses(misses)
        facts = replace(
            self.reductions(now_ms, account, marks, markets, executor, kill),
            sigma=moved.sigma,
            basis_sigma=moved.basis_sigma,
            forecast_by={key: forecasts.made_by.get(key, self.forecaster) for key in forecasts.keys},
            forecast_made_ms=forecasts.made_at_ms,
            closed=closed,
            failures={venue: len(times) for venue, times in self._failures.items()},
            clock_offsets_ms=account.clock_offsets_ms,
            settles_ms=_settlements(poller),
            misses=misses,
        )
        self._tell_loss_limit(facts)
        return facts

    def reductions(
        self,
        now_ms: int,
        account: AccountState,
        marks: Mapping[SeriesKey, Decimal],
        markets: Mapping[SeriesKey, Market],
        executor: Executor,
        kill: KillLevel,
    ) -> GateFacts:
        """Put together what the gate judges reductions by, between two cycles: nothing can be opened on these facts."""
        self._value(now_ms, account, marks)
        orders, notional = executor.sent_last_hour()
        return GateFacts(
            now_ms=now_ms,
            loaded=self.loaded,
            kill=kill,
            reconciled=account.reconciled,
            unknown=frozenset(account.unknown),
            own=account.own,
            attributed=account.attributed,
            marks=marks,
            markets=markets,
            equity_usd=self.equity_usd,
            collateral_usd=account.collateral_usd,
            free_usd=account.free_usd,
            sigma={},
            basis_sigma={},
            forecast_by={},
            forecast_made_ms=0,
            book_usd=_gross_usd(account, marks) + self.beside_usd,
            orders_last_hour=orders,
            notional_last_hour_usd=notional,
            owners=account.owners,
            positions=account.positions,
            open_orders=executor.open_orders() + worst_of(account.orphans),
            closed=dict.fromkeys(markets, "between two cycles nothing is opened"),
            losses=self.pnl.losses,
        )

    def held_back(self, facts: GateFacts) -> dict[SeriesKey, str]:
        """Say on which markets the gate would let nothing be opened now, so that nothing is planned there."""
        why = {key: standing(key, facts, self.limits) for key in facts.markets}
        return {key: reason for key, reason in why.items() if reason}

    def traded(self, fills: Sequence[Fill], paid_since: Sequence[FundingPayment]) -> None:
        """Take the costs of a cycle's fills off. `paid_since`: payments that were told after the facts were built."""
        self.pnl = charge(self.pnl, fills)
        self._unpaid.extend(paid_since)

    def _value(self, now_ms: int, account: AccountState, marks: Mapping[SeriesKey, Decimal]) -> None:
        self._unpaid.extend(account.payments)
        if INJECTIVE not in account.unknown:  # N is known: so is what a payment was saved or paid on
            self.pnl, self._unpaid = pay(self.pnl, self._unpaid, account.own), []
        self.pnl = value(self.pnl, now_ms, account.attributed, account.owners, marks)

    def _count_failures(self, now_ms: int, failed: set[str]) -> None:
        for venue in failed:
            self._failures.setdefault(venue, deque(maxlen=MOST_FAILURES)).append(now_ms)
        for times in self._failures.values():
            while times and times[0] <= now_ms - HOUR_MS:
                times.popleft()

    def _tell_misses(self, misses: Mapping[SeriesKey, Misses]) -> None:
        """Log once when a market's forecasts can no longer be relied on, and once when they can again."""
        bad = {key for key, seen in misses.items() if seen.surely_above(self.limits.max_miss_share)}
        for key in sorted(bad - self.missing):
            log.error("forecast_misses", market=str(key), missed=misses[key].missed, of=misses[key].of)
        for key in sorted(self.missing - bad):
            log.warning("forecast_hits_again", market=str(key))
        self.missing = bad

    def _tell_loss_limit(self, facts: GateFacts) -> None:
        """Log once when the hedges have lost too much, and once when that is over."""
        before, self.loss_limit = self.loss_limit, loss_limit(facts, self.limits)
        if self.loss_limit and not before:
            log.error("loss_limit_reached", reason=self.loss_limit, does="only reductions are sent")
        if before and not self.loss_limit:
            log.warning("loss_limit_left", was=before)


def _settlements(poller: Poller) -> dict[SeriesKey, int]:
    """Return when every market settles next, ms, where that is known."""
    found = {}
    for key, seen in poller.latest.items():
        left_s = float(seen.values[Field.SETTLES_IN_S])
        if left_s >= 0:  # a NaN is not
            found[key] = seen.ts_ms + round(left_s * SECOND_MS)
    return found


def _gross_usd(account: AccountState, marks: Mapping[SeriesKey, Decimal]) -> Decimal:
    """Gross notional of the own book at today's marks; what cannot be priced counts as nothing."""
    sizes = (
        abs(q) * marks.get(SeriesKey(INJECTIVE, symbol), Decimal(0)) for symbol, q in account.own.items()
    )
    return sum(sizes, Decimal(0))
