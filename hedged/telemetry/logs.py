"""Logs: one JSON object a line on stderr, event names static snake_case, time from the daemon's own clock."""

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

from hedged.domain.clock import iso
from hedged.domain.wording import printable


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
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _shown(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take control characters out of texts, which JSON would have escaped."""
    return {key: printable(value) if isinstance(value, str) else value for key, value in event.items()}


def _ordered(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put time, level and event first, so that a line reads from the left."""
    return {key: event.pop(key, None) for key in ("ts", "level", "event")} | dict(event)
