"""What a training costs the daemon: forecasts of 100 series, as every cycle makes them, alone and beside a training.

    .venv/bin/python benchmarks/bench_training_beside.py [ROUNDS]

In each round the forecasts of some hours are made alone, then beside a training in its bounds (nice 19, one thread),
which is ended after that. Prints p50 and p99 on the clock in ms, and the ratios; and the most memory of the training.
"""

import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from bench_forecast import grid, window

HOURS_A_ROUND = 5
DAYS = 400


def orders(folder: Path):
    """Return a data directory's trainings, with an order that takes longer than a round."""
    from hedged.domain.clock import DAY_MS
    from hedged.forecast.models.trainings import Order, Trainings
    from hedged.sandbox.market_simulator import simulate

    start_ms = 1_735_689_600_000
    data = folder / "data"
    data.mkdir()
    for name, frame in simulate(1, start_ms, DAYS).items():
        frame.write_parquet(data / f"{name}.parquet")
    trainings = Trainings.of(folder)
    order = Order(data, start_ms + DAYS * DAY_MS, "small", 0, 1, 4_096, 19, 1, "a benchmark", "to measure")
    return trainings, order


def main():
    from hedged.forecast.artefact import SHIPPED, load
    from hedged.forecast.ensemble import EnsembleForecaster
    from hedged.wiring.models.child import train_in_child

    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    whole, forecaster = grid(), EnsembleForecaster(load(SHIPPED))
    hour = iter(range(10_000))
    took: dict[str, list[float]] = {"alone": [], "beside": []}

    def forecast(where: str) -> None:
        for _ in range(HOURS_A_ROUND):
            seen = window(whole, next(hour))
            began = time.perf_counter()
            forecaster.forecast(seen, int(seen.times_ms[-1]), 24)
            took[where].append((time.perf_counter() - began) * 1_000)

    seen = window(whole, next(hour))
    forecaster.forecast(seen, int(seen.times_ms[-1]), 24)
    peak_mb = 0.0
    with tempfile.TemporaryDirectory() as folder:
        trainings, order = orders(Path(folder))
        for _ in range(rounds):
            forecast("alone")
            trainings.place(order)
            stop, fitting, ends = threading.Event(), threading.Event(), []

            def told(stage: str, _share: float, fitting: threading.Event = fitting) -> None:
                if stage.startswith("hold-out"):
                    fitting.set()

            def train(stop: threading.Event = stop, ends: list = ends, told=told) -> None:
                ends.append(train_in_child(trainings, order, 1.0, told, stop))

            thread = threading.Thread(target=train)
            thread.start()
            fitting.wait(300)
            forecast("beside")
            stop.set()
            thread.join()
            peak_mb = max(peak_mb, ends[0].peak_mb)
    figures = {where: np.percentile(times, [50, 99]) for where, times in took.items()}
    for where, (p50, p99) in figures.items():
        print(f"{where:8} p50 {p50:8.1f} ms   p99 {p99:8.1f} ms   of {len(took[where])}")
    p50, p99 = figures["beside"] / figures["alone"]
    print(f"ratio    p50 {p50:8.2f}      p99 {p99:8.2f}      the training held {peak_mb:,.0f} MB at its peak")


if __name__ == "__main__":
    main()
