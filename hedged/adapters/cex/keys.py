"""API keys: read once from a file or the environment, handed to ccxt, never shown.

A file holds `key`, `secret` and, at OKX, `passphrase` as `name: value` lines (or `name = value`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from hedged.config.cex import CexVenueConfig
from hedged.domain.errors import ConfigError
from hedged.secret import hide, read_secret_file, read_variable

NAMES = ("key", "secret", "passphrase")
HIDDEN = "<hidden>"


class ApiKey:
    """Key, secret and passphrase of one account. Printing, logging, copying or pickling it gives nothing away."""

    __slots__ = ("__parts", "venue")

    def __init__(self, venue: str, key: str, secret: str, passphrase: str = "") -> None:
        self.venue = venue
        self.__parts = (key, secret, passphrase)
        hide(*self.__parts)

    def reveal(self) -> dict[str, str]:
        """Return what ccxt is configured with; for it alone."""
        key, secret, passphrase = self.__parts
        settings = {"apiKey": key, "secret": secret}
        return settings | ({"password": passphrase} if passphrase else {})

    def redact(self, text: str) -> str:
        """Return a text without any part of the key: exchanges quote it in their complaints."""
        for part in self.__parts:
            if part:
                text = text.replace(part, HIDDEN)
        return text

    def __repr__(self) -> str:
        return f"<ApiKey of {self.venue}>"

    def __copy__(self) -> "ApiKey":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "ApiKey":
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("an API key is never written anywhere")


def load_api_key(venue: str, config: CexVenueConfig, environ: Mapping[str, str]) -> ApiKey | None:
    """Read the key of a venue; None where none is configured. Raises ConfigError that never says what was read."""
    if config.key_file is not None:
        return _of_file(venue, config.key_file)
    if config.key_env is None:
        return None
    names = {"key": config.key_env, "secret": config.secret_env, "passphrase": config.passphrase_env}
    parts = {
        part: read_variable(f"cex.{venue}.{part}_env", name, environ).reveal()
        for part, name in names.items()
        if name is not None
    }
    return _checked(venue, parts, f"cex.{venue}.key_env")


def _of_file(venue: str, file: Path) -> ApiKey:
    """Read a file that only its owner may read."""
    setting = f"cex.{venue}.key_file"
    where = f"{setting} {file}"
    parts: dict[str, str] = {}
    for number, line in enumerate(read_secret_file(setting, file).reveal().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, mark, value = line.partition(":" if ":" in line.split("=", 1)[0] else "=")
        if not mark or name.strip() not in NAMES:
            raise ConfigError(
                f"{where}, line {number}: expected `key: ...`, `secret: ...` or `passphrase: ...`"
            )
        parts[name.strip()] = value.strip().strip("\"'")
    return _checked(venue, parts, where)


def _checked(venue: str, parts: Mapping[str, str], where: str) -> ApiKey:
    missing = [name for name in ("key", "secret") if not parts.get(name)]
    if venue == "okx" and not parts.get("passphrase"):
        missing.append("passphrase")
    if missing:
        raise ConfigError(f"{where} lacks {', '.join(missing)}")
    if any(not value.isprintable() for value in parts.values()):
        raise ConfigError(f"{where} holds characters that no key has")
    return ApiKey(venue, parts["key"], parts["secret"], parts.get("passphrase", ""))
