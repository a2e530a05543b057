"""How the report writes numbers, names and instants. Everything returned by `esc` and `*_html` is safe HTML."""

import html
import math
from datetime import UTC, datetime
from typing import Any

MINUS = "\u2212"
THIN = "\u202f"
LARGE_USD = 100_000
NAMES = {
    "injective": "Injective",
    "hyperliquid": "Hyperliquid",
    "okx": "OKX",
    "bybit": "Bybit",
    "binance": "Binance",
}


def esc(value: object) -> str:
    """Escape a text for HTML, attributes included."""
    return html.escape(str(value), quote=True)


def number(value: float | None, digits: int = 2, plus: bool = False) -> str:
    """Write a number with thousands separators, a true minus and no negative zero; unknown is a dash."""
    if value is None or not math.isfinite(value):
        return "\u2013"
    text = f"{abs(value):,.{digits}f}"
    if not text.strip("0.,"):
        return text
    return (MINUS if value < 0 else "+" if plus else "") + text


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


def percent(share: float, digits: int = 0) -> str:
    """Write a share as a percentage."""
    return f"{number(100 * share, digits)}{THIN}%"


def venue(name: str) -> str:
    """Write a venue's name as it writes itself."""
    return NAMES.get(name.lower(), name[:1].upper() + name[1:])


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
    return f"{at.day} {at:%B %Y}" if at else str(value)


def value_html(value: Any) -> str:
    """Write any JSON value, however nested, as a definition list or plain text."""
    if isinstance(value, dict):
        rows = "".join(
            f"<div><dt>{esc(words(k))}</dt><dd>{value_html(v)}</dd></div>" for k, v in value.items()
        )
        return f"<dl>{rows}</dl>" if rows else "\u2013"
    if isinstance(value, list):
        return ", ".join(value_html(item) for item in value) or "\u2013"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return esc(f"{value:,.10g}".replace("-", MINUS, 1) if value < 0 else f"{value:,.10g}")
    return "\u2013" if value is None else esc(value)
