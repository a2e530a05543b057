"""How the page writes numbers and names. What `esc` and `embeddable` return is safe inside HTML."""

import html
import json
import math
from datetime import datetime

MINUS = "\u2212"
THIN = "\u202f"
DASH = "\u2013"
FORECASTERS = {
    "hedged": "hedged",
    "lightgbm": "LightGBM",
    "ewma": "Tuned EWMA",
    "persistence": "Persistence",
    "seasonal": "Same hour, 7 days",
    "ridge": "Linear regression",
    "arima": "AutoARIMA",
    "zero": "Zero",
}
HORIZON_NAMES = {
    "s1": "Next settlement",
    "s3": "Third settlement",
    "m24h": "Mean of 24 h",
    "m120h": "Mean of 120 h",
}
CLASS_NAMES = {"slow": "Slow venues", "hourly": "Hourly venues"}
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


def forecaster(name: str) -> str:
    """Write a forecaster's name; one that is not known stays as it is."""
    return FORECASTERS.get(name, name)


def venue(name: str) -> str:
    """Write a venue's name as it writes itself."""
    return VENUES.get(name, name[:1].upper() + name[1:])


def number(value: float | None, digits: int = 3) -> str:
    """Write a number with thousands separators and a true minus; unknown is a dash."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{abs(value):,.{digits}f}"
    return (MINUS if value < 0 and text.strip("0.,") else "") + text


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share as a percentage; unknown is a dash."""
    return DASH if share is None or not math.isfinite(share) else f"{number(100 * share, digits)}{THIN}%"


def day(at: datetime) -> str:
    """Write an instant's day as 3 January 2025."""
    return f"{at.day} {at:%B %Y}"


def embeddable(data: object) -> str:
    """Write JSON that is safe inside a <script> element, whatever texts it holds."""
    dumped = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    for char in "<>&\u2028\u2029":
        dumped = dumped.replace(char, f"\\u{ord(char):04x}")
    return dumped
