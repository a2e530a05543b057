"""Instants as a person types them."""

import re
from datetime import UTC, datetime

from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from hedged.domain.errors import ConfigError

UNITS = {"s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec\w*|m|min\w*|h|hour\w*|d|day\w*)\s+ago")


def when_ms(text: str, now_ms: int) -> int:
    """Read "2026-11-20 14:00" (UTC unless it names an offset), "2026-11-20", "now" or "3h ago" as ms.

    Raises ConfigError with examples.
    """
    told = text.strip().lower()
    if told == "now":
        return now_ms
    if found := _AGO.fullmatch(told):
        return now_ms - round(float(found[1]) * UNITS[found[2][0]])
    try:
        instant = datetime.fromisoformat(text.strip().replace("z", "Z"))
    except ValueError:
        raise ConfigError(
            f'--at {text!r} is no time: write "2026-11-20 14:00" (UTC), "2026-11-20T14:00+01:00" or "3h ago"'
        ) from None
    return round((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp() * 1_000)
