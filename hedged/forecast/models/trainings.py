"""What was ordered to be trained, and what became of earlier orders, below `state_dir/models/training/`:

```
order.json          the order that is being carried out, or that a daemon which was killed left behind
lock                held by the process that trains: never two at once
trainings.json      the last orders that ended, the oldest first
asked.json          the operator asks for a training now
out/                the artefact in the making; out/.work has finished members, out/result.json what was thought of it
training.log        what the process printed, bounded; training.log.1: the one before
```

An order names the instant that its data end at and every setting: whoever resumes it trains the same model.
"""

import fcntl
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import FiniteFloat, TypeAdapter

from hedged.directories import make_private_directory, private
from hedged.domain.errors import ConfigError
from hedged.forecast.models.durable import sync, write_whole

Recipe = Literal["full", "small", "tiny"]
Outcome = Literal[
    "added", "rejected", "unable", "failed", "memory", "late", "interrupted", "lost", "given up"
]
"""`added`: a challenger now; `rejected`: not good enough; `unable`: data too short, torch missing. The others came to
no model: `failed`, `memory` and `late` (bounds), `interrupted` (the daemon ended), `lost` (it was killed), `given up`.
"""
COMPLETED: frozenset[Outcome] = frozenset({"added", "rejected"})
NO_FAULT: frozenset[Outcome] = frozenset({"interrupted"})
"""Goes on where it was without a pause."""
MOST = 100
LARGEST = 1 << 20
RESULT, LOCK = "result.json", "lock"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One process that worked on an order. `ended_ms`: None while it runs, or where whoever watched it was killed."""

    started_ms: int
    ended_ms: int | None = None
    outcome: Outcome | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """`to_ms`: nothing known at or after it is learnt from; `rival`, `rival_path`: the champion, compared on the
    same hold-out, none where empty; `by`, `why`: who ordered it and for what reason; `learn_days`: so many days before
    `to_ms` are learnt from, None: all.
    """

    data: Path
    to_ms: int
    recipe: Recipe
    seed: int
    threads: int
    memory_mb: int
    nice: int
    ordered_ms: int
    by: str
    why: str
    drift: bool = False
    rival: str = ""
    rival_path: Path | None = None
    learn_days: int | None = None
    attempts: tuple[Attempt, ...] = ()

    def begun(self, now_ms: int) -> "Order":
        """Return the order with another attempt."""
        return replace(self, attempts=(*self.attempts, Attempt(now_ms)))

    def ended(self, now_ms: int, outcome: Outcome, why: str) -> "Order":
        """Return the order with the end of its last attempt."""
        last = replace(self.attempts[-1], ended_ms=now_ms, outcome=outcome, why=why[:500])
        return replace(self, attempts=(*self.attempts[:-1], last))


@dataclass(frozen=True, slots=True)
class Result:
    """What a process made of an order, `ordered_ms`. `model`: the hash of what lies in `out/`, empty: none."""

    ordered_ms: int
    outcome: Outcome
    text: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class Training:
    """An order that ended. `seconds`: of all its attempts; `model`: the hash, empty where there is none."""

    ordered_ms: int
    ended_ms: int
    to_ms: int
    recipe: str
    why: str
    outcome: Outcome
    text: str
    drift: bool = False
    attempts: int = 1
    seconds: FiniteFloat = 0.0
    peak_mb: FiniteFloat = 0.0
    model: str = ""

    @property
    def completed(self) -> bool:
        """Whether it came to a model, whatever was thought of that."""
        return self.outcome in COMPLETED


@dataclass(frozen=True, slots=True)
class Asked:
    """The operator's wish for a training now."""

    at_ms: int
    by: str
    why: str


ORDERS: TypeAdapter[Order] = TypeAdapter(Order)
ENDED: TypeAdapter[tuple[Training, ...]] = TypeAdapter(tuple[Training, ...])
RESULTS: TypeAdapter[Result] = TypeAdapter(Result)
WISHES: TypeAdapter[Asked] = TypeAdapter(Asked)


@dataclass(frozen=True, slots=True)
class Trainings:
    """The directory. Reading raises nothing: what is damaged is taken for missing; writing raises OSError."""

    directory: Path

    @classmethod
    def of(cls, state_dir: Path) -> "Trainings":
        """Return the trainings of a state directory; nothing is made before something is ordered."""
        return cls(state_dir / "models" / "training")

    @property
    def out(self) -> Path:
        """Where the artefact comes to be."""
        return self.directory / "out"

    @property
    def order_path(self) -> Path:
        """Where the order lies that the process reads."""
        return self.directory / "order.json"

    def order(self) -> Order | None:
        """Return the order at hand."""
        return _read(self.order_path, ORDERS)

    def place(self, order: Order) -> None:
        """Write down an order, before anything is done for it, and after each attempt."""
        self._make()
        write_whole(self.order_path, ORDERS.dump_json(order, indent=1))

    def result(self, order: Order) -> Result | None:
        """Return what was made of this order; None while it is being worked on."""
        found = self.kept_result()
        return found if found is not None and found.ordered_ms == order.ordered_ms else None

    def kept_result(self) -> Result | None:
        """Return what lies there as the result of some order; None: nothing does."""
        return _read(self.out / RESULT, RESULTS)

    def ended(self) -> tuple[Training, ...]:
        """Return the last orders that ended, the oldest first."""
        return _read(self.directory / "trainings.json", ENDED) or ()

    def close(self, training: Training) -> None:
        """Write down how the order at hand ended, then clear away what is left of it."""
        self._make()
        if not any(one.ordered_ms == training.ordered_ms for one in self.ended()):
            earlier = self.ended()
            if earlier and earlier[-1].outcome == training.outcome == "unable":
                earlier = earlier[:-1]  # tried every day: it would push the others out
            kept = (*earlier, training)[-MOST:]
            text = json.dumps([asdict(one) for one in kept], indent=1, allow_nan=False)
            write_whole(self.directory / "trainings.json", text.encode())
        self.order_path.unlink(missing_ok=True)
        sync(self.directory)
        shutil.rmtree(self.out, ignore_errors=True)

    def asked(self) -> Asked | None:
        """Return the operator's wish."""
        return _read(self.directory / "asked.json", WISHES)

    def ask(self, wish: Asked) -> None:
        """Wish for a training now."""
        self._make()
        write_whole(self.directory / "asked.json", WISHES.dump_json(wish))

    def heard(self) -> None:
        """Forget the wish: it was granted, or cannot be."""
        (self.directory / "asked.json").unlink(missing_ok=True)

    def busy(self) -> bool:
        """Tell whether a process trains here."""
        try:
            with open(self.directory / LOCK, "a", opener=private) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def _make(self) -> None:
        for folder in (self.directory.parent, self.directory):
            make_private_directory(folder)


def write_result(out: Path, result: Result) -> None:
    """Write down what was made of an order. Raises OSError."""
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / RESULT, RESULTS.dump_json(result))


def seconds(attempts: Sequence[Attempt]) -> float:
    """Return how long attempts took together, of those whose end is known."""
    return sum((one.ended_ms - one.started_ms) / 1_000 for one in attempts if one.ended_ms is not None)


def read_order(path: Path) -> Order:
    """Read an order. Raises ConfigError."""
    order = _read(path, ORDERS)
    if order is None:
        raise ConfigError(f"{path} is no order of a training")
    return order


def _read(path: Path, kind: TypeAdapter[T]) -> T | None:
    try:
        with path.open("rb") as file:
            return kind.validate_json(file.read(LARGEST))
    except (OSError, ValueError):
        return None
