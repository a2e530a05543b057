"""Measure federated averaging, after `environment.sh`: `python -m experiments.federated --data DIR`."""

import argparse
import json
import math
import os
import resource
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import polars as pl
import torch

from experiments.federated.artefact import write_artefact
from experiments.federated.measure import SMALL, WHOLE, Bench, attacked, compared
from experiments.federated.splits import holdings
from experiments.judging import Judge, Scored, by_coin
from hedged.features.targets import HORIZONS

OUT = Path("out/experiments/federated")
OPERATOR = pl.col("venue").replace({"bybit": "bybit+okx", "okx": "bybit+okx"})


def main() -> None:
    """Collect, train, federate, score; print tables and write result.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--jobs", type=int, default=2, help="units at once; a federation is one, of four processes"
    )
    parser.add_argument("--minutes", type=float, default=math.inf, help="then score what is there")
    parser.add_argument("--split", choices=("venues", "times"), action="append")
    parser.add_argument(
        "--small", action="store_true", help="one seed of little, to see that it runs: into OUT/small"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.monotonic()
    out, size = (args.out / "small", SMALL) if args.small else (args.out, WHOLE)
    for split in args.split or ("venues", "times"):
        found, vocabulary = holdings(args.data, split, small=args.small)
        bench = Bench.of(found, vocabulary, out / split, size)
        _report(split, bench, 1 if args.small else args.seeds, args.jobs, begun + args.minutes * 60)


def _report(split: str, bench: Bench, seeds: int, jobs: int, until_s: float) -> None:
    begun = time.monotonic()

    def told(text: str) -> None:
        print(f"[{split} {time.monotonic() - begun:.0f} s] {text}", flush=True)

    for holding, rows in zip(bench.holdings, bench.rows, strict=True):
        held = 0 if holding.held is None else len(holding.held)
        told(f"{holding.operator.name}: {len(holding.series)} series, {len(rows)} rows, hold-out {held}")
    scored = compared(bench, range(seeds), jobs, told, until_s)
    result: dict[str, Any] = {"all": _figures(bench.judge, scored, None)}
    result["by coin"] = _figures(bench.judge, scored, by_coin())
    if split == "venues":
        result["by operator"] = _figures(bench.judge, scored, OPERATOR)
        attacks = attacked(bench, 0, jobs, told, until_s)
        result["attacks"] = _figures(bench.judge, attacks | dict(bench.judge.baselines), None)
        artefact = write_artefact(bench, 0, bench.out / "artefact")
        told(f"artefact {artefact.hash} in {artefact.path}")
    result["used"] = _used() | {"wall_s": round(time.monotonic() - begun)}
    (bench.out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    for label, table in result.items():
        if label != "used":
            print(f"\n{split}, {label}\n{_table(table)}", flush=True)
    print(result["used"], flush=True)


def _figures(judge: Judge, scored: dict[str, Scored], label: pl.Expr | None) -> dict[str, Any]:
    """Return by class, horizon and forecaster MAE ÷ persistence and pinball ÷ others, each with its interval."""
    table: dict[str, Any] = {}

    def put(name: str, figure: str, cells: Any) -> None:
        for (group, horizon), ratio in cells.items():
            row = table.setdefault(group, {}).setdefault(horizon, {}).setdefault(name, {})
            row[figure] = [round(value, 4) for value in (ratio.value, ratio.low, ratio.high)]
            row["series"] = ratio.series

    for name, ours in scored.items():
        put(name, "mae", judge.relative_mae(ours, label))
        put(name, "pinball", judge.against(ours, scored["ewma"], "pinball", label))
        for base in ("own", "central", "mean none"):
            if base in scored and name not in judge.baselines:
                put(name, f"÷ {base}", judge.against(ours, scored[base], "pinball", label))
    return table


def _table(table: dict[str, Any]) -> str:
    lines = []
    for group, horizons in table.items():
        for horizon in HORIZONS:
            for name, row in horizons.get(horizon, {}).items():
                told = "  ".join(
                    f"{figure} {value[0]:.3f} ({value[1]:.3f} … {value[2]:.3f})"
                    for figure, value in row.items()
                    if figure != "series"
                )
                lines.append(f"{group:14} {horizon:6} {name:24} {told}")
    return "\n".join(lines)


def _used() -> dict[str, float]:
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "cpu_minutes": round((own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime) / 60, 1),
        "mb": round(own.ru_maxrss / 1024),
    }


if __name__ == "__main__":
    main()
