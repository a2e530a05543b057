"""The whole daemon over simulated days, with venues that announce something and signals that come in."""

from collections.abc import Callable

import pytest
from worlds import START_MS, config, run, tables, world_of

from hedged.app import App
from hedged.backtest.runner import RunResult
from hedged.backtest.world import World
from hedged.cycle import CycleReport
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Purpose
from hedged.domain.signals import ALL, Action, Signal
from hedged.domain.venue_events import EventKind, VenueEvent, VenueEvents
from hedged.risk.exposure import gross

DAYS = 3
END_MS = START_MS + DAYS * DAY_MS
OPENING = {Purpose.OWN_CUT, Purpose.HEDGE_OPEN}


@pytest.fixture(scope="module")
def world() -> World:
    return world_of(tables(DAYS))


@pytest.fixture(scope="module")
def plain(world: World) -> RunResult:
    return run(world, config(), DAYS)


def wire(events: VenueEvents, signals: tuple[Signal, ...]) -> Callable[[App], None]:
    def on_prepare(app: App) -> None:
        app.parts.venue_events = lambda _: events
        app.parts.signals = lambda: signals

    return on_prepare


def size(action: Action) -> Signal:
    return Signal("s", action, ALL, 1.0, START_MS, END_MS)


def test_nothing_is_opened_in_a_maintenance_and_what_is_held_may_go(world: World, plain: RunResult) -> None:
    """If this fails, the daemon opens a leg at a venue that is going down, or cannot leave it."""
    venues = {fill.key.venue for fill in plain.fills if fill.purpose in OPENING} - {INJECTIVE}
    first_ms = {v: min(f.execution.ts_ms for f in plain.fills if f.key.venue == v) for v in venues}
    assert first_ms, "a world in which no leg is opened elsewhere shows nothing"
    venue = min(first_ms, key=lambda name: first_ms[name])
    event = VenueEvent(EventKind.MAINTENANCE, venue, None, first_ms[venue], END_MS)
    grew: list[SeriesKey] = []
    reports: list[CycleReport] = []
    told = run(world, config(), DAYS, on_prepare=wire(VenueEvents((event,)), ()), on_cycle=reports.append)
    lead_ms = config().outside.status.maintenance_lead_s * 1_000
    for report in reports:
        if report.now_ms >= first_ms[venue] - lead_ms:
            assert set(report.closed) == {key for key in report.marks if key.venue == venue}
            grew += [
                a.intent.key for a in report.review.approved
                if a.intent.key.venue == venue and not a.intent.reduce_only
            ]  # fmt: skip
            assert all(f"held back: {event.text}" in str(d["reason"]) for d in report.decisions.values())
    assert not grew
    assert told.decisions != plain.decisions


def test_a_pause_holds_back_everything_and_ends(world: World, plain: RunResult) -> None:
    """If this fails, a pause that a signal asks for lets an opening through, or lasts for ever."""
    opened_ms = min(f.execution.ts_ms for f in plain.fills if f.purpose in OPENING)
    until_ms = opened_ms + 6 * HOUR_MS
    pause = Signal("p", Action.PAUSE_OPENINGS, ALL, 1.0, START_MS, until_ms)
    told = run(world, config(), DAYS, on_prepare=wire(VenueEvents(), (pause,)))
    assert told.fills, "it opens when the pause is over"
    assert min(f.execution.ts_ms for f in told.fills) >= until_ms
    held_back = [d for d in told.decisions if "held back: a signal asks" in str(d["reason"])]
    assert {int(str(d["ts_ms"])) < until_ms for d in held_back} == {True}


def test_size_signals_move_sizes_alone_and_unknown_status_nothing(world: World, plain: RunResult) -> None:
    """If this fails, a signal trades by itself, or a venue that does not tell its status changes decisions."""

    def largest(told: RunResult) -> float:
        held: dict[SeriesKey, object] = {}
        most = 0.0
        for fill in told.fills:
            held[fill.key] = held.get(fill.key, 0) + fill.signed_quantity  # type: ignore[operator]
            most = max(most, float(gross(fill.key.symbol, held)))  # type: ignore[arg-type]
        return most

    silent = run(world, config(), DAYS, on_prepare=wire(VenueEvents((), {"binance": "no answer"}), ()))
    assert silent.decisions == plain.decisions
    assert silent.fills == plain.fills
    less = run(world, config(), DAYS, on_prepare=wire(VenueEvents(), (size(Action.HEDGE_LESS),)))
    alert = run(world, config(), DAYS, on_prepare=wire(VenueEvents(), (size(Action.ALERT),)))
    assert alert.decisions == plain.decisions
    assert largest(less) < largest(plain)
