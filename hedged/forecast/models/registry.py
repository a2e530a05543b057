"""The registry on disk, below `state_dir/models/`:

```
registry.json       the history, replaced as a whole with every event; who is champion follows from it
artefacts/HASH/     the models, each under the hash of its card, which vouches for every file of it
running.json        what the daemon on this state directory serves, and why not the champion where it does not
lock                held while the registry is changed
```

An artefact is there before an event names it, and the event that gives it up is there before it goes: after a kill at
any point the registry reads as before the change or as after it, and the next change clears away what is left over.
"""

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from hedged.directories import make_private_directory, private
from hedged.domain.clock import iso
from hedged.domain.errors import ConfigError, Rejected
from hedged.forecast.artefact import CARD, Artefact, load
from hedged.forecast.artefact import SHIPPED as SHIPPED_PATH
from hedged.forecast.models.durable import make_whole, write_whole
from hedged.forecast.models.history import MOST_CHALLENGERS, SHIPPED, Act, Event, History
from hedged.forecast.models.lineage import Lineage, lineage_of
from hedged.forecast.models.standings import least_promising, read_contests

DIRECTORY, FILE, RUNNING, ARTEFACTS = "models", "registry.json", "running.json", "artefacts"
FORMAT = 1
LARGEST = 32 << 20
"""Bytes of the history that are read; a year of weekly models has some hundred thousand."""


@dataclass(frozen=True, slots=True)
class _Document:
    format: int
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Running:
    """What a daemon serves: `model` as the registry calls it, empty where the configuration names another; `hash` as on
    its decisions; `champion`: whom it was to serve, `refused`: why it does not, empty where it does.
    """

    model: str
    hash: str
    champion: str
    refused: str
    since: str


