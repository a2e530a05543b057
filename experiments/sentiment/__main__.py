"""Measure what sentiment and whale columns could be worth: `python -m experiments.sentiment --data DIR`."""

import argparse
import math
import os
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from experiments.judging import CLASSES, Judge
from experiments.keeping import kept
from experiments.sentiment.columns import (
    Signal,
    daily_innovation,
    fear_and_greed,
    knowing,
    noise,
    normal_scores,
    one_a_day,
    walk,
    whales,
)
from experiments.sentiment.measure import Bench, Columns, Variant, fitted, gains, residual, shown, written
from hedged.adapters.replay.series import SeriesData, funded
from hedged.adapters.replay.tables import load_tables
from hedged.domain.clock import DAY_MS
from hedged.domain.market import SeriesKey
from hedged.features.samples import Samples, joined
from hedged.features.sampling import Sampling, collect
from hedged.forecast.vocabulary import vocabulary_of

FROM_MS, CUT_MS, END_MS = 1_688_169_600_000, 1_751_328_000_000, 1_767_225_600_000
"""2023-07-01, 2025-07-01, 2026-01-01."""
SINCE_MS = FROM_MS - 150 * DAY_MS
"""Where signals begin: the month that a deviation reads, and the 90 days of the index behind it."""
FITTED, HELD = Sampling(1.0, 0.05, 0.05, 0.03), Sampling(1.0, 0.1, 0.1, 0.0)
COINS = ("BTC", "ETH", "SOL", "BNB", "DOGE", "ADA", "LINK", "LTC", "ATOM", "DOT", "UNI", "ARB")
"""Those with a long history on an 8 h venue, there and on the other venues."""
PER_ROW, PER_DAY = (0.0, 0.02, 0.05, 0.1, 0.2), (0.2, 0.5)


def main() -> None:
    """Collect, fit with and without, judge; print and write result.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("out/experiments/sentiment"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=math.inf, help="then score what is there")
    args = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.monotonic()
    series = _series(args.data)
    bench = _bench(series)
    args.out.mkdir(parents=True, exist_ok=True)
    print(f"{len(series)} series, {len(bench.fitted)} rows fitted, {len(bench.held)} held", flush=True)
    variants = {"base": Variant(_nothing), "nothing, other seeds": Variant(_nothing, first=10)}
    variants |= _placebos(bench) | _proxies(bench, series) | _power(bench, args.out / "laws")

    def told(name: str) -> None:
        print(f"[{time.monotonic() - begun:.0f} s] {name}", flush=True)

    scored = fitted(
        bench, variants, args.out / "laws", args.seeds, args.jobs, told, begun + args.minutes * 60
    )
    found: dict[str, Any] = {}
    for name in scored:
        if name != "base":
            found[name] = gains(bench.judge, scored[name], scored["base"], variants[name].only)
            print(shown(name, found[name]), flush=True)
    found["used"] = _used() | {"wall_s": round(time.monotonic() - begun)}
    (args.out / "result.json").write_text(written(found))
    print(found["used"])


def _nothing(_seed: int) -> Columns:
    return {}


def _placebos(bench: Bench) -> dict[str, Variant]:
    both = joined([bench.fitted, bench.held])

    def make(kind: Callable[..., Signal], seed: int) -> Columns:
        rng = np.random.default_rng([seed, 7])
        return {name: kind(SINCE_MS, END_MS, rng).at(both) for name in ("sentiment", "wallets")}

    return {"noise, daily": Variant(partial(make, noise)), "walk, daily": Variant(partial(make, walk))}


def _power(bench: Bench, out: Path) -> dict[str, Variant]:
    """Columns that know: of each row's coming rate, or one number a day of all that comes from that day on."""
    path = out / "innovations.npz"
    ((first, second),) = [kept({path: partial(_innovations, bench)}, 1, print)[path]]
    both = joined([bench.fitted, bench.held])
    days = daily_innovation(both, second)

    def of_row(share: float, seed: int) -> Columns:
        return {"sentiment": knowing(first, share, np.random.default_rng([seed, 8]))}

    def of_day(share: float, seed: int) -> Columns:
        return {"sentiment": one_a_day(both, knowing(days, share, np.random.default_rng([seed, 9])))}

    return {f"knows {share:g} of each s1": Variant(partial(of_row, share)) for share in PER_ROW} | {
        f"knows {share:g} of each day": Variant(partial(of_day, share)) for share in PER_DAY
    }


def _innovations(bench: Bench) -> list[NDArray[np.float64]]:
    """Return what trees of another seed missed at s1 and m24h, as normal scores; 0 unknown."""
    laws, rng = bench.trees({}, 99, of_fitted=True), np.random.default_rng(99)
    out = []
    for horizon in ("s1", "m24h"):
        parts = zip((bench.fitted, bench.held), laws[::-1], strict=True)
        left = np.concatenate([residual(samples, law, horizon) for samples, law in parts])
        out.append(np.nan_to_num(normal_scores(left, rng)))
    return out


def _proxies(bench: Bench, series: dict[SeriesKey, SeriesData]) -> dict[str, Variant]:
    both = joined([bench.fitted, bench.held])
    moods, jumps = fear_and_greed(series, SINCE_MS, END_MS), whales(series, SINCE_MS, END_MS)
    told = {"sentiment": moods.at(both), "wallets": jumps.at(both)}

    def chosen(names: tuple[str, ...], _seed: int) -> Columns:
        return {name: told[name] for name in names}

    def turned(seed: int) -> Columns:
        rng = np.random.default_rng([seed, 10])
        return {"sentiment": moods.shifted(rng).at(both), "wallets": jumps.shifted(rng).at(both)}

    majors = pl.col("symbol").is_in(list(CLASSES))
    return {
        "fear and greed": Variant(partial(chosen, ("sentiment",))),
        "whales, on their coins": Variant(partial(chosen, ("wallets",)), only=majors),
        "both": Variant(partial(chosen, ("sentiment", "wallets"))),
        "both, turned in time": Variant(turned),
    }


def _used() -> dict[str, float]:
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    seconds = own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime
    return {"cpu_minutes": round(seconds / 60, 1), "mb": own.ru_maxrss // 1024}


def _series(data: Path) -> dict[SeriesKey, SeriesData]:
    tables = load_tables(data, None)
    kept = {
        name: table.filter(pl.col("symbol").is_in(COINS)) if "symbol" in table.columns else table
        for name, table in tables.items()
    }
    return funded(kept)


def _bench(series: dict[SeriesKey, SeriesData]) -> Bench:
    fitted: Samples = collect(series, FROM_MS, CUT_MS, FITTED)
    held = collect(series, CUT_MS, END_MS, HELD)
    return Bench(fitted, held, vocabulary_of(series), Judge.of([held], series))


if __name__ == "__main__":
    main()
