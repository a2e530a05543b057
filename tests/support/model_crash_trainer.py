"""A trainer in the place of the real one: some members, each kept when it is finished, then a model that speaks.

Every member that is really made leaves a line in `made.log`, so that a test sees what was made twice.
"""

import json
import sys
import time
from pathlib import Path

from tiny_models import twin

from hedged.forecast.models.trainings import Result, read_order, write_result
from hedged.training.bounds import bind

MEMBERS = 5
EACH_S = 0.15


def main() -> None:
    path, parent = Path(sys.argv[1]), int(sys.argv[2])
    order = read_order(path)
    bind(order.memory_mb, order.nice, parent)
    out = path.parent / "out"
    work = out / ".work"
    work.mkdir(parents=True, exist_ok=True)
    for number in range(MEMBERS):
        member = work / f"member-{number}"
        if not member.is_file():
            time.sleep(EACH_S)
            with (path.parent / "made.log").open("a") as log:
                log.write(f"{order.ordered_ms} {number}\n")
            member.touch()
        print(json.dumps({"stage": member.name, "share": (number + 1) / MEMBERS}), flush=True)
    if not (out / "card.json").is_file():
        made = path.parent / f"making-{time.time_ns()}"
        twin(made, width=1.0 + order.ordered_ms % 10_000 / 1e6, seed=order.ordered_ms % 1_000_000)
        for file in sorted(made.iterdir(), key=lambda one: one.name == "card.json"):
            file.rename(out / file.name)
    model = __import__("hedged.forecast.artefact", fromlist=["load"]).load(out).hash
    write_result(out, Result(order.ordered_ms, "added", "good enough for a test", model))


main()
