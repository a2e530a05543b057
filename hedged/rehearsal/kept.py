"""Trainings that are kept: what was trained once, on the same data by the same recipe, is not trained again.

```
trained/KEY/          the artefact with what was thought of it
trained/KEY/order.json   what was ordered; written last
```

Nothing is trained on what the virtual clock has not seen yet: an order that reaches beyond it ends the rehearsal.
"""

import hashlib
import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from hedged.domain.clock import iso
from hedged.domain.errors import Fatal
from hedged.forecast.artefact import CARD, load
from hedged.forecast.models.durable import write_whole
from hedged.forecast.models.trainings import Order, Trainings, write_result
from hedged.wiring.models.child import Ending, OnProgress, train_in_child

WHAT = "order.json"
Launcher = Callable[[Trainings, Order, float, OnProgress, threading.Event], Ending]


@dataclass(frozen=True, slots=True)
class Kept:
    """`directory`: where they are kept; `data_hash`: of the data directory; `now_ms`: the virtual clock; `launch`: does
    the work where it has not been done. `told`: hears what is at work, and the share done.
    """

    directory: Path
    data_hash: str
    now_ms: Callable[[], int]
    told: Callable[[str, float], None]
    launch: Launcher = train_in_child

    def __call__(
        self, trainings: Trainings, order: Order, hours: float, on_progress: OnProgress, stop: threading.Event
    ) -> Ending:
        """Carry out an order, as the launcher would. Raises Fatal for one that looks ahead."""
        now_ms = self.now_ms()
        if order.to_ms > now_ms:
            raise Fatal(f"a training at {iso(now_ms)} would learn from what comes until {iso(order.to_ms)}")
        what = self._what(order)
        place = self.directory / hashlib.sha256(what.encode()).hexdigest()[:16]
        if (place / WHAT).is_file():
            shutil.rmtree(trainings.out, ignore_errors=True)
            shutil.copytree(place, trainings.out)
            (trainings.out / WHAT).unlink()
            found = trainings.kept_result()
            if found is not None:
                write_result(trainings.out, replace(found, ordered_ms=order.ordered_ms))
                return Ending(None, "", 0.0)
        day = iso(order.to_ms)[:10]

        def at(stage: str, share: float) -> None:
            on_progress(stage, share)
            self.told(f"training to {day}", share)

        ending = self.launch(trainings, order, hours, at, stop)
        if ending.outcome is None:
            self._keep(trainings, order, place, what)
        return ending

    def _keep(self, trainings: Trainings, order: Order, place: Path, what: str) -> None:
        if (trainings.out / CARD).is_file():
            trained_to = load(trainings.out).card.trained_to
            if trained_to > iso(self.now_ms()):
                raise Fatal(
                    f"the model of {iso(order.ordered_ms)} has learnt from what comes until {trained_to}"
                )
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(trainings.out, place, ignore=shutil.ignore_patterns(".work"))
        write_whole(place / WHAT, what.encode())

    def _what(self, order: Order) -> str:
        fields = {
            "data": self.data_hash, "to_ms": order.to_ms, "recipe": order.recipe, "seed": order.seed,
            "learn_days": order.learn_days, "rival": order.rival, "threads": order.threads,
        }  # fmt: skip
        return json.dumps(fields, sort_keys=True)
