"""Who is told, and how a message gets there: one service each, reached through apprise, which knows them all.

A delivery blocks, so it is made in a thread (`couriers.py`). The address holds a token: it stands in no log, no error
and no answer of this module.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from hedged.alerts.wording import line
from hedged.config import AlertsConfig, AlertTargetConfig
from hedged.domain.alert import Alert, Kind, Severity
from hedged.domain.errors import ConfigError
from hedged.secret import Secret, read_secret

if TYPE_CHECKING:
    from apprise import Apprise

HIDDEN = "…"
SHORTEST = 6
"""Pieces of an address of so many characters may be a token, and are taken out of what the library says."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message on its way. `at_ms`: when it was written."""

    title: str
    body: str
    severity: Severity
    at_ms: int


class Target:
    """One service."""

    def __init__(self, name: str, config: AlertTargetConfig, url: Secret) -> None:
        """Raises ConfigError for an address that no service is known for, or that turns TLS verification off."""
        self.name = name
        self._level, self._kinds = config.severity, config.kinds
        self._service = _service(name, url)
        self._pieces = _pieces(url)

    def wants(self, alert: Alert) -> bool:
        """Tell whether it is to be told of an alert of this kind and severity."""
        known = self._kinds is None or alert.kind in self._kinds or alert.kind is Kind.HELD_BACK
        return known and alert.severity >= self._level

    def send(self, letter: Letter) -> str:
        """Deliver; return why that failed, empty where it was taken. Blocks, for as long as the service likes."""
        from apprise import NotifyFormat, NotifyType

        kind = {
            Severity.CRITICAL: NotifyType.FAILURE,
            Severity.WARNING: NotifyType.WARNING,
            Severity.INFO: NotifyType.INFO,
        }[letter.severity]
        said: list[str] = []
        try:
            taken = self._service.notify(
                letter.body, letter.title, kind, NotifyFormat.TEXT.value,
                log_callback=lambda entry, _: said.append(entry.message), log_level=logging.WARNING,
            )  # fmt: skip
        except Exception as error:  # a service of the library's hundreds may fail in a way of its own
            said.append(type(error).__name__)
            taken = None
        return "" if taken else self._clean(said[-1] if said else "the service did not take it")

    def _clean(self, text: str) -> str:
        for piece in self._pieces:
            text = text.replace(piece, HIDDEN)
        return line(text)


def read_targets(config: AlertsConfig, environ: Mapping[str, str]) -> tuple[Target, ...]:
    """Read every address and find its service. Raises ConfigError with the name of the target and what to do.

    The library is loaded with the first of them; that takes half a second.
    """
    return tuple(
        Target(name, one, read_secret(f"alerts.targets.{name}.url", one.url_file, one.url_env, environ))
        for name, one in sorted(config.targets.items())
    )


def read_heartbeat(config: AlertsConfig, environ: Mapping[str, str]) -> Secret | None:
    """Read the address of the dead man's switch; None where there is none. Raises ConfigError."""
    if config.heartbeat is None:
        return None
    where = config.heartbeat
    url = read_secret("alerts.heartbeat.url", where.url_file, where.url_env, environ)
    if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", url.reveal()):
        raise ConfigError("alerts.heartbeat.url should be an address that begins with https:// (or http://)")
    return url


def _service(name: str, url: Secret) -> "Apprise":
    from apprise import Apprise, AppriseAsset, PersistentStoreMode

    # it prints an address that it does not understand, and what it sends through prints paths
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    asset = AppriseAsset(
        app_id="hedged", app_desc="hedged", app_url="", image_url_mask="", image_url_logo="", http_redirects=False,
        secure_logging=True, storage_mode=PersistentStoreMode.MEMORY, service_timeout=0, allow_templates=False,
    )  # fmt: skip
    service = Apprise(asset=asset)
    if not service.add(url.reveal()) or len(list(service)) != 1:
        raise ConfigError(
            f"alerts.targets.{name}.url is no address of a service: one like tgram://TOKEN/CHAT is expected, see "
            "docs/alerts.md"
        )
    if not service[0].verify_certificate:
        raise ConfigError(
            f"alerts.targets.{name}.url turns the check of certificates off: take verify=no away"
        )
    return service


def _pieces(url: Secret) -> tuple[str, ...]:
    """Return the parts of an address that may be secret, as written and decoded, the longest first."""
    text = url.reveal()
    found = {text, *re.split(r"[/?&=@:#,;]+", text), *re.split(r"[/?&=@:#,;]+", unquote(text))}
    return tuple(sorted((piece for piece in found if len(piece) >= SHORTEST), key=len, reverse=True))
