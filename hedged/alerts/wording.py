"""Words and numbers as a person reads them on a phone."""

from decimal import Decimal

from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from hedged.domain.market import SeriesKey
from hedged.secret import redact

LONGEST = 400
"""Characters of a text; what venues say may be longer."""


def lasted(ms: int) -> str:
    """Write a duration in two units at most: `42 s`, `35 min`, `3 h 20 min`, `2 d 4 h`."""
    ms = max(0, ms)
    if ms < 2 * MINUTE_MS:
        return f"{ms // SECOND_MS} s"
    if ms < HOUR_MS:
        return f"{ms // MINUTE_MS} min"
    if ms < DAY_MS:
        hours, minutes = divmod(ms // MINUTE_MS, 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(ms // HOUR_MS, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def line(text: str) -> str:
    """Make one line of a text, printable, without secrets and no longer than a phone shows."""
    text = " ".join("".join(c if c.isprintable() else " " for c in redact(text)).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 2].rstrip() + " …"


def market(key: SeriesKey) -> str:
    """Name a market as one would say it."""
    return f"{key.symbol} on {key.venue}"


def coins(quantity: Decimal) -> str:
    """Write a size, to four significant digits or as whole coins."""
    return f"{quantity:,.0f}" if abs(quantity) >= 10_000 else f"{float(quantity):.4g}"