DOCUMENTS: TypeAdapter[_Document] = TypeAdapter(_Document)
RUNS: TypeAdapter[Running] = TypeAdapter(Running)


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes the registry, when (ms) and why."""

    now_ms: int
    by: str
    why: str

    def did(self, act: Act, model: str, lineage: Lineage | None = None, why: str | None = None) -> Event:
        """Return the event."""
        return Event(iso(self.now_ms), act, model, self.by, self.why if why is None else why, lineage)


@dataclass(frozen=True, slots=True)
class ModelRegistry:
    """See the module. Reading needs no lock; every change raises Rejected for what cannot be, and OSError."""

    directory: Path
    _shipped: Path = field(default=SHIPPED_PATH)

    @classmethod
    def of(cls, state_dir: Path) -> "ModelRegistry":
        """Return the registry of a state directory; nothing is made before it is changed."""
        return cls(state_dir / DIRECTORY)

    def read(self) -> History:
        """Return the history; one without events where there is none. Raises ConfigError for what cannot be read."""
        path = self.directory / FILE
        try:
            with path.open("rb") as file:
                content = file.read(LARGEST + 1)
        except FileNotFoundError:
            return History()
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
        return _history(path, content)

    def mark(self) -> tuple[int, int, int]:
        """Return what changes with the registry; zeros where there is none."""
        try:
            told = (self.directory / FILE).stat()
        except OSError:
            return (0, 0, 0)
        return (told.st_ino, told.st_mtime_ns, told.st_size)

    def path(self, model: str) -> Path:
        """Return where a model's artefact lies, if it is kept."""
        return self._shipped if model == SHIPPED else self.directory / ARTEFACTS / model

    def open(self, model: str) -> Artefact:
        """Check and open a model. Raises ConfigError for a missing, damaged or exchanged one."""
        artefact = load(self.path(model))
        if model not in (SHIPPED, artefact.hash):
            raise ConfigError(
                f"{artefact.path} holds the model {artefact.hash}, not {model}: it was exchanged"
            )
        return artefact

    def find(self, history: History, name: str) -> str:
        """Return the model that is meant: its hash or the beginning of it, `shipped`, `champion` or `before`.

        Raises Rejected for none and for several.
        """
        if name == "champion":
            return history.champion
        if name == "before":
            if history.before is None:
                raise Rejected("nothing served before the champion")
            return history.before
        found = [one for one in history.models if one == name or (len(name) >= 4 and one.startswith(name))]
        if len(found) == 1:
            return found[0]
        there = ", ".join(found or history.models)
        what = f"{name!r} may be several" if found else f"no model {name!r} is in the registry"
        raise Rejected(f"{what}; there are: {there}. A model is named by four or more digits of its hash")

    def add(self, path: Path, author: Author) -> Artefact:
        """Take an artefact in, as a challenger. Where there are too many the least promising one retires.

        Raises ConfigError for a damaged or foreign artefact.
        """
        artefact = load(path)
        if artefact.hash == load(self._shipped).hash:
            raise Rejected(f"{path} is the model that ships: it is always there, as `{SHIPPED}`")
        with self._changing() as history:
            lineage = lineage_of(artefact.card, history.champion)
            history = history.after(author.did(Act.ADDED, artefact.hash, lineage))
            while len(history.challengers) > MOST_CHALLENGERS:
                gives_way = least_promising(history.challengers[:-1], read_contests(self.directory))
                event = author.did(Act.RETIRED, gives_way, why=f"{artefact.hash} was added")
                history = history.after(event)
            files = {name: (path / name).read_bytes() for name in artefact.card.files}
            make_whole(self.path(artefact.hash), {**files, CARD: (path / CARD).read_bytes()})
            taken = self.open(artefact.hash)  # what was copied, not what it was copied from
            self._write(history, author)
        return taken

    def promote(self, model: str, author: Author, over: str | None = None) -> History:
        """Make a model the champion. Raises ConfigError for one that cannot be opened.

        `over`: whom it is to follow; raises Rejected where another one is champion by now.
        """
        with self._changing() as history:
            _expect(history, over)
            history = history.after(author.did(Act.PROMOTED, model))
            self.open(model)
            return self._write(history, author)

    def rollback(self, author: Author, over: str | None = None) -> History:
        """Make the one before the champion. Raises ConfigError for one that cannot be opened. `over`: see `promote`."""
        with self._changing() as history:
            _expect(history, over)
            if history.before is None:
                raise Rejected(f"{history.champion} is the first champion: there is nothing to roll back to")
            history = history.after(author.did(Act.ROLLED_BACK, history.before))
            self.open(history.champion)
            return self._write(history, author)

    def demote(self, model: str, author: Author) -> History:
        """Say that the EWMA serves in the champion's place."""
        with self._changing() as history:
            return self._write(history.after(author.did(Act.DEMOTED, model)), author)

    def restore(self, model: str, author: Author) -> History:
        """Say that the champion serves again."""
        with self._changing() as history:
            return self._write(history.after(author.did(Act.RESTORED, model)), author)

    def retire(self, model: str, author: Author) -> History:
        """Take a challenger out of the running."""
        with self._changing() as history:
            return self._write(history.after(author.did(Act.RETIRED, model)), author)

    def running(self) -> Running | None:
        """Return what a daemon has told that it serves; None where none has."""
        try:
            return RUNS.validate_json((self.directory / RUNNING).read_bytes())
        except (OSError, ValueError):
            return None

    def tell(self, running: Running) -> None:
        """Say what is served. Raises ConfigError and OSError where that cannot be written."""
        make_private_directory(self.directory)
        write_whole(self.directory / RUNNING, json.dumps(asdict(running)).encode())

    @contextmanager
    def _changing(self) -> Iterator[History]:
        """Keep others from changing the registry meanwhile; yields what it says."""
        make_private_directory(self.directory)
        make_private_directory(self.directory / ARTEFACTS)
        with open(self.directory / "lock", "a", opener=private) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self.read()

    def _write(self, history: History, author: Author) -> History:
        """Write a history down, without the artefacts that it need not keep, and only then let them go."""
        told = self.running()
        for model in history.surplus({told.model} if told else ()):
            history = history.after(author.did(Act.REMOVED, model, why="newer models came"))
        body = {"format": FORMAT, "events": [asdict(event) for event in history.events]}
        write_whole(self.directory / FILE, json.dumps(body, indent=1, allow_nan=False).encode() + b"\n")
        for folder in (self.directory / ARTEFACTS).iterdir():
            if folder.is_dir() and folder.name not in history.kept:
                shutil.rmtree(folder)
        return history


def _expect(history: History, champion: str | None) -> None:
    if champion not in (None, history.champion):
        raise Rejected(f"{history.champion} is champion by now, not {champion}")


def _history(path: Path, content: bytes) -> History:
    """Play a history through. Raises ConfigError for one that cannot have been written here."""
    todo = "restore it, or move it away: then the model that ships is champion, and `hedged model add` takes models in"
    if len(content) > LARGEST:
        raise ConfigError(f"{path} is larger than a registry: {todo}")
    try:
        found = DOCUMENTS.validate_json(content)
    except ValidationError as error:
        raise ConfigError(f"{path} is damaged ({error.errors()[0]['msg']}): {todo}") from None
    if found.format != FORMAT:
        raise ConfigError(f"{path} has format {found.format}, this program reads {FORMAT}: {todo}")
    history = History()
    try:
        for event in found.events:
            history = history.after(event)
    except Rejected as error:
        raise ConfigError(f"{path} tells what cannot have happened ({error}): {todo}") from None
    return history
