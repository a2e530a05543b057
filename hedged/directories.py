"""Directories that the program writes to, checked before the work and not after it."""

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
