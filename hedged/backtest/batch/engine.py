"""The batch engine: every bar of a window decided by the daemon's own functions, in the daemon's order.

What does not depend on what is held is reckoned for a chunk of bars at once (`seen`, `movements`); the forecasts are
there before (`backtest.laws`). What is left of a cycle is what the daemon's cycle calls: account → facts of the gate →
snapshot → decide → stops → diff → gate → fill (`cycle.py`); see docs/adr/0013.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from hedged.backtest.batch.account import Account
from hedged.backtest.batch.desk import BatchDesk
from hedged.backtest.batch.judged import Judgement
from hedged.backtest.batch.kept import payments_of
from hedged.backtest.batch.movements import Movements, Past
from hedged.backtest.batch.orders import Orders, Time
from hedged.backtest.batch.seen import Seen, seen_by_chunk
from hedged.backtest.batch.supported import check_supported
from hedged.backtest.laws import Laws
from hedged.backtest.runner import RunResult, Window, equity_usd
from hedged.backtest.world import World
from hedged.collectors.believed import BelievedMarks
from hedged.collectors.poller import Poller
from hedged.config import Config
from hedged.domain.bars import N_FIELDS, Field, Observation
from hedged.domain.clock import SECOND_MS
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
from hedged.features.market_now import MarketsNow
from hedged.risk.margin import liquidation_distances, near_liquidation
from hedged.strategy.memory import StrategyMemory
from hedged.strategy.portfolio import Settings, decide
from hedged.strategy.snapshot import Snapshot
from hedged.strategy.stopped import protected_usd, unwind

Book = Mapping[str, tuple[Decimal, Decimal]]
NOTHING_KNOWN = np.zeros(N_FIELDS, dtype=np.int64)


def run_batch(
    config: Config,
    world: World,
    book: Book,
    window: Window,
    laws: Laws,
    on_bar: Callable[[int], None] = lambda _: None,
    *,
    judgement: Judgement | None = None,
    every_ms: int = 0,
    told: dict[str, int] | None = None,
) -> RunResult:
    """Play a window; the result is what `run_window` returns for the same world and forecasts.

    `book`: signed coins and first price by symbol; `laws`: forecasts from the window's first bar on. Raises ConfigError
    for what the batch engine does not play.
    """
    check_supported(config)
    engine = _Engine(config, world, book, window, laws)
    past = Past(engine.keys, engine.bar_ms, config.cycle.history_days * 24, config.hedge.horizon_h)
    for seen in seen_by_chunk(world, engine.keys, config, window, judgement):
        movements = past.then(seen)
        if seen.times_ms[0] >= window.from_ms:
            engine.play(seen, movements, on_bar)
    return engine.result()


@dataclass(slots=True)
class _Engine:
    config: Config
    world: World
    book: Book
    window: Window
    laws: Laws
    equity: Decimal = field(init=False)
    keys: tuple[SeriesKey, ...] = field(init=False)
    desk: BatchDesk = field(init=False)
    settings: Settings = field(init=False)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    memory: StrategyMemory = field(default_factory=StrategyMemory)
    _told: Told = field(default_factory=dict)
    _first_ms: int = 0

    def __post_init__(self) -> None:
        config, window = self.config, self.window
        self.equity = equity_usd(config, self.book)
        venues = (INJECTIVE, *config.hedge.venues)
        markets = {
            k: m for k, m in sorted(self.world.markets.items()) if k.symbol in self.book and k.venue in venues
        }
        self.keys = tuple(key for key in markets if key in self.world.series)
        cash = dict.fromkeys(config.hedge.venues, self.equity * config.hedge.collateral_share)
        own = {symbol: quantity for symbol, (quantity, _) in sorted(self.book.items())}
        account = Account(self.world, own, cash, window.from_ms)
        first = self.laws.at(window.from_ms)
        hashes = Hashes(first.model_hash, first.feature_hash, config.hash)
        self.settings = Settings(config.strategies, config.hedge, config.risk, config.book.protect)
        self.desk = BatchDesk(
            config, account, Orders(config, account, Time(window.from_ms)), markets, hashes,
            GateFactsKeeper.of(config, self.equity, hashes), Stops(config),
        )  # fmt: skip

    @property
    def bar_ms(self) -> int:
        """Return the length of a bar."""
        return self.config.cycle.bar_s * SECOND_MS

    def play(self, seen: Seen, movements: Movements, on_bar: Callable[[int], None]) -> None:
        """Play the bars of a chunk."""
        for bar, now_ms in enumerate(seen.times_ms.tolist()):
            self._cycle(bar, now_ms, seen, movements)
            on_bar(now_ms)

    def _cycle(self, bar: int, now_ms: int, seen: Seen, movements: Movements) -> None:
        """One cycle, in the order of `cycle.Cycle`."""
        config, desk = self.config, self.desk
        desk.orders.clock.ms = now_ms
        told = {
            key: decimal_of(mark)
            for key, mark in zip(seen.keys, seen.mark[:, bar].tolist(), strict=True)
            if mark > 0
        }
        quarantined = {key: one.quarantine for key, one in seen.doubts_at(bar).items()}
        doubted = {key: told.get(key) for key, one in quarantined.items() if one.fault.doubts_price}
        desk.account.doubt(doubted, now_ms)
        account = desk.account.state(told, desk.account.settle(now_ms))
        stale_ms = config.cycle.stale_after_s * SECOND_MS
        known_ms = dict(zip(seen.keys, seen.mark_ms[:, bar].tolist(), strict=True))
        marks = {key: mark for key, mark in told.items() if now_ms - known_ms[key] <= stale_ms}
        law, moved = self.laws.at(now_ms), movements.at(bar)
        closed = _not_believed(seen.keys, quarantined)
        facts = desk.gate_facts.facts(
            now_ms, account, marks, desk.markets, law, moved, _poller(seen, bar), cast(Executor, desk.orders), desk.kill,
            closed,
        )  # fmt: skip
        closed = desk.gate_facts.held_back(facts) | closed
        snapshot = Snapshot(
            now_ms=now_ms, hashes=Hashes(law.model_hash, law.feature_hash, desk.hashes.config), forecasts=law,
            moments=moved, own=account.own, attributed=account.attributed, marks=marks, markets=desk.markets,
            collateral_usd=account.collateral_usd, equity_usd=self.equity, closed=closed,
            signals={key.symbol: SignalEffect() for key in desk.markets}, owners=account.owners,
            quarantined=frozenset(quarantined), now=MarketsNow(),
        )  # fmt: skip
        decided = decide(snapshot, self.settings, self.memory)
        stopped = self._stops(now_ms, account, _believed(now_ms, seen, bar, quarantined))
        desired = unwind(decided.desired, stopped, desk.stops.part(account), set(marks))
        desk.stops.plan({plan.symbol: protected_usd(plan) for plan in decided.plans})
        traded = desk.trade(now_ms, desired, account, facts, told)
        rows = decision_rows(
            snapshot, decided.plans, decided.unplanned, stopped, traded.review, account, traded.account,
            desk.orders.failed, decided.notes,
        )  # fmt: skip
        self._keep(now_ms, rows)

    def _stops(self, now_ms: int, account: AccountState, believed: BelievedMarks) -> dict[str, str]:
        desk = self.desk
        desk.stops.see(account, believed)
        far = liquidation_distances(account, account.collateral_usd, believed.marks, desk.markets)
        held = desk.stops.part(account)
        return desk.stops.decide(now_ms, held, near_liquidation(held, far, self.config.risk.margin_stop))[0]

    def _keep(self, now_ms: int, rows: Mapping[str, dict[str, Any]]) -> None:
        self._first_ms = self._first_ms or now_ms
        out, self._told = thinned(now_ms, rows, self._told)
        self.decisions += [{"ts_ms": now_ms, "symbol": symbol, **out[symbol]} for symbol in sorted(out)]

    def result(self) -> RunResult:
        """Return what the journal would hold."""
        account, hashes = self.desk.account, self.desk.hashes
        return RunResult(
            config=self.config,
            window=self.window,
            fills=account.fills,
            payments=payments_of(account, self.window),
            decisions=self.decisions,
            book=[(self._first_ms, INJECTIVE, symbol, quantity) for symbol, quantity in account.own.items()],
            model_hash=hashes.model,
            feature_hash=hashes.features,
            equity_usd=self.equity,
        )


def _not_believed(
    keys: Sequence[SeriesKey], quarantined: Mapping[SeriesKey, Quarantine]
) -> dict[SeriesKey, str]:
    """Say on which markets nothing may be opened because their data, or the coin's on Injective, are in quarantine."""
    why = {key: f"{key.symbol} on {key.venue} is {one.text}" for key, one in quarantined.items()}
    here = {key.symbol: reason for key, reason in why.items() if key.venue == INJECTIVE}
    return {key: reason for key in keys if (reason := here.get(key.symbol) or why.get(key)) is not None}


