"""Asking the daemon that runs on a state directory, as the commands do: by its own address, past any proxy."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from hedged.config import Config
from hedged.control.api import read_token
from hedged.control.lease import read_sign
from hedged.domain.errors import ConfigError, Fatal, Retryable
from hedged.secret import Secret

WITHIN_S = 10.0
LARGEST_ANSWER = 16_000_000
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
"""Addresses that are listened at, and where those are found."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the daemon answered."""

    status: int
    body: dict[str, Any]


def lives(config: Config) -> bool:
    """Tell whether a daemon runs on this state directory, also one in another container: its sign of life is fresh."""
    sign = read_sign(config.state_dir)
    return sign is not None and (sign.alive or sign.silent_s <= config.control.silent_after_s)


def address_of(config: Config) -> tuple[str, int]:
    """Return where the daemon listens: as its sign of life says, else as the configuration does."""
    sign = read_sign(config.state_dir)
    if sign is not None and sign.url and lives(config):
        parts = urlsplit(sign.url)
        host, port = parts.hostname or "", parts.port or 0
    else:
        host, port = config.telemetry.host.strip("[]"), config.telemetry.port
    return ANYWHERE.get(host, host), port


def token_of(config: Config) -> Secret:
    """Return the token of the control API. Raises ConfigError where none is configured."""
    token = read_token(config)
    if token is None:
        raise ConfigError(
            "no token is configured, and the daemon tells this to nobody without: telemetry.token_file"
        )
    return token


def ask(
    config: Config,
    method: str,
    path: str,
    body: Any = None,
    token: Secret | None = None,
    within_s: float = WITHIN_S,
) -> Answer:
    """Ask the daemon. Raises Retryable where it does not answer, Fatal where it refuses the request as such.

    A token goes to nobody but the daemon on this state directory: at its port another one may listen by now.
    """
    if token is not None and not lives(config):
        raise Retryable(f"no daemon runs on {config.state_dir}")
    host, port = address_of(config)
    headers = {"User-Agent": "hedged"} | ({"Authorization": f"Bearer {token.reveal()}"} if token else {})
    status, raw = _asked(
        host, port, within_s, method, path, None if body is None else json.dumps(body), headers
    )
    try:
        found = json.loads(raw)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Retryable(
            f"{host}:{port} is no hedged daemon, or one of another version: its answer cannot be read"
        )
    if status in (401, 403, 421, 429):
        raise Fatal(f"the daemon at {host}:{port} refuses this: {found.get('error', status)}")
    return Answer(status, found)


def _asked(
    host: str, port: int, within_s: float, method: str, path: str, body: str | None, headers: dict[str, str]
) -> tuple[int, bytes]:
    """Return status and body. Raises Retryable."""
    connection = http.client.HTTPConnection(host, port, timeout=within_s)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(LARGEST_ANSWER)
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise Retryable(f"no answer from {host}:{port}: {why}") from None
    finally:
        connection.close()
