"""The rows of finished tasks on disk: one JSON line each, synced before the next, found again by key.

A line cut short by a kill or a full disk is dropped when the file is opened again. Rows of other configurations, code
or data stay in the file and are not looked at: their keys are others. One sweep at a time writes to a directory.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hedged.directories import make_directory
from hedged.domain.errors import ConfigError
from hedged.sweep.task import Row

FILE = "rows.jsonl"


class Rows:
    """Finished tasks by key. Made by `opened`."""

    def __init__(self, file: BinaryIO, found: dict[str, Row]) -> None:
        self._file = file
        self._found = found

    def __contains__(self, key: str) -> bool:
        return key in self._found

    def __getitem__(self, key: str) -> Row:
        return self._found[key]

    def add(self, row: Row) -> None:
        """Write a row down. A task's second row counts for nothing: it was run twice somewhere."""
        if row["key"] in self._found:
            return
        try:
            self._file.write(json.dumps(row, allow_nan=False).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise ConfigError(
                f"{FILE} cannot be written: {error.strerror}; make room and start the same sweep again"
            ) from None
        self._found[row["key"]] = row


@contextmanager
def opened(directory: Path, *, retry: bool = False) -> Iterator[Rows]:
    """Open the rows of a directory for this sweep alone; `retry`: rows of failed tasks do not count.

    Raises ConfigError when the directory cannot be written or another sweep writes to it.
    """
    path = make_directory(directory) / FILE
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"another sweep writes to {directory}: name another --out, or end it") from None
        done = {"ok"} if retry else {"ok", "failed"}
        yield Rows(file, {row["key"]: row for row in _read(file) if row["status"] in done})


def _read(file: BinaryIO) -> list[Row]:
    """Return the whole rows, and cut off what follows the last of them."""
    file.seek(0)
    text = file.read()
    whole = text.rfind(b"\n") + 1
    file.truncate(whole)
    try:
        rows = [json.loads(line) for line in text[:whole].splitlines()]
    except (ValueError, RecursionError):
        rows = [None]
    if not all(isinstance(row, dict) and {"key", "status", "seconds"} <= row.keys() for row in rows):
        raise ConfigError(f"{file.name} is damaged: move it away, and the sweep begins anew")
    return [row for row in rows if isinstance(row["key"], str) and isinstance(row["status"], str)]
