"""How pages write numbers, names and days. What `esc`, `embeddable`, `listed` and `scrolling` return is safe HTML."""

import html
import json
import math
from collections.abc import Mapping
from datetime import datetime

MINUS = "\u2212"
THIN = "\u202f"
DASH = "\u2013"
VENUES = {
    "okx": "OKX",
    "htx": "HTX",
    "mexc": "MEXC",
    "bitmex": "BitMEX",
    "dydx_v3": "dYdX v3",
    "kucoin": "KuCoin",
}


def esc(value: object) -> str:
    """Escape a text for HTML, attributes included."""
    return html.escape(str(value), quote=True)


def number(value: float | None, digits: int = 2, plus: bool = False) -> str:
    """Write a number with thousands separators, a true minus and no negative zero; unknown is a dash."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{abs(value):,.{digits}f}"
    if not text.strip("0.,"):
        return text
    return (MINUS if value < 0 else "+" if plus else "") + text


def percent(share: float | None, digits: int = 0) -> str:
    """Write a share as a percentage; unknown is a dash."""
    return DASH if share is None or not math.isfinite(share) else f"{number(100 * share, digits)}{THIN}%"


def venue(name: str) -> str:
    """Write a venue's name as it writes itself."""
    return VENUES.get(name.lower(), name[:1].upper() + name[1:])


def day(at: datetime) -> str:
    """Write an instant's day as 3 January 2025."""
    return f"{at.day} {at:%B %Y}"


def embeddable(data: object) -> str:
    """Write JSON that is safe inside a <script> element, whatever texts it holds."""
    dumped = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    for char in "<>&\u2028\u2029":
        dumped = dumped.replace(char, f"\\u{ord(char):04x}")
    return dumped


def listed(texts: Mapping[str, str]) -> str:
    """Return a list of terms and what they mean."""
    rows = "".join(f"<div><dt>{esc(name)}</dt><dd>{esc(text)}</dd></div>" for name, text in texts.items())
    return f"<dl>{rows}</dl>"


def scrolling(label: str, inner: str, look: str = "", box: str = "scroll") -> str:
    """Return a table that scrolls inside its box; `inner` is safe HTML; `look` and `box` are their classes."""
    return (
        f'<div class="{box}" role="region" aria-label="{esc(label)}" tabindex="0">'
        f'<table class="{look}"><caption>{esc(label)}</caption>{inner}</table></div>'
    )
