"""Kill `hedged run` at the worst moments, again and again, and compare it with the venues: `make crash`.

    scripts/crash.py [ROUNDS] [SEED] [OUT]

The same seed chooses the same moments; which of them really fall between journal and answer is told at the end.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from crash_checks import crash, report
from crash_stage import crash_stage


async def main(rounds: int, seed: int, out: Path) -> None:
    """Run and tell."""
    began_s = time.monotonic()
    async with crash_stage(out) as stage:
        try:
            await crash(stage, rounds, seed)
        finally:
            print("\n".join(report(stage)))
    print(
        f"{rounds} kills in {time.monotonic() - began_s:.0f} s: nothing lost, nothing twice, the ledger is the venues'"
    )


if __name__ == "__main__":
    given = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(
            main(
                int(given[0]) if given else 200,
                int(given[1]) if len(given) > 1 else 7,
                Path(given[2] if len(given) > 2 else folder),
            )
        )
