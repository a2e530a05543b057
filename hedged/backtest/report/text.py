"""How the report writes amounts, fields and instants. Everything returned by `*_html` is safe HTML."""

import math
from datetime import UTC, datetime
from typing import Any

from hedged.page import wording
from hedged.page.wording import DASH, MINUS, esc, number

LARGE_USD = 100_000


def usd(value: float | None, plus: bool = False) -> str:
    """Write an amount in USD without its unit; cents only where they still tell something."""
    small = value is None or not math.isfinite(value) or abs(value) < LARGE_USD
    return number(value, 2 if small else 0, plus)


def quantity(value: float | None) -> str:
    """Write a quantity of coins with what digits it needs."""
    if value is None or not math.isfinite(value):
        return number(None)
    text = number(value, 6)
    return text.rstrip("0").rstrip(".") if "." in text else text


def words(key: str) -> str:
    """Turn a field's name into words: `half_spread_bps` → `Half spread bps`."""
    text = key.replace("_", " ").strip().replace(" usd", " USD").replace("pnl", "PnL")
    return text[:1].upper() + text[1:]


def instant(value: object) -> datetime | None:
    """Parse an ISO instant, UTC unless it says otherwise; None where it is none."""
    try:
        parsed = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def day(value: object) -> str:
    """Write the day of an ISO instant as 3 January 2025; what is no instant stays as it is."""
    at = instant(value)
    return wording.day(at) if at else str(value)


def day_of_ms(ts_ms: int) -> str:
    """Write the day of an instant in ms as 3 January 2025."""
    return wording.day(datetime.fromtimestamp(ts_ms / 1_000, UTC))


def value_html(value: Any) -> str:
    """Write any JSON value, however nested, as a definition list or plain text."""
    if isinstance(value, dict):
        rows = "".join(
            f"<div><dt>{esc(words(k))}</dt><dd>{value_html(v)}</dd></div>" for k, v in value.items()
        )
        return f"<dl>{rows}</dl>" if rows else DASH
    if isinstance(value, list):
        return ", ".join(value_html(item) for item in value) or DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return esc(f"{value:,.10g}".replace("-", MINUS, 1) if value < 0 else f"{value:,.10g}")
    return DASH if value is None else esc(value)
