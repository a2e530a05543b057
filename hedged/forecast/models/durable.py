"""Files and folders that are there as a whole or not at all, whenever the process or the machine stops."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from hedged.directories import private

NEW = ".new"
"""What is being written ends in this; nobody reads it, and the next writer throws it away."""


def write_whole(path: Path, content: bytes) -> None:
    """Put a file in the place of another, at once and for good. Raises OSError."""
    new = path.with_name(path.name + NEW)
    _write(new, content)
    os.replace(new, path)
    sync(path.parent)


def make_whole(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder of these files, at once and for good; what is there of an earlier try goes. Raises OSError."""
    new = folder.with_name(folder.name + NEW)
    for stale in (new, folder):
        if stale.exists():
            shutil.rmtree(stale)
    new.mkdir(mode=0o700)
    for name, content in files.items():
        _write(new / name, content)
    sync(new)
    os.replace(new, folder)
    sync(folder.parent)


def sync(folder: Path) -> None:
    """Have the disk know the names in a folder. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    with open(path, "wb", opener=private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