def _believed(
    now_ms: int, seen: Seen, bar: int, quarantined: Mapping[SeriesKey, Quarantine]
) -> BelievedMarks:
    doubts = {key: one.text for key, one in quarantined.items() if one.fault.doubts_price}
    marks = zip(seen.keys, seen.mark[:, bar].tolist(), seen.mark_ms[:, bar].tolist(), strict=True)
    priced = [(key, mark, known_ms) for key, mark, known_ms in marks if mark > 0 and key not in doubts]
    return BelievedMarks(
        now_ms, {key: mark for key, mark, _ in priced}, {key: known_ms for key, _, known_ms in priced}, doubts
    )


def _poller(seen: Seen, bar: int) -> Poller:
    """Return what the gate's facts ask of a poller: the last settlements, and when the next are due."""
    now_ms, latest = int(seen.times_ms[bar]), {}
    for row, key in enumerate(seen.keys):
        values = np.full(N_FIELDS, np.nan)
        if seen.settled_ms[row, bar]:
            values[Field.FUNDING_SETTLED], values[Field.SETTLED_INTERVAL_H] = (
                seen.rate[row, bar],
                seen.hours[row, bar],
            )
            values[Field.SETTLED_AGO_S] = (now_ms - seen.settled_ms[row, bar]) / SECOND_MS
        if seen.settles_ms[row, bar] >= 0:
            values[Field.SETTLES_IN_S] = (seen.settles_ms[row, bar] - now_ms) / SECOND_MS
        latest[key] = Observation(key, now_ms, values, NOTHING_KNOWN)
    return cast(Poller, SimpleNamespace(lost=frozenset(), latest=latest))
