"""A trainer in the place of the real one: some members, each kept when it is finished, then a model that speaks.

Every member that is really made leaves a line in `made.log`, so that a test sees what was made twice.
"""

import hashlib
import json
import shutil
import sys
import time
from pathlib import Path

from hedged.forecast.models.trainings import Result, read_order, write_result
from hedged.training.bounds import bind

MEMBERS = 6
SHIPPED = Path(__file__).parents[2] / "hedged/forecast/shipped"


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
            time.sleep(float((path.parent / "pace").read_text()))
            member.touch()
            with (path.parent / "made.log").open("a") as log:
                log.write(f"{order.ordered_ms} {number}\n")
        print(json.dumps({"stage": member.name, "share": (number + 1) / MEMBERS}), flush=True)
    for file in SHIPPED.iterdir():
        shutil.copyfile(file, out / file.name)
    card = json.loads((SHIPPED / "card.json").read_text())
    text = json.dumps(card | {"seed": order.ordered_ms // 1_000})
    (out / "card.json").write_text(text)
    model = hashlib.sha256(text.encode()).hexdigest()[:16]
    write_result(out, Result(order.ordered_ms, "added", "good enough for a test", model))


main()
