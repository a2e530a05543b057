"""Sweeps whose runs cost nothing: rows made up from what a task asks for."""

import os
import time
from pathlib import Path

import numpy as np

from hedged.sweep.file import parse_sweep
from hedged.sweep.plan import Plan, make_plan

DAYS = 20


def plan(directory: Path, **changes: object) -> Plan:
    """Three folds of 20 days, two books, eight configurations."""
    (directory / "data").mkdir(exist_ok=True)
    raw = {
        "data": str(directory / "data"), "from": "2026-01-01", "to": "2026-03-02",
        "positions": {"BTC": 100_000, "INJ": -50_000}, "models": ["ewma"],
        "parameters": {"hedge.cap": [0.1, 0.2, 0.3, 0.4], "hedge.tail_h": [0, 168]},
    }  # fmt: skip
    raw.update(changes)
    return make_plan(parse_sweep(raw, "test"))


def row(task, gain: float = 0.0):
    """A run that saved noise of 5 bp a day, and `gain` more per unit of the cap; the same whenever it is run."""
    (position,) = task.config["book"]["positions"].values()
    notional = abs(float(position["usd"]))
    cap = float(task.config["hedge"]["cap"])
    rng = np.random.default_rng([task.window.from_ms // 86_400_000, int(notional), round(1_000 * cap)])
    daily = (rng.normal(0, 5, DAYS) + gain * cap) * notional / 10_000
    return {
        "key": task.key,
        "status": "ok",
        "seconds": 0.1,
        "stand_in": "injective=hyperliquid, rule chain",
        "knows_days": 0,
        "gaps": [f"funding of injective:X from {task.window.from_ms}"],
        "notional_usd": notional,
        "daily": daily.tolist(),
        "metrics": {"net_saving_usd": float(daily.sum()), "turnover_usd": notional * cap},
    }


class Played:
    """Workers that make rows up, and count what they were asked for."""

    def __init__(self, gain: float = 0.0, fails=lambda _task: False, ends_after: int | None = None) -> None:
        self.gain, self.fails, self.ends_after, self.ran = gain, fails, ends_after, []

    def run(self, tasks):
        for task in tasks:
            if len(self.ran) == self.ends_after:
                raise KeyboardInterrupt
            self.ran.append(task.key)
            if self.fails(task):
                yield {
                    "key": task.key,
                    "status": "failed",
                    "seconds": 0.0,
                    "error": "ConfigError: <no & never>",
                }
            else:
                yield row(task, self.gain)


def slow_row(task):
    """A row that takes a moment, and says in a file beside the data who made it."""
    time.sleep(0.3)
    with (Path(task.grounds.data[0]).parent / "ran.txt").open("a") as log:
        log.write(f"{os.getpid()} {task.key}\n")
    return row(task)


def dying_row(task):
    """Takes its process down whenever the cap is 0.3."""
    if float(task.config["hedge"]["cap"]) == 0.3:
        os._exit(1)
    return row(task)
