"""Directories that the program writes to, checked before the work and not after it; files for their owner alone."""

import os
import stat
import tempfile
from pathlib import Path

from hedged.domain.errors import ConfigError


def make_directory(directory: Path) -> Path:
    """Make a directory and try it. Raises ConfigError with the reason when it cannot be written."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return directory
    except OSError as error:
        raise ConfigError(f"{directory} cannot be written: {error.strerror}") from None


def make_private_directory(directory: Path) -> Path:
    """Make a directory that its owner alone may enter, and try it.

    Raises ConfigError when it cannot be written, or is there already and anybody may write to it: whoever does could
    put a journal, a lock or a KILL of his own there.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        mode = directory.stat().st_mode
    except OSError as error:
        raise ConfigError(f"{directory} cannot be written: {error.strerror}") from None
    if mode & stat.S_IWOTH:
        raise ConfigError(
            f"{directory} can be written by everybody (mode {stat.S_IMODE(mode):04o}): chmod 700 {directory}, or name "
            "a new directory inside it"
        )
    return make_directory(directory)


def open_to_others(directory: Path) -> str:
    """Say that others than its owner may enter a directory, and what to do; empty where they may not."""
    try:
        mode = stat.S_IMODE(directory.stat().st_mode)
    except OSError:
        return ""
    return f"{directory} is open to others (mode {mode:04o}): chmod 700 {directory}" if mode & 0o077 else ""


def private(path: str, flags: int) -> int:
    """Open for `open(..., opener=private)`: a new file is its owner's alone, under any umask; no link is followed."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def make_private_file(path: Path) -> None:
    """Make an empty file that is its owner's alone, unless there is one already. Raises OSError."""
    try:
        os.close(private(str(path), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        pass
