"""The port that every forecaster implements, and the choice of one by name."""

import hashlib
import json
from collections.abc import Mapping
from typing import Protocol

from hedged.domain.forecast import ForecastSet
from hedged.features.resample import HourlyGrid


class Forecaster(Protocol):
    """A pure function from the hourly grid to a ForecastSet, with hashes that say which function it is."""

    @property
    def model_hash(self) -> str:
        """Identify the model with its parameters."""
        ...

    @property
    def feature_hash(self) -> str:
        """Identify the feature schema it was made for."""
        ...

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        """Forecast every series of the grid that has history enough; the others are left out, never guessed."""
        ...


def parameter_hash(name: str, version: int, parameters: Mapping[str, object]) -> str:
    """Hash a model's name, code version and parameters to 16 hex digits."""
    text = json.dumps({"name": name, "version": version, "parameters": parameters}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
