"""What must hold of a model's life whenever the daemon was killed, and once it has come to itself."""

import asyncio
import json
import re
import signal
import time
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np
from model_crash import ModelStage, Place, live_and_die, prepare
from model_deaths import Plan

from hedged.domain.forecast import STAND_IN
from hedged.execution.journal.score_table import Row
from hedged.forecast.artefact import SHIPPED as SHIPPED_PATH
from hedged.forecast.artefact import load
from hedged.forecast.ewma import EwmaForecaster
from hedged.forecast.models.history import SHIPPED, Act, History
from hedged.forecast.record.stored import StoredSheet, restored
from hedged.wiring.models.drift import STATE, _read

WITHIN_S = 90.0
UNTOLD = ("Traceback", "model_refused", "model_not_told", "no_training", "training_broke_off", "unreadable")
"""Nothing of that may be said: no model is damaged here, and nothing fails but by a kill."""
TRAINED = "good enough for a test"


def check(stage: ModelStage, plan: Plan) -> None:
    """What holds whenever the daemon dies. Raises AssertionError, or ConfigError for a registry that is damaged."""
    for word in UNTOLD:
        assert word not in stage.said(), f"{word}: {stage.said()[-3_000:]}"
    _nobody_trains(stage)
    history = stage.registry.read()
    assert history.events[: len(stage.before.events)] == stage.before.events, "the registry forgot something"
    for model in {history.champion, history.before, *history.challengers, *history.kept} - {None}:
        assert model is not None
        stage.registry.open(model)  # by its hash, every file of it
    crowned = [one.model for one in history.events if one.act in (Act.PROMOTED, Act.ROLLED_BACK)]
    assert history.champion == (crowned or [SHIPPED])[-1]
    _check_orders(stage, history)
    if stage.rows("SELECT 1"):
        assert stage.rows("PRAGMA integrity_check") == [("ok",)]
        _check_decisions(stage, history, plan)
        _check_scores(stage)


def _nobody_trains(stage: ModelStage) -> None:
    """The process that trains dies with the daemon, be it just being born."""
    order, until_s = str(stage.trainings.order_path).encode(), time.monotonic() + 30
    while left := [one for one in Path("/proc").glob("[0-9]*/cmdline") if order in _read_bytes(one)]:
        assert time.monotonic() < until_s, f"it outlives the daemon: {left}"
        time.sleep(0.05)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _check_orders(stage: ModelStage, history: History) -> None:
    """No order vanishes, none is carried out twice, no wish is lost."""
    trainings = stage.trainings
    at_hand, ended, wish = trainings.order(), trainings.ended(), trainings.asked()
    times = Counter(one.ordered_ms for one in ended)
    assert max(times.values(), default=1) == 1, f"closed twice: {times}"
    found = set(times) | ({at_hand.ordered_ms} if at_hand else set())
    assert stage.orders <= found, f"orders that vanished: {stage.orders - found}"
    stage.orders |= found
    if stage.wish_ms is not None and wish is None:
        newest_ms = max([one.ended_ms for one in ended], default=0)
        assert at_hand or newest_ms >= stage.wish_ms, "a wish was lost"
    trained = Counter(one.model for one in history.events if one.act is Act.ADDED and TRAINED in one.why)
    assert max(trained.values(), default=1) == 1, f"taken in twice: {trained}"
    told = {one.model for one in ended if one.outcome == "added"}
    result = trainings.result(at_hand) if at_hand else None
    assert told <= set(trained), "a model that was made is not in the registry"
    assert set(trained) <= told | ({result.model} if result else set()), "whose order is this?"
    made = trainings.directory / "made.log"
    lines = made.read_text().splitlines() if made.exists() else []
    assert len(lines) == len(set(lines)), "what was finished was made again"


def _check_decisions(stage: ModelStage, history: History, plan: Plan) -> None:
    """Every decision of this life names a model that was to serve in it, and its other hashes."""
    hashes, reigns = {SHIPPED: load(SHIPPED_PATH).hash}, stage.before
    serve = {STAND_IN if reigns.demoted else reigns.champion}
    for event in history.events[len(reigns.events) :]:
        reigns = reigns.after(event)
        serve.add(STAND_IN if reigns.demoted else reigns.champion)
    # exchanged before it is written down: a kill between the two repeats it in the next life
    serve |= {"demote": {STAND_IN}, "restore": {reigns.champion}}.get(plan.wants, set())
    may = {EwmaForecaster().model_hash if one == STAND_IN else hashes.get(one, one) for one in serve}
    rows = stage.rows(f"SELECT ts_ms, body FROM decisions WHERE ts_ms > {stage.decided_ms} ORDER BY ts_ms")
    for ts_ms, body in rows:
        told, stage.decided_ms = json.loads(body), ts_ms
        assert told["feature_hash"]
        assert told["config_hash"]
        model = told["model_hash"].split("+")[0]
        assert model in may, f"decided by {model}, not by any of {serve}"
    stage.decisions += len(rows)


