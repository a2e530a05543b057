"""Forecasters by the name used in the configuration and on the command line."""

from collections.abc import Callable

from hedged.domain.errors import ConfigError
from hedged.forecast.ewma import EwmaConfig, EwmaForecaster
from hedged.forecast.port import Forecaster

FORECASTERS: dict[str, Callable[[], Forecaster]] = {
    "ewma": EwmaForecaster,
    "persistence": lambda: EwmaForecaster(EwmaConfig(half_lives_h=(0.0,)), name="persistence"),
}


def make_forecaster(name: str) -> Forecaster:
    """Make a forecaster. Raises ConfigError for an unknown name."""
    try:
        return FORECASTERS[name]()
    except KeyError:
        raise ConfigError(
            f"unknown forecaster {name!r}; there are: {', '.join(sorted(FORECASTERS))}"
        ) from None
