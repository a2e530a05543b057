"""Logs: one JSON object a line on stderr, event names static snake_case, time from the daemon's own clock.

What libraries log comes in the same form, as `library`. No line shows a secret that was read, whoever wrote it.
"""

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

from hedged.domain.clock import iso
from hedged.domain.wording import printable
from hedged.secret import redact


def configure_logs(now_ms: Callable[[], int], level: str, style: str) -> None:
    """Set up structlog. `style` is json or console; below `level` nothing is rendered at all."""

    def stamp(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        try:
            event["ts"] = iso(now_ms())
        except (
            RuntimeError
        ):  # no event loop runs, so a virtual clock has no time: before the start or after the end
            event["ts"] = None
        return event

    renderers: list[Any] = [structlog.processors.JSONRenderer()]
    if style == "console":
        renderers = [_shown, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="ts")]
    structlog.configure(
        processors=[
            stamp,
            structlog.processors.add_log_level,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _ordered,
            *renderers,
            _redacted,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Library()], level=logging.WARNING, force=True)


def _ordered(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put time, level and event first, so that a line reads from the left."""
    return {key: event.pop(key, None) for key in ("ts", "level", "event")} | dict(event)


def _shown(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take control characters out of texts, which JSON would have escaped."""
    return {key: printable(value) if isinstance(value, str) else value for key, value in event.items()}


def _redacted(_: object, __: str, line: Any) -> str:
    return redact(str(line))


class _Library(logging.Handler):
    """Passes on what libraries log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record as one of ours."""
        log = structlog.get_logger(record.name)
        more = {"exc_info": record.exc_info} if record.exc_info else {}
        try:
            told = record.getMessage()
        except Exception:  # the library's own format does not fit its arguments
            told = str(record.msg)
        tell = log.error if record.levelno >= logging.ERROR else log.warning
        tell("library", logger=record.name, told=told, **more)
