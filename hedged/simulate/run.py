"""Running seeds: one life of the daemon after another until the time is over, then every checker over the history."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

from hedged.app import App, Parts
from hedged.cycle import CycleReport
from hedged.domain.clock import SECOND_MS, elapsing_ms
from hedged.domain.orders import Hashes, OrderStatus
from hedged.execution.desk import Desk
from hedged.features.resample import FEATURE_HASH
from hedged.forecast.fallback import StandIn
from hedged.forecast.port import Forecaster
from hedged.process import Process
from hedged.serve import serve
from hedged.simulate.disk import SimJournal
from hedged.simulate.forecaster import SimForecaster
from hedged.simulate.history import History
from hedged.simulate.invariants.all import CHECKERS
from hedged.simulate.invariants.rules import Rules, is_hedge
from hedged.simulate.lasting import Failing, Restarts, WatchedSwitch
from hedged.simulate.life import Life
from hedged.simulate.models import SimModels
from hedged.simulate.venue import SimVenue
from hedged.simulate.world import Mode, World
from hedged.telemetry.metrics import Metrics

MOST_LIVES = 60
STAND_IN_HASH = StandIn().model_hash
TOLD = ("action", "reason", "model_hash", "feature_hash", "config_hash")
"""What of a decision is part of the history."""
SWITCH_S = 30.0
"""So often the switch is looked at, and within a second of being turned: looks that find nothing are left out."""
DOWN_S = (1, 180)
"""For so long nothing runs between two lives."""


class WatchedApp(App):
    """The daemon, with the beginning and the end of every cycle noted."""

    life: Life

    async def exchange(self, forecaster: Forecaster) -> None:
        """Forecast by another model; from here on it is the one that is loaded."""
        await super().exchange(forecaster)
        self.life.note("model", hash=forecaster.model_hash)

    async def step(self, now_ms: int) -> CycleReport:
        """Run one cycle."""
        began_ms = self.life.now_ms()
        self.life.note("cycle", due_ms=now_ms, clock_ms=self.parts.clock.now_ms())
        try:
            report = await super().step(now_ms)
        except BaseException:
            self.life.note("broke_off")
            raise
        desk, approved = self.cycle.desk, report.review.approved
        self.life.note(
            "cycled",
            due_ms=now_ms,
            own=dict(report.account.own),
            attributed={k: q for k, q in report.account.attributed.items() if q},
            unknown=dict(report.account.unknown),
            told_by=report.forecasts.model_hash,
            decided_by=sorted({a.intent.hashes.model for a in approved if a.intent.cycle_ts_ms == now_ms}),
            approved=sum(is_hedge(a.intent.purpose) for a in approved),
            refused=sorted({str(r.reason) for r in report.review.refused}),
            unresolved=len(desk.executor.unresolved),
            decisions={s: {name: row.get(name) for name in TOLD} for s, row in report.decisions.items()},
            not_ready=self.not_ready(),
            tasks=len(asyncio.all_tasks()),
            began_ms=began_ms,
            kept=_kept(desk),
            kill=desk.kill,
            doubted=sorted(desk.accounts.agreement.evidence.doubts),
            alone_s=_alone_s(desk),
        )
        return report


def _alone_s(desk: Desk) -> float:
    """Return for how long a leg has stood alone, of those pairs that must not: no stop, no cut to be given back."""
    watched = [p for p in desk.executor.pairs if not (p.stops or p.gives_back or p.given_up)]
    since = [pair.since_ms for pair in watched if pair.since_ms is not None]
    return (elapsing_ms() - min(since)) / SECOND_MS if since else 0.0


def _kept(desk: Desk) -> int:
    """Count what a desk remembers, of all that could grow with uptime."""
    accounts, executor = desk.accounts, desk.executor
    rows = sum(len(market.rows) for market in accounts._intake.attribution._markets.values())
    return rows + len(accounts._booked) + len(accounts._awaited) + len(executor._rates._recent)


@dataclass(slots=True)
class Outcome:
    """What came of a seed. `broken`: name of the checker and what it says; `counts`: what was exercised."""

    seed: int
    mode: Mode
    history: History
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[str, str]] = field(default_factory=list)


async def live(life: Life) -> None:
    """Be the daemon."""
    world = life.world
    metrics = Metrics()
    process = Process(world.config, metrics.registry)
    life.stop = process.stop
    journal = SimJournal(life)
    switch = WatchedSwitch(world.config, journal, world.clock, metrics, SWITCH_S)
    await switch.begin()
    process.switched(switch)
    life.switch = switch
    venues: dict[str, Any] = {venue: SimVenue(exchange, life) for venue, exchange in world.exchanges.items()}
    config = world.config
    symbols = tuple(sorted({*config.book.positions, *config.strategies.beside_the_book}))
    parts = Parts(
        config, world.clock, venues, venues, journal, SimForecaster(world, world.model), symbols,
        config.book.equity_usd or Decimal(1), held=world.held,
    )  # fmt: skip
    app = WatchedApp(parts, metrics)
    app.life = life
    metrics.task_restarts = cast(Any, Restarts(life))
    life.note("model", hash=parts.forecaster.model_hash)
    process.runs(app)
    await serve(process, app, switch, None, [Failing(life), SimModels(world, app)], None, world.dice.numpy)


def play(seed: int, mode: Mode, hours: float, *, every_fault: bool = False) -> Outcome:
    """Play a seed to its end, and check it."""
    world = World(seed, mode, hours, every_fault=every_fault)
    outcome = Outcome(seed, mode, world.history)
    try:
        number = 0
        while world.now_ms() < world.to_ms and number < MOST_LIVES:
            number += 1
            world.disk.reopen()
            how = Life(world, number).run(live)
            outcome.counts[f"end: {how.split(':')[0]}"] += 1
            if how == "stopped" and world.now_ms() >= world.to_ms:
                break
            world.pass_time(world.now_ms() + int(world.dice.between(*DOWN_S) * SECOND_MS))
    finally:
        world.disk.close()
    _count(world, outcome)
    rules = world_rules(world)
    for name, check in CHECKERS.items():
        if wrong := check(outcome.history.events, rules):
            outcome.broken.append((name, wrong))
    return outcome


def world_rules(world: World) -> Rules:
    """Return what the checkers know of a world beside its history."""
    return Rules(
        config=world.config,
        market=world.market,
        hashes=Hashes("", FEATURE_HASH, world.config.hash),
        own=world.own,
        quiet_ms=world.faults.until_ms,
        to_ms=world.to_ms,
        lively=world.lively,
    )


def _count(world: World, outcome: Outcome) -> None:
    """Count what a seed exercised."""
    counts = outcome.counts
    for fault, n in world.faults.counts.items():
        counts[f"fault: {fault}"] += n
    for event in outcome.history.events:
        if event.kind == "send":
            counts[f"order: {event.what['intent'].purpose}"] += 1
            counts["rested"] += event.what["rests"]
        elif event.kind == "lookup" and event.what["found"] is OrderStatus.OPEN and event.what["filled"]:
            counts["looks at a resting order that is filled in part"] += 1
        elif event.kind == "journal_mended":
            counts["journal outages"] += 1
        elif event.kind == "task_failed":
            counts["tasks started again"] += 1
        elif event.kind == "fill":
            counts["fills"] += 1
        elif event.kind == "cycled":
            counts["cycles"] += 1
        elif event.kind == "model" and event.what["hash"] == STAND_IN_HASH:
            counts["models that gave way"] += 1
        elif event.kind == "set_kill":
            counts["halts by the daemon"] += 1
