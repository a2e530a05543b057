"""How the evaluation's page writes figures, and its names of forecasters, horizons and venue classes."""

from hedged.page import wording

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


def forecaster(name: str) -> str:
    """Write a forecaster's name; one that is not known stays as it is."""
    return FORECASTERS.get(name, name)


def number(value: float | None, digits: int = 3) -> str:
    """Write a figure; unknown is a dash."""
    return wording.number(value, digits)


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share as a percentage; unknown is a dash."""
    return wording.percent(share, digits)