def _check_scores(stage: ModelStage) -> None:
    """Every sheet that was kept is there, with what everybody said; what was judged is judged alike."""
    if not stage.rows("SELECT 1 FROM sqlite_master WHERE name = 'forecast_sheets'"):
        return
    rows: list[Row] = stage.rows("SELECT * FROM forecast_sheets")
    found = {row[0]: restored(StoredSheet(*row)) for row in rows}
    for origin_ms, before in stage.sheets.items():
        assert origin_ms in found, "a sheet of scores is gone"
        after = found[origin_ms]
        assert list(after.laws) == list(before.laws)
        for name, law in before.laws.items():
            assert np.array_equal(after.laws[name].quantiles, law.quantiles, equal_nan=True)
        known = np.isfinite(before.outcome)
        assert np.array_equal(after.outcome[known], before.outcome[known])
    stage.sheets = found
    for (body,) in stage.rows(f"SELECT body FROM states WHERE name = '{STATE}'"):
        _read(json.loads(body))


async def calm_life(stage: ModelStage) -> None:
    """Let it come to itself: a training ends in a model, the champion serves, and nothing else is left on the disk."""
    stage.number += 1
    prepare(stage, Place.ANYTIME)
    stage.before, plan = stage.registry.read(), Plan(stage.shift_ms)
    before, life = len(stage.trainings.ended()), await stage.bear(plan)
    async with asyncio.timeout(WITHIN_S):
        while len(stage.trainings.ended()) == before or stage.trainings.order() or not _serves(stage):
            assert life.returncode is None, stage.said()[-2_000:]
            await asyncio.sleep(0.1)
    running = stage.registry.running()
    assert running is not None
    url = re.search(r'"url": "(http[^"]+)"', stage.said())
    assert url is not None
    page = await asyncio.to_thread(_page, f"{url[1]}metrics")
    named = re.search(r'hedged_info\{[^}]*model="([^"]+)"', page)
    assert named is not None
    assert named[1] == running.hash, "it says to serve another one than it does"
    life.send(signal.SIGTERM)
    assert await life.ended() == 0, stage.said()[-2_000:]
    check(stage, plan)
    assert stage.trainings.ended()[-1].outcome == "added"
    there = {one.name for one in (stage.registry.directory / "artefacts").iterdir()}
    assert there == set(stage.registry.read().kept)
    stage.calm += 1


def _page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as page:
        return str(page.read().decode())


def _serves(stage: ModelStage) -> bool:
    """Tell whether the daemon of this life serves whom the registry names, and has decided."""
    running, history = stage.registry.running(), stage.registry.read()
    model = STAND_IN if history.demoted else history.champion
    decided = stage.rows(f"SELECT 1 FROM decisions WHERE ts_ms > {stage.decided_ms} LIMIT 1")
    return (
        bool(decided)
        and running is not None
        and (running.model, running.champion) == (model, history.champion)
    )


async def crash(
    stage: ModelStage,
    places: list[Place],
    rounds: int,
    seed: int,
    patience_s: float = 40,
    calm_every: int = 20,
) -> None:
    """Kill it so many times; each place comes in turn, in an order by chance. Check after each, wholly at the end."""
    rng = np.random.default_rng(seed)
    for n in range(rounds):
        if n % len(places) == 0:
            order = rng.permutation(len(places))
        place = places[order[n % len(places)]]
        champion = stage.registry.read().champion
        if place is Place.DRIFTED and not any(
            one.closed and champion in one.laws for one in stage.sheets.values()
        ):
            place = Place.SCORED  # drift is judged by outcomes of who serves, which take a day
        death = await live_and_die(stage, place, rng, patience_s)
        check(stage, death.plan)
        if n % calm_every == calm_every - 1:
            await calm_life(stage)
    await calm_life(stage)


def report(stage: ModelStage) -> list[str]:
    """Say how the lives ended, and what became of the orders."""
    lines = [f"{'killed in':<12} lives  as meant  seconds"]
    for place in Place:
        mine = [one for one in stage.deaths if one.place is place]
        if mine:
            seconds = sum(one.lived_s for one in mine) / len(mine)
            lines.append(
                f"{place.name.lower():<12} {len(mine):5} {sum(one.came for one in mine):9} {seconds:8.1f}"
            )
    ended, history = stage.trainings.ended(), stage.registry.read()
    outcomes = dict(Counter(one.outcome for one in ended))
    acts = dict(Counter(str(one.act) for one in history.events))
    return [
        *lines,
        f"orders: {len(ended)} in {sum(one.attempts for one in ended)} attempts: {outcomes}; events: {acts}",
        f"decisions: {stage.decisions}; sheets of scores: {len(stage.sheets)}; calm lives between: {stage.calm}",
    ]
