"""Walk-forward: at each retraining a model learns from what was known strictly before it, and speaks from then on.

```
models/2024-01-01/model/          the artefact, trained to that instant
models/2024-01-01/training.json   what it was made from, and how long it took; written last
```

A run that was killed goes on: finished models are read, the one under way resumes with the members it lacks.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hedged.backtest.runner import Window
from hedged.domain.clock import DAY_MS, iso, perf_s
from hedged.domain.errors import ConfigError
from hedged.forecast.artefact import Artefact, load
from hedged.forecast.reign import Reign

MONTHS = {"monthly": 1, "quarterly": 3}
RECORD = "training.json"
Progress = Callable[[str, float], None]
Trainer = Callable[[int, Path], Artefact]
"""Trains on what was known before an instant (ms), and writes the artefact to a folder."""


@dataclass(frozen=True, slots=True)
class WalkForward:
    """How a run retrains. `every`: monthly, quarterly or a number of days; `recipe`: names how models are trained, so
    that those of another recipe are not taken for them; `models`: the folder in which they are kept.
    """

    every: str
    recipe: str
    models: Path
    trainer: Trainer
    on_progress: Progress = lambda _stage, _share: None


@dataclass(frozen=True, slots=True)
class Trained:
    """A model with the span of time in which it speaks, and the seconds that its training took."""

    reign: Reign
    to_ms: int
    seconds: float


def instants(window: Window, every: str) -> list[int]:
    """Return when models are trained: at the window's beginning, then monthly, quarterly or every so many days.

    Months and quarters begin as in the calendar, UTC. Raises ConfigError.
    """
    if every in MONTHS:
        begins = _calendar(window, MONTHS[every])
    elif every.isdecimal() and int(every) > 0:
        begins = list(range(window.from_ms, window.to_ms, int(every) * DAY_MS))
    else:
        raise ConfigError(f"--walk-forward {every!r}: expected monthly, quarterly or a number of days")
    return sorted({window.from_ms, *begins})


def _calendar(window: Window, months: int) -> list[int]:
    """Return the first instants of those months in the window whose number is the first of a span of `months`."""
    first = datetime.fromtimestamp(window.from_ms / 1_000, UTC)
    month = first.year * 12 + (first.month - 1) // months * months
    found: list[int] = []
    while True:
        begins = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
        ts_ms = int(begins.timestamp()) * 1_000
        if ts_ms >= window.to_ms:
            return found
        if ts_ms > window.from_ms:
            found.append(ts_ms)
        month += months


def trained_models(data: Path, window: Window, plan: WalkForward) -> list[Trained]:
    """Return the models of a window, those that are lacking trained on the data directory first.

    Raises DataError where too little was known at an instant to learn from, ConfigError for a folder that holds models
    of another recipe or of other data.
    """
    begins = instants(window, plan.every)
    what = {"recipe": plan.recipe, "data": files_hash(data)}
    found = []
    for number, (from_ms, to_ms) in enumerate(zip(begins, [*begins[1:], window.to_ms], strict=True)):
        plan.on_progress("models", number / len(begins))
        found.append(_one(plan, what, from_ms, to_ms))
    plan.on_progress("models", 1.0)
    return found


def _one(plan: WalkForward, what: dict[str, str], from_ms: int, to_ms: int) -> Trained:
    folder = plan.models / iso(from_ms)[:10]
    record = folder / RECORD
    what = what | {"trained_to": iso(from_ms)}
    if record.is_file():
        kept = json.loads(record.read_text(encoding="utf-8"))
        seconds = float(kept.pop("seconds"))
        if kept != what:
            raise ConfigError(
                f"{folder} holds a model of another recipe or of other data: name another folder"
            )
        return Trained(Reign(from_ms, load(folder / "model")), to_ms, seconds)
    started_s = perf_s()
    artefact = plan.trainer(from_ms, folder / "model")
    if artefact.card.trained_to != iso(from_ms):
        raise ConfigError(f"{artefact.path} was trained to {artefact.card.trained_to}, not to {iso(from_ms)}")
    seconds = round(perf_s() - started_s, 1)
    record.write_text(json.dumps(what | {"seconds": seconds}, indent=1) + "\n", encoding="utf-8")
    return Trained(Reign(from_ms, artefact), to_ms, seconds)


def files_hash(directory: Path) -> str:
    """Hash the tables of a data directory."""
    digest = hashlib.sha256()
    for path in sorted(directory.glob("*.parquet")):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def models_told(models: Sequence[Trained]) -> list[dict[str, Any]]:
    """Return what a summary says of the models of a walk-forward run."""
    return [
        model_told(one.reign.artefact, one.reign.from_ms, one.to_ms) | {"training_seconds": one.seconds}
        for one in models
    ]


def model_told(artefact: Artefact, from_ms: int, to_ms: int) -> dict[str, Any]:
    """Return what a summary says of a model that speaks in [from, to).

    `hold_out`: on the last days before it was trained to, by venue class and horizon: its mean absolute error as a
    share of persistence's, the EWMA's, and its pinball loss in s. `knows_days`: days of its own span that it was
    trained on; above 0 its results there are no forecast.
    """
    card = artefact.card
    trained_to_ms = int(datetime.fromisoformat(card.trained_to).timestamp() * 1_000)
    hold_out = {
        cell: {
            "mae": found["ensemble"]["mae"], "ewma_mae": found["ewma"]["mae"],
            "pinball": found["ensemble"]["pinball"], "rows": found["rows"],
        }
        for cell, found in card.metrics.get("hold_out", {}).items()
    }  # fmt: skip
    return {
        "from": iso(from_ms), "to": iso(to_ms), "trained_from": card.trained_from, "trained_to": card.trained_to,
        "model_hash": artefact.hash, "samples": card.samples, "hold_out": hold_out,
        "knows_days": round(max(0, min(trained_to_ms, to_ms) - from_ms) / DAY_MS, 1), "training_seconds": None,
    }  # fmt: skip
