"""A daemon that lives for some cycles on a state directory with models."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from worlds import START_MS, config, tables, world_of

from hedged.app import App
from hedged.backtest.virtual_time import run_virtually
from hedged.cycle import CycleReport
from hedged.daemon import run_daemon
from hedged.domain.clock import MINUTE_MS, LoopClock
from hedged.forecast.artefact import SHIPPED, load
from hedged.forecast.models.registry import Author

ME = Author(START_MS, "a test", "to see")
CYCLES = 14
SHIPPED_HASH = load(SHIPPED).hash


def lived(
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
    acts: Mapping[int, Callable[[], object]],
    cycles: int = CYCLES,
) -> tuple[App, list[CycleReport]]:
    """Run the daemon for some cycles; after the so manieth something is done to the registry."""
    reports, apps, step = list[CycleReport](), set[App](), App.step

    async def watched(self: App, now_ms: int) -> CycleReport:
        reports.append(await step(self, now_ms))
        apps.add(self)
        acts.get(len(reports), lambda: None)()
        return reports[-1]

    monkeypatch.setattr(App, "step", watched)
    settings = config(
        state_dir=str(state), telemetry={"port": 0, "log_level": "error"}, hedge={"forecaster": "ensemble"}
    )
    sources = world_of(tables(1)).venues(["injective", "binance", "bybit"])
    until_ms = START_MS + cycles * 15 * MINUTE_MS
    run_virtually(lambda: run_daemon(settings, LoopClock(START_MS), sources, until_ms))
    return apps.pop(), reports


def spoke(report: CycleReport) -> str:
    """The artefact by whose hash all of a cycle's decisions were made."""
    hashes = {body["model_hash"] for body in report.decisions.values()} | {report.forecasts.model_hash}
    assert len(hashes) == 1
    return hashes.pop().split("+")[0]


def swaps(app: App, outcome: str) -> float | None:
    return app.metrics.registry.get_sample_value("hedged_model_swaps_total", {"outcome": outcome})
