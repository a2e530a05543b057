"""Ensembles that succeed each other: each speaks from its instant on, and takes over what its predecessor remembers.

To those who trade by it a succession is one forecaster with one hash, which names every model with its instant.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import ConfigError
from hedged.domain.forecast import ForecastSet
from hedged.features.resample import FEATURE_HASH, HourlyGrid
from hedged.forecast.ensemble import EnsembleForecaster
from hedged.forecast.port import Forecaster, parameter_hash
from hedged.forecast.questions import Told
from hedged.forecast.registry import make_forecaster
from hedged.forecast.reign import Reign, reigning

VERSION = 1


class Succession:
    """See the module. Each model speaks with its fallback, and with its own cascade head where cascades are wanted."""

    def __init__(
        self,
        reigns: Sequence[Reign],
        crowded_share: float | None = None,
        told: Callable[[HourlyGrid], Told] | None = None,
        threads: int | None = None,
    ) -> None:
        """`crowded_share`: see `make_forecaster`; `told`: see `EnsembleForecaster`.

        Raises ConfigError unless they succeed each other on the hour.
        """
        times_ms = [reign.from_ms for reign in reigns]
        if not reigns or sorted(set(times_ms)) != times_ms or any(ts % HOUR_MS for ts in times_ms):
            raise ConfigError("models succeed each other on the hour, each later than the one before")
        self._reigns, self._crowded_share, self._told, self._threads = reigns, crowded_share, told, threads
        named = {"models": [[r.from_ms, r.artefact.hash] for r in reigns], "crowded_share": crowded_share}
        self.model_hash = parameter_hash("succession", VERSION, named)
        self.feature_hash = FEATURE_HASH
        self._number = -1
        self._ensemble: EnsembleForecaster | None = None
        self._speaks: Forecaster | None = None

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        """Forecast the mean rate per hour over (now, now + horizon_h]; see `Forecaster`."""
        number = reigning(self._reigns, now_ms)
        if number != self._number or self._speaks is None:
            self._speaks, self._number = self._crowned(number), number
        return replace(self._speaks.forecast(grid, now_ms, horizon_h), model_hash=self.model_hash)

    def _crowned(self, number: int) -> Forecaster:
        """Open a model; it goes on where the one before it stood."""
        artefact, before = self._reigns[number].artefact, self._ensemble
        self._ensemble = EnsembleForecaster(artefact, self._threads, self._told)
        if before is not None:
            self._ensemble.succeed(before)
        return make_forecaster(
            "ensemble", artefact.path, crowded_share=self._crowded_share, ensemble=self._ensemble
        )
