"""How often the contest of models promotes one that is no better, and how long it needs for one that is.

`losses` forecasts a stretch of history with a model, as it would have been forecast then, and keeps the pinball losses
of every eighth hour in units of s. `table` sets models against each other: their true contests, and thousands
more whose blocks are drawn anew from those, three in a row at a time, with a known improvement planted. Two of a pair
are made equally good by drawing which of them is the challenger at every draw.
"""

import argparse
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from hedged.adapters.replay.proxy import Proxy, stand_in
from hedged.adapters.replay.series import funded
from hedged.adapters.replay.tables import load_tables
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.forecast import LEVELS
from hedged.features.targets import HORIZONS
from hedged.forecast.artefact import load
from hedged.forecast.members import Members
from hedged.forecast.walk import walk

EVERY_MS = 8 * HOUR_MS


def losses(args: argparse.Namespace) -> None:
    """Write one row per origin, series and horizon with the loss of a model."""
    artefact = load(args.model)
    tables = load_tables(args.data, None)
    if args.proxy_rule:
        tables = stand_in(tables, Proxy("hyperliquid", args.proxy_rule))
    series = funded(tables)
    wanted = [key for key in series if key.symbol in args.symbol]
    members, frames = Members(artefact, 1), []
    for issued in walk(members, artefact.card, series, wanted, _ms(args.from_), _ms(args.to)):
        told = issued.samples
        due = told.origin_ms % EVERY_MS == 0
        for horizon in ("m24h", "m120h"):
            h = HORIZONS.index(horizon)
            rows = np.flatnonzero(due & ~np.isnan(told.target[:, h]))
            beyond = (told.target[rows, h, None] - issued.quantiles[rows, h]) / told.s[rows, None]
            loss = np.maximum(LEVELS * beyond, (LEVELS - 1.0) * beyond).mean(axis=1)
            frames.append(
                pl.DataFrame(
                    {
                        "venue": [told.keys[i].venue for i in told.series[rows]],
                        "symbol": [told.keys[i].symbol for i in told.series[rows]],
                        "origin_ms": told.origin_ms[rows],
                        "known_ms": told.target_ms[rows, h],
                        "horizon": [horizon] * len(rows),
                        "loss": loss,
                    }
                )
            )
    found = pl.concat([frame for frame in frames if len(frame)])
    found.write_parquet(args.out)
    print(f"{len(found):,} losses of {artefact.hash} in {args.out}")


def _ms(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1_000)


def main() -> None:
    """Run one of the two steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    steps = parser.add_subparsers(required=True)
    first = steps.add_parser("losses")
    first.add_argument("--data", type=Path, required=True)
    first.add_argument("--model", type=Path, required=True)
    first.add_argument("--from", dest="from_", required=True)
    first.add_argument("--to", required=True)
    first.add_argument("--symbol", action="append", default=[])
    first.add_argument("--proxy-rule", choices=("chain", "level"))
    first.add_argument("--out", type=Path, required=True)
    first.set_defaults(step=losses)
    args = parser.parse_args()
    args.step(args)


if __name__ == "__main__":
    main()
