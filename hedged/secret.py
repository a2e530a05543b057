"""Secrets of the operator: read once from a file or the environment, never shown.

Texts of errors say what to change and never what was read. What was read is known to `redact`, through which every line
of the log, every traceback and every error of a command passes: an SDK may quote a key, or an address with a signature.
"""

import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from hedged.domain.errors import ConfigError

LARGEST_BYTES = 1_024  # a mnemonic of 24 words has at most 215
LEAST_HIDDEN = 8
"""Shorter texts are not looked for: they would be found in innocent words."""
MASK = "<hidden>"
MOUNTED = Path("/run/secrets")
"""Where container engines put secrets, readable by all: in a container that is nobody else."""
_QUERY = re.compile(r"(?i)([?&](?:signature|sign|api_?key|key|token|secret|passphrase|password)=)[^&\s\"']+")
_LIKE_A_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,40}")


class _Known:
    """What was read in this process, as one pattern; the longest first, or a part would be left standing."""

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, text: str) -> None:
        if text not in self._texts:
            self._texts.add(text)
            self._pattern = None

    def mask(self, text: str) -> str:
        if self._pattern is None and self._texts:
            longest = sorted(self._texts, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest)))
        return self._pattern.sub(MASK, text) if self._pattern else text


_KNOWN = _Known()


def hide(*texts: str) -> None:
    """Let `redact` know what must never be shown, from now on and in this whole process."""
    for text in texts:
        if len(text) >= LEAST_HIDDEN:
            _KNOWN.add(text)
            _KNOWN.add(json.dumps(text)[1:-1])


def redact(text: str) -> str:
    """Return a text without any secret that was read, and without signatures and keys in addresses."""
    return _QUERY.sub(rf"\1{MASK}", _KNOWN.mask(text))


class Secret:
    """A text that no repr shows, so that no log and no traceback with locals does either."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text
        hide(text.strip())

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
    if file is not None:
        secret = read_secret_file(f"{setting}_file", file)
    else:
        secret = read_variable(f"{setting}_env", variable or "", environ)
    text = secret.reveal().strip()
    if not text or not text.isprintable() or not text.isascii():
        raise ConfigError(
            f"{setting}_{'file' if file else 'env'} holds no secret: one line of text is expected"
        )
    return Secret(text)


def read_variable(setting: str, name: str, environ: Mapping[str, str]) -> Secret:
    """Read an environment variable; where NAME is not set, the file that NAME_FILE names, as container engines do it.

    Raises ConfigError where neither is set, or both.
    """
    text, file = environ.get(name, "").strip(), environ.get(f"{name}_FILE", "").strip()
    shown = name if _LIKE_A_NAME.fullmatch(name) else "that it names"
    if text and file:
        raise ConfigError(f"{setting}: {shown} and {shown}_FILE are both set: keep one")
    if file:
        return Secret(read_secret_file(f"{setting}, {shown}_FILE:", Path(file)).reveal().strip())
    if not text:
        raise ConfigError(f"{setting}: the environment variable {shown} is not set, nor is {shown}_FILE")
    return Secret(text)


def read_secret_file(setting: str, file: Path) -> Secret:
    """Read a file that only its owner may read; the check and the read see the same file. Raises ConfigError."""
    where = f"{setting} {shown_path(file)}"
    try:
        with open(file, "rb", opener=_at_once) as stream:
            state = os.fstat(stream.fileno())
            if not _private(state, file):
                raise ConfigError(
                    f"{where} can be read by others (mode {stat.S_IMODE(state.st_mode):04o}): "
                    f"chmod 600 {shown_path(file)}"
                )
            if not stat.S_ISREG(state.st_mode) or state.st_size > LARGEST_BYTES:
                raise ConfigError(f"{where} is no key: it should be a small text file")
            return Secret(stream.read(LARGEST_BYTES).decode("utf-8", errors="replace"))
    except OSError as error:
        raise ConfigError(f"{where} cannot be read: {error.strerror}") from None
    except ValueError:  # a null byte: whatever was written there is no name of a file
        raise ConfigError(f"{where} cannot be read") from None


def shown_path(file: Path) -> str:
    """Write a path; what looks like the secret itself, put there by mistake, is not repeated."""
    text = str(file)
    like_a_path = file.is_absolute() or file.suffix or len(file.parts) > 1 or len(text) < LEAST_HIDDEN * 2
    return (
        text if like_a_path and " " not in text else "(which looks like the secret itself, not like a file)"
    )


def _private(state: os.stat_result, file: Path) -> bool:
    """Tell whether a file is for us alone. What root hands us is: by our group, or among a container's secrets."""
    mode = stat.S_IMODE(state.st_mode)
    if not mode & 0o077:
        return True
    handed = state.st_uid == 0 != os.geteuid() and not mode & 0o022
    return handed and (not mode & 0o007 or MOUNTED in file.resolve().parents)


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for whoever might write to a pipe."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
