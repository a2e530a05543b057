"""Forecasters by the name used in the configuration and on the command line."""

from collections.abc import Callable
from pathlib import Path

from hedged.domain.errors import ConfigError
from hedged.domain.forecast import STAND_IN
from hedged.forecast.coming import Reader
from hedged.forecast.ewma import EwmaConfig, EwmaForecaster
from hedged.forecast.fallback import WithFallback
from hedged.forecast.nowcast import NowcastForecaster
from hedged.forecast.port import Forecaster

FORECASTERS: dict[str, Callable[[], Forecaster]] = {
    STAND_IN: EwmaForecaster,
    "nowcast": NowcastForecaster,
    "persistence": lambda: EwmaForecaster(EwmaConfig(half_lives_h=(0.0,)), name="persistence"),
}
NAMES = ("ensemble", *FORECASTERS)


def make_forecaster(name: str, model: Path | None = None, reader: Reader | None = None) -> Forecaster:
    """Make a forecaster; `model` is the ensemble's artefact, the shipped one when None.

    The ensemble leaves series whose history is short to the EWMA.
    `reader`: what is known of coming settlements beyond the bars; the nowcast reads it.

    Raises ConfigError for an unknown name or an artefact that cannot be used.
    """
    if name == "ensemble":
        # its library takes a while to import: not for those who run without
        from hedged.forecast.artefact import SHIPPED, load
        from hedged.forecast.ensemble import EnsembleForecaster

        return WithFallback(EnsembleForecaster(load(model or SHIPPED)), EwmaForecaster(), (name, STAND_IN))
    if name not in FORECASTERS:
        raise ConfigError(f"unknown forecaster {name!r}; there are: {', '.join(sorted(NAMES))}")
    return NowcastForecaster(reader=reader) if name == "nowcast" else FORECASTERS[name]()
