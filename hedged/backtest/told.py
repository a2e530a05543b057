"""Keeps what was forecast of the rates on Injective, so that a report can hold it against what came."""

from collections.abc import Callable

from hedged.cycle import CycleReport
from hedged.domain.forecast import ForecastSet, RateForecast
from hedged.domain.market import INJECTIVE


class Told:
    """Called with each cycle's report: keeps every forecast once and passes the report on."""

    def __init__(self, on_cycle: Callable[[CycleReport], None]) -> None:
        self.forecasts: list[RateForecast] = []
        self._on_cycle = on_cycle
        self._latest: ForecastSet | None = None

    def __call__(self, report: CycleReport) -> None:
        """Keep what is new of a cycle's forecasts; between two bars a cycle decides by the one before."""
        if report.forecasts is not self._latest:
            self._latest = report.forecasts
            self.forecasts += [
                found for key, found in report.forecasts.marginals.items() if key.venue == INJECTIVE
            ]
        self._on_cycle(report)
