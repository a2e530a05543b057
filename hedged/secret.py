"""Secrets of the operator: read once from a file or the environment, never shown.

Texts of errors say what to change and never what was read.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from hedged.domain.errors import ConfigError

LARGEST_BYTES = 1_024  # a mnemonic of 24 words has at most 215


class Secret:
    """A text that no repr shows, so that no log and no traceback with locals does either."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        """Return the text; for the one call that needs it."""
        return self.__text

    def __repr__(self) -> str:
        return "<secret>"


def read_secret(setting: str, file: Path | None, variable: str | None, environ: Mapping[str, str]) -> Secret:
    """Read a secret from the one place that is given. `setting`: its name without `_file` or `_env`, for errors.

    Raises ConfigError when there is none or more than one place, or nothing there.
    """
    if (file is None) == (variable is None):
        raise ConfigError(f"give either {setting}_file or {setting}_env, one of them")
    secret = (
        read_secret_file(f"{setting}_file", file) if file else Secret(environ.get(variable or "", "").strip())
    )
    if variable and not secret.reveal():
        raise ConfigError(f"{setting}_env: the environment variable {variable} is not set")
    text = secret.reveal().strip()
    if not text or not text.isprintable() or not text.isascii():
        raise ConfigError(
            f"{setting}_{'file' if file else 'env'} holds no secret: one line of text is expected"
        )
    return Secret(text)


def read_secret_file(setting: str, file: Path) -> Secret:
    """Read a file that only its owner may read; the check and the read see the same file. Raises ConfigError."""
    try:
        with open(file, "rb", opener=_at_once) as stream:
            state = os.fstat(stream.fileno())
            if stat.S_IMODE(state.st_mode) & 0o077:
                raise ConfigError(
                    f"{setting} {file} can be read by others (mode {stat.S_IMODE(state.st_mode):04o}): "
                    f"chmod 600 {file}"
                )
            if not stat.S_ISREG(state.st_mode) or state.st_size > LARGEST_BYTES:
                raise ConfigError(f"{setting} {file} is no key: it should be a small text file")
            return Secret(stream.read(LARGEST_BYTES).decode("utf-8", errors="replace"))
    except OSError as error:
        raise ConfigError(f"{setting} {file} cannot be read: {error.strerror}") from None


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for whoever might write to a pipe."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
