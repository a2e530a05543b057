"""What challengers in shadow cost: memory with 0, 1, 2 of them, and a served forecast alone and while one thinks.

25 symbols on four venues, 90 days of hours, the shipped model in every place, as `Scoring` asks them: one after the
other, three times a day, with the memory of the model that serves.
"""

import statistics
import threading
import time

from bench_forecast import RUNS, grid, window
from bench_memory import resident_mb

from hedged.forecast.artefact import SHIPPED, load
from hedged.forecast.ensemble import EnsembleForecaster
from hedged.memory import frugal, give_back

EVERY_H = 8


def main() -> None:
    """Measure."""
    frugal()
    whole, artefact = grid(), load(SHIPPED)
    served = EnsembleForecaster(artefact)

    def ask(forecaster: EnsembleForecaster, run: int) -> float:
        now = window(whole, run)
        began = time.perf_counter()
        forecaster.forecast(now, int(now.times_ms[-1]), 24)
        return (time.perf_counter() - began) * 1_000

    ask(served, 0)
    give_back()
    print(f"no shadow: {resident_mb('self'):.0f} MB")
    shadows = []
    for number in (1, 2):
        shadow = EnsembleForecaster(artefact, threads=1)
        shadow.succeed(served)
        shadows.append(shadow)
        took = [ask(shadow, run) for run in (0, EVERY_H)]
        give_back()
        print(
            f"{number} in shadow: {resident_mb('self'):.0f} MB; its first forecast {took[0]:.0f} ms, "
            f"one of 8 h later {took[1]:.0f} ms"
        )
    alone = [ask(served, run) for run in range(1, RUNS // 2)]
    stop = threading.Event()

    def think() -> None:
        run = 0
        while not stop.is_set():
            ask(shadows[0], run := run % RUNS + 1)

    thread = threading.Thread(target=think)
    thread.start()
    beside = [ask(served, run) for run in range(RUNS // 2, RUNS)]
    stop.set()
    thread.join()
    print(
        f"a served forecast: {statistics.median(alone):.0f} ms alone, "
        f"{statistics.median(beside):.0f} ms while a shadow thinks"
    )


if __name__ == "__main__":
    main()
