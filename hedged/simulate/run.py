"""Running seeds: one life of the daemon after another until the time is over, then every checker over the history."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hedged.app import App, Parts
from hedged.cycle import CycleReport
from hedged.daemon import _serve
from hedged.domain.clock import SECOND_MS
from hedged.process import Process
from hedged.simulate.disk import SimJournal
from hedged.simulate.forecaster import SimForecaster
from hedged.simulate.history import History
from hedged.simulate.venue import SimVenue
from hedged.simulate.world import Life, Mode, World
from hedged.telemetry.metrics import Metrics

MOST_LIVES = 60


class WatchedApp(App):
    """The daemon, with the beginning and the end of every cycle noted."""

    life: Life

    async def step(self, now_ms: int) -> CycleReport:
        """Run one cycle."""
        clock_ms = self.parts.clock.now_ms()
        self.life.note("cycle", due_ms=now_ms, clock_ms=clock_ms)
        report = await super().step(now_ms)
        desk = self.cycle.desk
        self.life.note(
            "cycled",
            due_ms=now_ms,
            own=dict(report.account.own),
            attributed={k: q for k, q in report.account.attributed.items() if q},
            unknown=dict(report.account.unknown),
            approved=len(report.review.approved),
            refused=sorted({str(r.reason) for r in report.review.refused}),
            unresolved=len(desk.executor.unresolved),
            decisions=report.decisions,
            not_ready=self.not_ready(),
            kept=len(desk.executor._recent) + len(desk.accounts._counted) + len(desk.accounts._booked),
        )
        return report


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
    venues: dict[str, Any] = {venue: SimVenue(exchange, life) for venue, exchange in world.exchanges.items()}
    config = world.config
    symbols = tuple(sorted({*config.book.positions, *config.strategies.beside_the_book}))
    parts = Parts(
        config, world.clock, venues, venues, SimJournal(life), SimForecaster(world), symbols,
        config.book.equity_usd or 1,  # type: ignore[arg-type]
    )  # fmt: skip
    app = WatchedApp(parts, metrics)
    app.life = life
    process.app = app
    await _serve(process, app, None, ())


def play(seed: int, mode: Mode, hours: float) -> Outcome:
    """Play a seed to its end."""
    world = World(seed, mode, hours)
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
            world.pass_time(world.now_ms() + int(world.dice.between(1, 60) * SECOND_MS))
        for fault, n in world.faults.counts.items():
            outcome.counts[f"fault: {fault}"] += n
    finally:
        world.disk.close()
    return outcome
