"""Kill `hedged run` in the midst of its model's life, again and again: `make crash-models`.

    scripts/crash_models.py [ROUNDS] [SEED] [OUT]

A registry that is written, a model that is loaded or takes over, a training, scores that are kept; a stand-in makes
the models. The same seed chooses the same moments.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from model_crash import Place, model_stage
from model_crash_checks import crash, report


async def main(rounds: int, seed: int, root: Path) -> None:
    """Run and tell."""
    began_s = time.monotonic()
    async with model_stage(root) as stage:
        try:
            await crash(stage, list(Place), rounds, seed)
        finally:
            print("\n".join(report(stage)))
    print(
        f"{rounds} kills in {time.monotonic() - began_s:.0f} s: registry, orders, scores and journal whole after each"
    )


if __name__ == "__main__":
    given = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(
            main(
                int(given[0]) if given else 150,
                int(given[1]) if len(given) > 1 else 7,
                Path(given[2] if len(given) > 2 else folder),
            )
        )
