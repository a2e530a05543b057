"""Kill `hedged run` while it trains and while models take over, again and again: `make crash-models`.

    scripts/crash_models.py [ROUNDS] [SEED] [quick|real] [DATA]

quick: a stand-in makes the members, so that kills fall everywhere in a training; real: the worker itself, by the tiny
recipe on DATA (60 days of made-up markets where none is named).
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from model_crash import crash, model_stage, report

from hedged.domain.clock import DAY_MS
from hedged.sandbox.turning import usual_course, write_turning


async def main(rounds: int, seed: int, quick: bool, data: Path | None, root: Path) -> None:
    """Run and tell."""
    begins_ms = time.time_ns() // 1_000_000 // DAY_MS * DAY_MS
    data = data or write_turning(root / "data", usual_course(begins_ms, before_days=90, days=1), 1)
    began_s = time.monotonic()
    async with model_stage(root, data, quick=quick) as stage:
        try:
            await crash(stage, rounds, seed)
        finally:
            print("\n".join(report(stage)))
    print(
        f"{rounds} kills in {time.monotonic() - began_s:.0f} s: registry, orders and journal whole after each"
    )


if __name__ == "__main__":
    given = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(
            main(
                int(given[0]) if given else 100,
                int(given[1]) if len(given) > 1 else 7,
                (given[2] if len(given) > 2 else "quick") == "quick",
                Path(given[3]) if len(given) > 3 else None,
                Path(folder),
            )
        )
