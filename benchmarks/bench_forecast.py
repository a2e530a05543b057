"""What a forecast costs: 100 series through the whole ensemble, beside the bare ONNX forward passes.

    .venv/bin/python benchmarks/bench_forecast.py

Prints medians of interleaved runs in CPU time, which other work on the machine disturbs least, their ratios, and the
memory of a process that serves, above interpreter + numpy.
"""

import resource
import statistics
import subprocess
import sys
import time

import numpy as np

SERIES, WINDOW, RUNS = 100, 90 * 24, 20
HOURS = WINDOW + RUNS + 1
MEMORY = """import numpy{more}
print(int([line for line in open('/proc/self/status') if line.startswith('VmRSS')][0].split()[1]) / 1024)"""
SERVE = "; from hedged.forecast.registry import make_forecaster; make_forecaster('ensemble')"


def grid():
    """A hundred hourly and 8-hourly series with 90 days of history, and the hours that come while this runs."""
    from hedged.domain.bars import N_FIELDS, Field
    from hedged.domain.clock import HOUR_MS
    from hedged.domain.market import SeriesKey
    from hedged.features.resample import HourlyGrid

    rng = np.random.default_rng(0)
    venues = ("binance", "bybit", "hyperliquid", "okx")
    keys = tuple(SeriesKey(venue, f"C{i}") for i in range(SERIES // 4) for venue in venues)
    interval = np.array([1.0 if key.venue == "hyperliquid" else 8.0 for key in keys])[:, None]
    hours = np.arange(HOURS)
    rates = 1.25e-5 + np.cumsum(rng.normal(0, 1e-6, (SERIES, HOURS)), axis=1)
    since = hours % interval
    level = np.take_along_axis(rates, (hours - since).astype(int), axis=1)
    bars = np.full((SERIES, HOURS, N_FIELDS), np.nan, np.float32)
    bars[:, :, Field.MARK] = 100 * np.exp(np.cumsum(rng.normal(0, 0.004, (SERIES, HOURS)), axis=1))
    bars[:, :, Field.VOLUME] = rng.uniform(1, 9, (SERIES, HOURS))
    paid = np.where(since == 0, level * interval, 0.0)
    ones = np.ones((SERIES, HOURS))
    start_ms = 1_767_225_600_000
    mark = bars[:, :, Field.MARK].astype(float)
    return HourlyGrid(
        keys, start_ms + hours * HOUR_MS, paid, level, mark, interval * ones, since * ones, bars, 0.25
    )


def window(whole, run):
    """The 90 days up to the run's hour: each run is a new hour for the forecaster, and the hours before stay."""
    from dataclasses import replace

    hours = slice(run, run + WINDOW)
    arrays = ("paid", "level", "mark", "interval_h", "since_h", "bars")
    cut = {name: getattr(whole, name)[:, hours] for name in arrays}
    return replace(whole, times_ms=whole.times_ms[hours], **cut)


def main():
    from hedged.features.points import Points
    from hedged.features.tabular import LOOKBACK_H
    from hedged.forecast.artefact import SHIPPED, load
    from hedged.forecast.ensemble import EnsembleForecaster
    from hedged.forecast.members import Inputs

    whole = grid()
    forecaster = EnsembleForecaster(load(SHIPPED))
    began, used_before = time.perf_counter(), time.process_time()
    first = window(whole, 0)
    forecaster.forecast(first, int(first.times_ms[-1]), 24)
    cpu, wall = time.process_time() - used_before, time.perf_counter() - began
    print(f"cold start, 83 days of memory: {cpu:.1f} s of CPU, {wall:.1f} s on the clock")
    members = forecaster._members
    # what is really asked: of noughts, every row would take the same way through the trees
    end = first.last(LOOKBACK_H + 1)
    said = forecaster._ask(end, Points(np.arange(SERIES), np.full(SERIES, LOOKBACK_H)))
    venue, coin = forecaster._card.vocabulary.encode(first.keys)
    inputs = Inputs(said.samples.tabular, said.samples.sequence, venue, coin)
    networks, trees, full = [], [], []
    for run in range(1, RUNS + 1):
        now = window(whole, run)
        for times, work in (
            (networks, lambda: members.networks(inputs)),
            (trees, lambda: members.trees(inputs)),
            (full, lambda now=now: forecaster.forecast(now, int(now.times_ms[-1]), 24)),
        ):
            began = time.process_time()
            work()
            times.append((time.process_time() - began) * 1e3)
    n, t, f = (statistics.median(times) for times in (networks, trees, full))
    print(f"{SERIES} series, bare ONNX: networks {n:.1f} ms, trees {t:.1f} ms; all of a forecast {f:.1f} ms")
    print(f"all ÷ networks {f / n:.2f}, all ÷ (networks + trees) {f / (n + t):.2f}")
    used = [
        float(subprocess.run([sys.executable, "-c", MEMORY.format(more=more)], capture_output=True, text=True,
                             check=True).stdout)
        for more in ("", SERVE)
    ]  # fmt: skip
    print(f"memory: {used[1]:.0f} MB, {used[1] - used[0]:.0f} MB above interpreter + numpy")
    print(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
