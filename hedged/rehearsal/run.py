"""`hedged model rehearse`: three lives over the same history, one page.

`living`: the daemon with everything on. `never`: the same with its first model for ever. `ewma`: no model at all.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hedged import __version__
from hedged.backtest.recorded import BacktestOptions, load_world
from hedged.backtest.runner import Window
from hedged.backtest.walk_forward import files_hash
from hedged.config import Config
from hedged.directories import make_directory
from hedged.domain.errors import ConfigError
from hedged.forecast.models.durable import write_whole
from hedged.rehearsal.life import OnProgress, Stage, lived
from hedged.rehearsal.page import write_page
from hedged.rehearsal.reckoning import reckoned

HOUR_S = 3_600
SUMMARY = "summary.json"
OFF = {"retrain": False, "promote": False, "demote": False, "challengers": 0}


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What is rehearsed. `parts`: stretches [from, to) ms whose losses are told apart; `planted`: what was done to the
    history on purpose, by instant (ms).
    """

    data: Path
    window: Window
    out: Path
    trained: Path
    parts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    planted: Mapping[int, str] = field(default_factory=dict)


def rehearse(
    config: Config, plan: Rehearsal, on_progress: OnProgress = lambda _stage, _share: None
) -> tuple[dict[str, Any], Path]:
    """Live all lives that are not over yet, write the page; return the summary and the page's path.

    Raises ConfigError and DataError.
    """
    if config.hedge.forecaster != "ensemble" or config.hedge.model is not None:
        raise ConfigError(
            "the life of the registry's models is rehearsed: leave out hedge.forecaster, hedge.model"
        )
    config = prepared(config, plan)
    options = BacktestOptions(plan.data, sorted(config.book.positions), plan.window, plan.out, None)
    config, world = load_world(config, options)
    make_directory(plan.out)
    data_hash = files_hash(plan.data)
    settings = config.model_dump_json(exclude={"state_dir"})
    text = json.dumps([__version__, settings, data_hash, plan.window.from_ms, plan.window.to_ms])
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    stage = Stage(world, plan.window, plan.out, plan.trained, data_hash, key, on_progress)
    lives = {name: lived(stage, name, one) for name, one in lives_of(config).items()}
    summary = reckoned(lives, plan.parts, plan.window.from_ms, plan.window.to_ms) | {
        "data_hash": data_hash, "recipe": config.models.recipe, "learn_days": config.models.learn_days,
        "planted": [{"ms": ms, "what": what} for ms, what in sorted(plan.planted.items())],
        "symbols": sorted(config.book.positions), "venues": ["injective", *config.hedge.venues],
    }  # fmt: skip
    write_whole(plan.out / SUMMARY, json.dumps(summary, indent=1, allow_nan=False).encode() + b"\n")
    return summary, write_page(summary, plan.out)


def prepared(config: Config, plan: Rehearsal) -> Config:
    """Fit a configuration to a rehearsal: a decision an hour, trainings on the data that are lived through."""
    cycle = config.cycle.model_copy(update={"interval_s": HOUR_S, "bar_s": HOUR_S})
    models = config.models.model_copy(update={"data": plan.data.resolve()})
    telemetry = config.telemetry.model_copy(update={"port": 0, "log_level": "critical"})
    return config.model_copy(update={"cycle": cycle, "models": models, "telemetry": telemetry})


def lives_of(config: Config) -> dict[str, Config]:
    """Return the configuration of each life."""
    never = config.models.model_copy(update=OFF)
    ewma = config.hedge.model_copy(update={"forecaster": "ewma"})
    return {
        "living": config,
        "never": config.model_copy(update={"models": never}),
        "ewma": config.model_copy(update={"models": never, "hedge": ewma}),
    }
