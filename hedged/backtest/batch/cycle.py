"""One cycle at one bar, in the order of `hedged.cycle`: account → gate facts → snapshot → decide → stops → trade."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, cast

import numpy as np

from hedged.backtest.batch.account import Account
from hedged.backtest.batch.bars import followed
from hedged.backtest.batch.desk import BatchDesk
from hedged.backtest.batch.law_arrays import Tells
from hedged.backtest.batch.movements import Movements
from hedged.backtest.batch.orders import Orders
from hedged.backtest.batch.seen import Seen
from hedged.backtest.forced import with_forced
from hedged.backtest.kept import Kept, kept_decisions, kept_forecasts
from hedged.backtest.runner import RunResult, Window, equity_usd
from hedged.backtest.world import World
from hedged.collectors.believed import BelievedMarks
from hedged.collectors.poller import Poller
from hedged.config import Config
from hedged.domain.bars import N_FIELDS, Field, Observation
from hedged.domain.clock import SECOND_MS
from hedged.domain.forecast import ForecastSet, RateForecast
from hedged.domain.market import INJECTIVE, SeriesKey, decimal_of
from hedged.domain.orders import Hashes
from hedged.domain.quarantine import Quarantine
from hedged.domain.signals import SignalEffect
from hedged.execution.decisions.rows import decision_rows
from hedged.execution.gate_facts import GateFactsKeeper
from hedged.execution.journal.thinning import Told, thinned
from hedged.execution.reconcile.state import AccountState
from hedged.execution.stops import Stops
from hedged.execution.working.executor import Executor
from hedged.risk.facts import GateFacts
from hedged.risk.margin import liquidation_distances, near_liquidation
from hedged.risk.rules.permission import standing
from hedged.strategy.memory import StrategyMemory
from hedged.strategy.portfolio import Settings, decide
from hedged.strategy.snapshot import Snapshot
from hedged.strategy.stopped import protected_usd, unwind

NOTHING_KNOWN = np.zeros(N_FIELDS, dtype=np.int64)
NO_SIGNAL = SignalEffect()


@dataclass(slots=True)
class BatchCycle:
    """What a cycle works with. `keys`: the markets that are followed, in order; `decisions`: as journalled."""

    config: Config
    laws: Tells
    equity: Decimal
    desk: BatchDesk
    settings: Settings
    keys: tuple[SeriesKey, ...]
    row: Mapping[SeriesKey, int]
    decisions: Kept[dict[str, Any]]
    forecasts: Kept[RateForecast]
    memory: StrategyMemory = field(default_factory=StrategyMemory)
    book: list[tuple[int, str, str, Decimal]] = field(default_factory=list)
    _own: dict[str, Decimal] = field(default_factory=dict)
    _law: ForecastSet | None = None
    _told: Told = field(default_factory=dict)

    @classmethod
    def begin(
        cls,
        config: Config,
        world: World,
        book: Mapping[str, tuple[Decimal, Decimal]],
        window: Window,
        laws: Tells,
        keep_in: Path | None = None,
    ) -> Self:
        """Begin a run: the book lies on Injective, idle margin at each hedge venue."""
        equity, markets = equity_usd(config, book), followed(world, config, book)
        account = Account.begin(config, world, book, equity, window.from_ms, tuple(markets))
        first = laws.at(window.from_ms)
        hashes = Hashes(first.model_hash, first.feature_hash, config.hash)
        desk = BatchDesk(
            config, account, Orders(config, account, account.clock), markets, hashes,
            GateFactsKeeper.of(config, equity, hashes), Stops(config),
        )  # fmt: skip
        settings = Settings(config.strategies, config.hedge, config.risk, config.book.protect)
        row = {key: i for i, key in enumerate(markets)}
        kept = kept_decisions(keep_in), kept_forecasts(keep_in)
        return cls(config, laws, equity, desk, settings, tuple(markets), row, *kept)

    @property
    def bar_ms(self) -> int:
        """Return the length of a bar."""
        return self.config.cycle.bar_s * SECOND_MS

    @property
    def may_skip(self) -> bool:
        """Whether what happens between two cycles can be told from arrays alone: no own position is closed by force,
        and it does not matter whose a forecast is.
        """
        return self.config.paper.margin_calls == "met" and self.desk.gate_facts.limits.open_on_stand_in

    def run(
        self,
        bar: int,
        seen: Seen,
        movements: Movements,
        only: Collection[str] | None = None,
        unsure: Collection[SeriesKey] | None = None,
    ) -> bool:
        """Run the cycle of a bar; return whether anything was traded.

        `only`: coins that are looked at, all that hold something among them; `unsure`: the markets on which the gate
        may let nothing be opened now. None: all.
        """
        config, desk, now_ms = self.config, self.desk, int(seen.times_ms[bar])
        desk.orders.clock.ms = now_ms
        keys = [k for k in self.keys if only is None or k.symbol in only]
        looked = keys if only is None else [k for k in self.keys if k.venue == INJECTIVE or k.symbol in only]
        told = {key: decimal_of(mark) for key in looked if (mark := float(seen.mark[self.row[key], bar])) > 0}
        quarantined = {key: one.quarantine for key, one in seen.doubts_at(bar).items()}
        doubts = {key: told.get(key) for key, one in quarantined.items() if one.fault.doubts_price}
        desk.account.doubted.clear()
        desk.account.doubted.update(doubts)
        account = desk.account.refresh()
        stale_ms = config.cycle.stale_after_s * SECOND_MS
        marks = {k: m for k, m in told.items() if now_ms - int(seen.mark_ms[self.row[k], bar]) <= stale_ms}
        law, moved = self.laws.at(now_ms), movements.at(bar)
        closed = _not_believed(keys, quarantined)
        facts = desk.gate_facts.facts(
            now_ms, account, marks, desk.markets, law, moved, self._poller(seen, bar, keys),
            cast(Executor, desk.orders), desk.kill, closed,
        )  # fmt: skip
        closed = self._held_back(facts, keys if unsure is None else unsure) | closed
        snapshot = Snapshot(
            now_ms=now_ms, hashes=Hashes(law.model_hash, law.feature_hash, desk.hashes.config), forecasts=law,
            moments=moved, own={s: q for s, q in account.own.items() if only is None or s in only},
            attributed=account.attributed, marks=marks, markets=desk.markets, collateral_usd=account.collateral_usd,
            equity_usd=self.equity, closed=closed, signals={key.symbol: NO_SIGNAL for key in keys},
            owners=account.owners, quarantined=frozenset(quarantined),
        )  # fmt: skip
        decided = decide(snapshot, self.settings, self.memory)
        stopped = self._stops(now_ms, account, self._believed(seen, bar, keys, quarantined))
        desired = unwind(decided.desired, stopped, desk.stops.part(account), set(marks))
        desk.stops.plan({plan.symbol: protected_usd(plan) for plan in decided.plans})
        traded = desk.trade(now_ms, desired, account, facts)
        rows = decision_rows(
            snapshot, decided.plans, decided.unplanned, stopped, traded.review, account, traded.account,
            desk.orders.failed, decided.notes,
        )  # fmt: skip
        self._book(now_ms, account.own)
        self._tell(law)
        self._keep(now_ms, rows, whole=only is None)
        return bool(traded.review.approved or traded.review.refused)

    def _held_back(self, facts: GateFacts, keys: Collection[SeriesKey]) -> dict[SeriesKey, str]:
        """Say on which of these markets the gate would let nothing be opened now."""
        why = {key: standing(key, facts, self.desk.gate_facts.limits) for key in keys}
        return {key: reason for key, reason in why.items() if reason}

    def _stops(self, now_ms: int, account: AccountState, believed: BelievedMarks) -> dict[str, str]:
        desk = self.desk
        desk.stops.see(account, believed)
        far = liquidation_distances(account, account.collateral_usd, believed.marks, desk.markets)
        held = desk.stops.part(account)
        return desk.stops.decide(now_ms, held, near_liquidation(held, far, self.config.risk.margin_stop))[0]

    def _believed(
        self, seen: Seen, bar: int, keys: Collection[SeriesKey], quarantined: Mapping[SeriesKey, Quarantine]
    ) -> BelievedMarks:
        doubts = {key: one.text for key, one in quarantined.items() if one.fault.doubts_price}
        rows = {key: self.row[key] for key in keys if key not in doubts}
        marks = {key: mark for key, row in rows.items() if (mark := float(seen.mark[row, bar])) > 0}
        known_ms = {key: int(seen.mark_ms[rows[key], bar]) for key in marks}
        return BelievedMarks(int(seen.times_ms[bar]), marks, known_ms, doubts)

    def _poller(self, seen: Seen, bar: int, keys: Collection[SeriesKey]) -> Poller:
        """Return what the gate's facts ask of a poller: the last settlements, and when the next are due."""
        now_ms, latest = int(seen.times_ms[bar]), {}
        for key in keys:
            row, values = self.row[key], np.full(N_FIELDS, np.nan)
            if seen.settled_ms[row, bar]:
                values[Field.FUNDING_SETTLED] = seen.rate[row, bar]
                values[Field.SETTLED_INTERVAL_H] = seen.hours[row, bar]
                values[Field.SETTLED_AGO_S] = (now_ms - seen.settled_ms[row, bar]) / SECOND_MS
            if seen.settles_ms[row, bar] >= 0:
                values[Field.SETTLES_IN_S] = (seen.settles_ms[row, bar] - now_ms) / SECOND_MS
            latest[key] = Observation(key, now_ms, values, NOTHING_KNOWN)
        return cast(Poller, SimpleNamespace(lost=frozenset(), latest=latest))

    def _book(self, now_ms: int, own: Mapping[str, Decimal]) -> None:
        """Keep the changes of the trader's own positions."""
        changed = {symbol: q for symbol, q in own.items() if self._own.get(symbol) != q}
        self.book += [(now_ms, INJECTIVE, symbol, quantity) for symbol, quantity in changed.items()]
        self._own.update(changed)

    def _tell(self, law: ForecastSet) -> None:
        """Keep what was forecast of the rates on Injective, once."""
        if self._law is None or law.made_at_ms != self._law.made_at_ms:
            self._law = law
            self.forecasts.add(found for key, found in law.marginals.items() if key.venue == INJECTIVE)

    def _keep(self, now_ms: int, rows: Mapping[str, dict[str, Any]], *, whole: bool) -> None:
        """Keep the rows, with details where all coins are told."""
        if whole:
            out, self._told = thinned(now_ms, rows, self._told)
        else:
            out = {symbol: {**row, "detail": None} for symbol, row in rows.items()}
        self.decisions.add({"ts_ms": now_ms, "symbol": symbol, **out[symbol]} for symbol in sorted(out))

    def result(self, window: Window) -> RunResult:
        """Return what the journal would hold."""
        account, hashes = self.desk.account, self.desk.hashes
        self.desk.orders.clock.ms = window.to_ms - 1
        account.refresh()  # what was paid after the last cycle belongs to the run too
        records = account.records()
        return RunResult(
            config=self.config,
            window=window,
            fills=with_forced(account.fills, records),
            payments=account.payments,
            decisions=self.decisions,
            book=self.book,
            model_hash=hashes.model,
            feature_hash=hashes.features,
            equity_usd=self.equity,
            accounts=records,
            forecasts=self.forecasts,
        )


def _not_believed(
    keys: Collection[SeriesKey], quarantined: Mapping[SeriesKey, Quarantine]
) -> dict[SeriesKey, str]:
    """Say on which markets nothing may be opened because their data, or the coin's on Injective, are in quarantine."""
    why = {key: f"{key.symbol} on {key.venue} is {one.text}" for key, one in quarantined.items()}
    here = {key.symbol: reason for key, reason in why.items() if key.venue == INJECTIVE}
    return {key: reason for key in keys if (reason := here.get(key.symbol) or why.get(key)) is not None}
