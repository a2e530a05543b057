"""Forecasters by the name used in the configuration and on the command line."""

from collections.abc import Callable
from pathlib import Path

import structlog

from hedged.domain.errors import ConfigError
from hedged.domain.forecast import STAND_IN
from hedged.forecast.coming import Reader
from hedged.forecast.ewma import EwmaConfig, EwmaForecaster
from hedged.forecast.fallback import WithFallback
from hedged.forecast.nowcast import NowcastForecaster
from hedged.forecast.port import Forecaster

log = structlog.get_logger(__name__)

FORECASTERS: dict[str, Callable[[], Forecaster]] = {
    STAND_IN: EwmaForecaster,
    "nowcast": NowcastForecaster,
    "persistence": lambda: EwmaForecaster(EwmaConfig(half_lives_h=(0.0,)), name="persistence"),
}
NAMES = ("ensemble", *FORECASTERS)


def make_forecaster(
    name: str,
    model: Path | None = None,
    reader: Reader | None = None,
    crowded_share: float | None = None,
    ensemble: Forecaster | None = None,
) -> Forecaster:
    """Make a forecaster; `model` is the ensemble's artefact, the shipped one when None.

    The ensemble leaves series whose history is short to the EWMA.
    `reader`: what is known of coming settlements beyond the bars; the nowcast reads it. `crowded_share`: tell cascades
    too, with the model's head, and from where on open interest is one-sided; None: nobody asks. `ensemble`: who speaks
    in its place.

    Raises ConfigError for an unknown name or an artefact that cannot be used.
    """
    made = _of_rates(name, model, reader, ensemble)
    return made if crowded_share is None else _with_cascades(made, model, crowded_share)


def _with_cascades(made: Forecaster, model: Path | None, crowded_share: float) -> Forecaster:
    """Add the cascade head; a model without one tells none."""
    from hedged.forecast.artefact import SHIPPED, load
    from hedged.forecast.cascade import CascadeHead
    from hedged.forecast.with_cascades import WithCascades

    artefact = load(model or SHIPPED)
    told = artefact.cascade()
    if told is None:
        log.warning("model_without_cascades", model=str(artefact.path))
        return made
    head = CascadeHead(told["model"], told["card"]["calibration"])
    return WithCascades(made, head, artefact.hash[:8], crowded_share)


def _of_rates(
    name: str, model: Path | None, reader: Reader | None, ensemble: Forecaster | None
) -> Forecaster:
    if name == "ensemble" and ensemble is not None:
        return WithFallback(ensemble, EwmaForecaster(), (name, STAND_IN))
    if name == "ensemble":
        # its library takes a while to import: not for those who run without
        from hedged.forecast.artefact import SHIPPED, load
        from hedged.forecast.ensemble import EnsembleForecaster

        return WithFallback(EnsembleForecaster(load(model or SHIPPED)), EwmaForecaster(), (name, STAND_IN))
    if name not in FORECASTERS:
        raise ConfigError(f"unknown forecaster {name!r}; there are: {', '.join(sorted(NAMES))}")
    return NowcastForecaster(reader=reader) if name == "nowcast" else FORECASTERS[name]()
