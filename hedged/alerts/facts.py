"""What alerts are judged by: plain values, taken from the app at one instant. Nothing here asks anybody or waits."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from hedged.config import Config
from hedged.cycle import Cycle, CycleReport
from hedged.domain.clock import SECOND_MS
from hedged.domain.market import SeriesKey
from hedged.execution.journal.latch import Latch
from hedged.execution.reconcile.state import AccountState
from hedged.guard import Guard
from hedged.risk.forecast_record import Misses
from hedged.risk.margin import liquidation_distances
from hedged.risk.stop import Episode
from hedged.telemetry.deviations import Deviation


class Stale(NamedTuple):
    """Of a venue: how many of its series are too old, of how many, and the age of the oldest that was ever seen."""

    old: int
    of: int
    oldest_s: float | None


@dataclass(frozen=True, slots=True)
class Margin:
    """A position near its liquidation: the adverse move that it stands, its sign, and the venue's collateral."""

    distance: float
    quantity: Decimal
    equity_usd: Decimal | None
    free_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What others than cycle and guard know. `left`: what a kill has not done yet; `price_ages_s`: by venue, of the
    oldest price that streams or polls confirmed; `compared`: the latest settlement of a series beside its
    forecast; `gas_inj`: None where there is no key; `model_refused`: which model does not serve though it should, and
    why; `model_demoted`: in whose place the EWMA forecasts, why, and how it comes back; `model_better`: which is better
    and may not take over by itself; `model_damaged`: what is wrong on disk with the one that serves; `model_drifts`: by
    what the model is proven to have drifted; `inputs_silent`: which of its inputs are unknown of late;
    `training_failing`: how often in a row trainings do, and why.
    """

    latch: Latch = field(default_factory=Latch)
    left: Sequence[str] = ()
    prepared_ms: int = 0
    compared: Mapping[SeriesKey, Deviation] = field(default_factory=dict)
    price_ages_s: Mapping[str, float] = field(default_factory=dict)
    gas_inj: float | None = None
    grants_end_ms: int | None = None
    model_refused: str = ""
    model_demoted: str = ""
    model_better: str = ""
    model_damaged: str = ""
    model_drifts: str = ""
    inputs_silent: str = ""
    training_failing: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """`judged`: whether a cycle has completed, so that what markets and account are like is known; `overdue_ms`: since
    the last cycle; `seen`: what others know; `missing`: markets whose forecasts miss too often; `unknown`: venues that
    do not tell the account, and why; `holding`: venues at which the daemon holds something, `held`: symbols it hedges;
    `alone`: by symbol coins of a leg that stands alone, and for how long, s; `unresolved`: orders of unknown outcome;
    `blind`: by symbol for how long, s, and why a hedge could not be valued.
    """

    now_ms: int
    config: Config
    seen: Seen = field(default_factory=Seen)
    judged: bool = False
    journal: str = ""
    overdue_ms: int = 0
    loss_limit: str = ""
    model_failed: str = ""
    missing: Mapping[SeriesKey, Misses] = field(default_factory=dict)
    stale: Mapping[str, Stale] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    holding: frozenset[str] = frozenset()
    frozen: Mapping[SeriesKey, str] = field(default_factory=dict)
    orphans: Mapping[SeriesKey, str] = field(default_factory=dict)
    alone: Mapping[str, tuple[Decimal, float]] = field(default_factory=dict)
    unresolved: Mapping[SeriesKey, int] = field(default_factory=dict)
    margins: Mapping[SeriesKey, Margin] = field(default_factory=dict)
    episodes: Mapping[str, Episode] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    blind: Mapping[str, tuple[float, str]] = field(default_factory=dict)


def gather(
    now_ms: int, config: Config, seen: Seen, journal: str, cycle: Cycle | None, guard: Guard | None,
    report: CycleReport | None,
) -> Facts:  # fmt: skip
    """Take what is so now. `journal`: why it cannot be written, empty where it can; `seen`: what is told besides."""
    if cycle is None or guard is None:
        return Facts(now_ms, config, seen, journal=journal)
    overdue_ms = now_ms - max(seen.prepared_ms, report.now_ms if report else 0)
    if report is None:
        return Facts(now_ms, config, seen, journal=journal, overdue_ms=overdue_ms)
    desk, account = cycle.desk, cycle.desk.accounts.latest
    misses = desk.gate_facts.record.misses(now_ms) if desk.gate_facts.missing else {}
    held = desk.stops.part(desk.accounts)
    return Facts(
        now_ms,
        config,
        seen,
        judged=True,
        journal=journal,
        overdue_ms=overdue_ms,
        loss_limit=desk.gate_facts.loss_limit,
        model_failed=cycle.model_failed,
        missing={key: misses.get(key, Misses(0, 0)) for key in desk.gate_facts.missing},
        stale=_stale(cycle, now_ms),
        unknown=account.unknown,
        holding=frozenset(key.venue for key, q in desk.accounts.attributed.items() if q),
        frozen=account.frozen,
        orphans={o.key: o.client_id for o in desk.accounts.checks.orphans.open.values()},
        alone=_alone(cycle),
        unresolved=Counter(desk.executor.unresolved.values()),
        margins=_margins(guard, account, report),
        episodes=desk.stops.episodes,
        held=frozenset(key.symbol for key in held),
        blind={
            symbol: (guard.blind_s(symbol, now_ms), found.why) for symbol, found in guard.unvalued.items()
        },
    )


def _stale(cycle: Cycle, now_ms: int) -> dict[str, Stale]:
    """Say by venue which data are older than a decision may rest on; see `App.not_ready`."""
    limit_s = cycle.config.cycle.stale_after_s + cycle.config.cycle.interval_s
    ages, found = cycle.poller.ages_s(now_ms), {}
    for venue in {key.venue for key in cycle.buffer.keys}:
        keys = [key for key in cycle.buffer.keys if key.venue == venue]
        old = [key for key in keys if ages.get(key, limit_s + 1) > limit_s]
        if old:
            found[venue] = Stale(len(old), len(keys), max((ages[k] for k in old if k in ages), default=None))
    return found


def _alone(cycle: Cycle) -> dict[str, tuple[Decimal, float]]:
    executor = cycle.desk.executor
    seconds = executor.naked_s()
    return {pair.symbol: (abs(pair.imbalance), seconds) for pair in executor.alone()} if seconds else {}


def _margins(guard: Guard, account: AccountState, report: CycleReport) -> dict[SeriesKey, Margin]:
    """Take the guard's distances; without a hedge it measures none, then those of the last cycle count."""
    distances = guard.distances
    if not distances:
        marks = {key: float(mark) for key, mark in report.marks.items()}
        distances = liquidation_distances(account, account.collateral_usd, marks, guard.desk.markets)
    return {
        key: Margin(
            distance,
            account.positions[key].quantity if key in account.positions else account.attributed.get(key, Decimal(0)),
            account.collateral_usd.get(key.venue),
            account.free_usd.get(key.venue),
        )
        for key, distance in distances.items()
    }  # fmt: skip


def late_after_ms(config: Config) -> int:
    """Return how long after a cycle the next one is overdue: one may be late, two may not."""
    return 2 * config.cycle.interval_s * SECOND_MS + 300 * SECOND_MS
