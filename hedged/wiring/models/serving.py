"""Which model serves: the one that the configuration names, else the registry's champion.

A champion that cannot be opened is not served: the one before it is, else the model that ships, else the EWMA.
Protection goes on, and every decision carries the hash of what really speaks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from hedged.config import Config
from hedged.domain.clock import ms_of
from hedged.domain.errors import ConfigError
from hedged.domain.forecast import STAND_IN
from hedged.forecast.artefact import Artefact
from hedged.forecast.coming import Reader
from hedged.forecast.fallback import StandIn
from hedged.forecast.models.history import SHIPPED, History
from hedged.forecast.models.registry import ModelRegistry
from hedged.forecast.port import Forecaster
from hedged.forecast.registry import NAMES, make_forecaster

if TYPE_CHECKING:
    from hedged.forecast.ensemble import EnsembleForecaster

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """Who forecasts. `model`: as the registry calls it, empty where the configuration decides; `ensemble`: what others
    may succeed, then; `refused`: by model why it does not serve though it should; `benched`: who gave way to the EWMA
    that serves here, why and when.
    """

    model: str
    forecaster: Forecaster
    ensemble: "EnsembleForecaster | None" = None
    refused: tuple[tuple[str, str], ...] = ()
    benched: "Served | None" = None
    benched_why: str = ""
    benched_ms: int = 0

    @property
    def name(self) -> str:
        """What it is called, also where the configuration names it."""
        return self.model or "the configured model"

    @property
    def scored_as(self) -> str:
        """What its scores are kept under: its name, of one that the configuration names its hash."""
        return self.model or self.forecaster.model_hash.split("+")[0]

    @property
    def why(self) -> str:
        """Say who does not serve, and why; empty where all is as it should be."""
        return "; ".join(f"{model}: {text}" for model, text in self.refused)


def from_registry(config: Config) -> bool:
    """Tell whether the registry says which model serves."""
    return config.hedge.forecaster == "ensemble" and config.hedge.model is None


def open_served(config: Config, reader: Reader | None = None) -> Served:
    """Open who forecasts: the EWMA where nothing else can be opened. Raises ConfigError for an unknown name."""
    hedge, share = config.hedge, config.strategies.crowded_share
    if not from_registry(config):
        if hedge.forecaster == "ensemble":
            log.info(
                "model_by_configuration", path=str(hedge.model), note="the registry's champion is not asked"
            )
        return _configured(config, reader)
    registry, refused = ModelRegistry.of(config.state_dir), list[tuple[str, str]]()
    for model in _to_serve(registry, refused):
        try:
            ensemble, forecaster = speaking(registry.open(model), share)
        except Exception as error:  # whatever a file may hold and the graph's library may say of it
            refused.append((model, _reason(error)))
            does = "the EWMA stands in" if model == SHIPPED else "the one before it is tried"
            log.error("model_refused", model=model, why=_reason(error), does=does)
        else:
            served = Served(model, forecaster, ensemble, tuple(refused))
            return _unless_demoted(served, registry)
    return _stood_in(refused)


def open_again(config: Config, served: Served) -> Served:
    """Open one that gave way once more, without what it remembers. Raises what its opening raises."""
    if from_registry(config):
        ensemble, forecaster = speaking(
            ModelRegistry.of(config.state_dir).open(served.model), config.strategies.crowded_share
        )
        return Served(served.model, forecaster, ensemble)
    if config.hedge.forecaster != "ensemble":
        return served  # made of nothing but its name
    return Served("", make_forecaster("ensemble", config.hedge.model, None, config.strategies.crowded_share))


def _configured(config: Config, reader: Reader | None) -> Served:
    """Open whom the configuration names. Raises ConfigError for an unknown name."""
    hedge, share = config.hedge, config.strategies.crowded_share
    try:
        return Served("", make_forecaster(hedge.forecaster, hedge.model, reader, share))
    except Exception as error:
        if hedge.forecaster not in NAMES:
            raise
        log.error("model_refused", model=str(hedge.model or hedge.forecaster), why=_reason(error))
        return _stood_in([(str(hedge.model or hedge.forecaster), _reason(error))])


def _stood_in(refused: Sequence[tuple[str, str]]) -> Served:
    """Have the EWMA serve where no model can be opened: hedges are not left without stops."""
    stand_in = StandIn()
    log.error(
        "model_missing", by=STAND_IN, hash=stand_in.model_hash,
        does="the EWMA forecasts; stops and reductions go on", then="restore the model and restart",
    )  # fmt: skip
    return Served(STAND_IN, stand_in, refused=tuple(refused))


def _unless_demoted(served: Served, registry: ModelRegistry) -> Served:
    """Keep a champion on the bench that drifted in an earlier life."""
    try:
        history = registry.read()
    except ConfigError:
        return served
    event = history.demoted
    if event is None or event.model != served.model:
        return served
    at_ms = ms_of(event.ts)
    log.error("model_still_demoted", model=served.model, since=event.ts, why=event.why, by=STAND_IN)
    return Served(
        STAND_IN, StandIn(), refused=served.refused, benched=served, benched_why=event.why, benched_ms=at_ms
    )


def speaking(
    artefact: Artefact, crowded_share: float | None, threads: int | None = None
) -> "tuple[EnsembleForecaster, Forecaster]":
    """Make an artefact speak: the ensemble, and it with its fallback and its own cascade head.

    `threads`: see `Members`. Raises ConfigError, or what the graphs' library raises for one that is none.
    """
    # its library takes a while to import: not for those who run without
    from hedged.forecast.ensemble import EnsembleForecaster

    ensemble = EnsembleForecaster(artefact, threads)
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
