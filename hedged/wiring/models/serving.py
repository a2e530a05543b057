"""Which model serves: the one that the configuration names, else the registry's champion.

A champion that cannot be opened is not served: the one before it is, else the model that ships. Protection goes on, and
every decision carries the hash of what really speaks.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from hedged.config import Config
from hedged.domain.errors import ConfigError
from hedged.forecast.artefact import Artefact
from hedged.forecast.coming import Reader
from hedged.forecast.models.history import SHIPPED, History
from hedged.forecast.models.registry import ModelRegistry
from hedged.forecast.port import Forecaster
from hedged.forecast.registry import make_forecaster

if TYPE_CHECKING:
    from hedged.forecast.ensemble import EnsembleForecaster

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """Who forecasts. `model`: as the registry calls it, empty where the configuration decides; `ensemble`: what others
    may succeed, then; `refused`: by model why it does not serve though it should.
    """

    model: str
    forecaster: Forecaster
    ensemble: "EnsembleForecaster | None" = None
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def why(self) -> str:
        """Say who does not serve, and why; empty where all is as it should be."""
        return "; ".join(f"{model}: {text}" for model, text in self.refused)


def from_registry(config: Config) -> bool:
    """Tell whether the registry says which model serves."""
    return config.hedge.forecaster == "ensemble" and config.hedge.model is None


def open_served(config: Config, reader: Reader | None = None) -> Served:
    """Open who forecasts. Raises ConfigError where that is for the configuration to say, or nothing can be opened."""
    hedge, share = config.hedge, config.strategies.crowded_share
    if not from_registry(config):
        if hedge.forecaster == "ensemble":
            log.info(
                "model_by_configuration", path=str(hedge.model), note="the registry's champion is not asked"
            )
        return Served("", make_forecaster(hedge.forecaster, hedge.model, reader, share))
    registry, refused = ModelRegistry.of(config.state_dir), list[tuple[str, str]]()
    for model in _to_serve(registry, refused):
        try:
            ensemble, forecaster = speaking(registry.open(model), share)
        except Exception as error:  # whatever a file may hold and the graph's library may say of it
            if model == SHIPPED:
                raise
            refused.append((model, _reason(error)))
            log.error("model_refused", model=model, why=_reason(error), does="the one before it is tried")
        else:
            return Served(model, forecaster, ensemble, tuple(refused))
    raise AssertionError("the shipped model is always among them")


def speaking(artefact: Artefact, crowded_share: float | None) -> "tuple[EnsembleForecaster, Forecaster]":
    """Make an artefact speak: the ensemble, and it with its fallback and its own cascade head.

    Raises ConfigError, or what the graphs' library raises for one that is none.
    """
    # its library takes a while to import: not for those who run without
    from hedged.forecast.ensemble import EnsembleForecaster

    ensemble = EnsembleForecaster(artefact)
    path = artefact.path
    return ensemble, make_forecaster("ensemble", path, crowded_share=crowded_share, ensemble=ensemble)


def opened(artefact: Artefact) -> None:
    """Open an artefact as the daemon would. Raises ConfigError for one that could not serve."""
    try:
        speaking(artefact, None)
    except ConfigError:
        raise
    except Exception as error:  # whatever the graph's library says of a file that is no graph
        raise ConfigError(f"{artefact.path} cannot be served: {_reason(error)}") from None


def model_path(config: Config) -> Path | None:
    """Return where the model lies that a daemon would serve now; None: the one that ships, or none is asked for."""
    if not from_registry(config):
        return config.hedge.model
    registry = ModelRegistry.of(config.state_dir)
    for model in _to_serve(registry, []):
        try:
            return None if model == SHIPPED else registry.open(model).path
        except ConfigError:
            continue
    return None


def _to_serve(registry: ModelRegistry, refused: list[tuple[str, str]]) -> tuple[str, ...]:
    """Return whom to try; a registry that cannot be read names nobody."""
    try:
        return registry.read().to_serve
    except ConfigError as error:
        refused.append(("registry", str(error)))
        log.error("model_refused", model="registry", why=str(error), does="the shipped model serves")
        return History().to_serve


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
