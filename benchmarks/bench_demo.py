"""Times `hedged demo` (30 days of 15-minute cycles, report included) as a whole process, three times."""

import statistics
import subprocess
import sys
import tempfile
import time


def once() -> float:
    """Return the wall-clock seconds of one demo."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "hedged", "demo", "--out", folder], check=True, stdout=subprocess.DEVNULL
        )
        return time.perf_counter() - started


def main() -> None:
    times = [once() for _ in range(3)]
    cycles = 30 * 96
    median = statistics.median(times)
    runs = ", ".join(f"{t:.1f}" for t in times)
    print(f"demo, 30 days: {median:.1f} s (of {runs}); {median / cycles * 1e3:.2f} ms a cycle")


if __name__ == "__main__":
    main()
