"""`python -m experiments.reinforcement`: train policies, and try them on recorded funding. Never part of `hedged`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from experiments.reinforcement.figure import figure
from experiments.reinforcement.learning import Point, Recipe, opened
from experiments.reinforcement.lessons import (
    FORECASTER,
    KEPT_FROM,
    LESSONS,
    SEEDS,
    TUNED,
    hedged_setting,
    read_rule,
    teach,
)
from experiments.reinforcement.measure import SYMBOLS, Line, baselines, learned, lines, markets
from experiments.reinforcement.playing import Policy
from hedged.evaluation.hedging.result import IN_STEP, PERFECT, Outcome

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console()
OutPath = Annotated[Path, typer.Option(help="Folder of the policies, and of what is measured.")]
OTHER = "persistence"
"""Whose forecasts the policies are told as well, without having learnt with them."""
NAMES = {
    PERFECT: "perfect foresight",
    IN_STEP: "perfect, every 8 h",
    "oracle": "planner, true mean of a day",
    "ewma": "planner, EWMA",
    "persistence": "planner, persistence",
    "rule(varied)": "two-number rule",
    "rule(plain)": "rule, plain worlds",
    f"rule({TUNED})": "rule, recorded year",
    "learned(varied)": "learned, varied worlds",
    "learned(plain)": "learned, plain worlds",
    f"learned({TUNED})": "learned, + recorded year",
    f"told {OTHER}": "learned, told persistence",
    "constant": "cap held always",
    "sign": "cap by sign",
}
DRAWN = tuple(name for name in NAMES if name not in (IN_STEP, "sign"))


@app.command()
def train(
    out: OutPath = Path("out/experiments/reinforcement"),
    data: Annotated[
        Path | None,
        typer.Option(help="Data directory, for the policies that go on learning on a recorded year."),
    ] = None,
    lesson: Annotated[list[str] | None, typer.Option(help="Only this lesson; repeat. Default: all.")] = None,
    steps: Annotated[
        int, typer.Option(min=4096, help="Decisions that each policy learns from.")
    ] = Recipe().steps,
) -> None:
    """Train every lesson's policies, one a seed, in worlds of the market simulator. What is there is kept."""
    out.mkdir(parents=True, exist_ok=True)
    for one in LESSONS:
        if not lesson or one.name in lesson:
            teach(one, out, data, Recipe(steps=steps), console.print)


@app.command()
def backtest(
    data: Annotated[Path, typer.Option(help="Data directory: Parquet tables of market history.")],
    out: OutPath = Path("out/experiments/reinforcement"),
    symbol: Annotated[list[str] | None, typer.Option(help="Symbol; repeat. Default: nine of them.")] = None,
) -> None:
    """Try the trained policies on recorded funding beside the planner, rules and perfect foresight.

    Writes result.json and learning.svg to the folder.
    """
    setting = hedged_setting()
    symbols = tuple(symbol or SYMBOLS)
    found = markets(data, setting, FORECASTER, symbols)
    outcomes: list[Outcome] = []
    for market in found:
        console.print(f"{market.symbol}, {market.rule}")
        outcomes += baselines(market, setting)
    outcomes += learned(found, setting, policies(out))
    outcomes += learned(markets(data, setting, OTHER, symbols), setting, told_otherwise(out))
    report(outcomes, out)


def policies(folder: Path) -> dict[str, Policy]:
    """Open what was trained: rules by `rule(LESSON)`, policies by `learned(LESSON)-SEED`."""
    names = [*(one.name for one in LESSONS), TUNED]
    rules = {f"rule({name})": folder / f"{name}-rule.json" for name in names}
    trained = {f"learned({name})-{seed}": folder / f"{name}-{seed}.zip" for name in names for seed in SEEDS}
    return {name: read_rule(path) for name, path in rules.items() if path.exists()} | {
        name: opened(path) for name, path in trained.items() if path.exists()
    }


def told_otherwise(folder: Path) -> dict[str, Policy]:
    """Open the policies of the first kind again, to be told the other forecaster's laws: `told OTHER-SEED`."""
    return {
        f"told {OTHER}-{seed}": opened(path)
        for seed in SEEDS
        if (path := folder / f"{KEPT_FROM}-{seed}.zip").exists()
    }


def report(outcomes: Sequence[Outcome], out: Path) -> None:
    """Print the table and write it with the figure."""
    table = lines(outcomes, np.random.default_rng(0))
    order = list(NAMES)
    table.sort(key=lambda line: order.index(line.name))
    _print(table)
    parts = {
        f"{side} {rule}": [asdict(line) for line in lines(of, np.random.default_rng(0))]
        for side in ("long", "short")
        for rule in ("chain", "level")
        if (of := [one for one in outcomes if (one.side, one.rule) == (side, rule)])
    }
    (out / "result.json").write_text(json.dumps({"all": [asdict(line) for line in table], **parts}, indent=1))
    curves, best = _curves(out)
    planner = {
        lesson.name: float(json.loads(path.read_text())["checked_usd"])
        for lesson in LESSONS
        if (path := out / f"{lesson.name}-planner.json").exists()
    }
    if curves:
        drawn = {name: NAMES[name] for name in DRAWN}
        (out / "learning.svg").write_text(figure(curves, best, planner, table, drawn), encoding="utf-8")


def _curves(folder: Path) -> tuple[dict[str, list[list[Point]]], dict[str, float]]:
    curves: dict[str, list[list[Point]]] = {}
    best: dict[str, float] = {}
    for lesson in LESSONS:
        for seed in SEEDS:
            path = folder / f"{lesson.name}-{seed}.json"
            if path.exists():
                told = json.loads(path.read_text())
                curves.setdefault(lesson.name, []).append([Point(**point) for point in told["curve"]])
                best[lesson.name] = told["checked_best_usd"]
    return curves, best


def _print(table: Sequence[Line]) -> None:
    shown = Table(
        "", "net bp", "95 %", "seeds", "to planner", "95 %", "share", "costs bp", "turns/month", "hedged"
    )
    for line in table:
        seeds = f"{line.lowest_bp:.0f} … {line.highest_bp:.0f}" if line.seeds > 1 else ""
        shown.add_row(
            NAMES[line.name], f"{line.net_bp:.1f}", _span(line.net_interval), seeds, f"{line.ahead_bp:.1f}",
            _span(line.ahead_interval), f"{line.share:.3f}", f"{line.cost_bp:.1f}", f"{line.turnover_month:.2f}",
            f"{line.hedged:.2f}",
        )  # fmt: skip
    console.print(shown)


def _span(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.1f} … {interval[1]:.1f}"


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
