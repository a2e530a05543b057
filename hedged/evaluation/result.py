"""Everything that an evaluation found, before it is written down."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from hedged.evaluation.bootstrap import Ratio
from hedged.evaluation.spread import Spread
from hedged.evaluation.truth import Truth
from hedged.features.targets import HORIZONS

Cell = tuple[str, str]
"""Venue class and horizon."""
CLASSES = ("slow", "hourly")
CELLS: tuple[Cell, ...] = tuple((kind, horizon) for kind in CLASSES for horizon in HORIZONS)


@dataclass(frozen=True, slots=True)
class Findings:
    """One forecaster: its `metrics`, what is drawn of it (`profile`, by name), and its error ÷ persistence's."""

    metrics: pl.DataFrame
    profile: Mapping[str, pl.DataFrame]
    relmae: Mapping[Cell, Ratio]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Our mean loss ÷ a baseline's on the rows that both answered: by cell with intervals, and by series."""

    mae: Mapping[Cell, Ratio]
    pinball: Mapping[Cell, Ratio]
    by_series: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Result:
    """`ours` names the forecaster under test, `against` the baseline that ratios are quoted against.

    `findings`: of every forecaster, ours first; `compared`: ours with each baseline. `notes`: what a reader must know.
    """

    ours: str
    against: str
    truth: Truth
    findings: Mapping[str, Findings]
    compared: Mapping[str, Comparison]
    spreads: list[Spread] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def cells(self) -> list[Cell]:
        """The cells in which we forecast anything, in their fixed order."""
        found = set(self.findings[self.ours].metrics.select("venue_class", "horizon").unique().iter_rows())
        return [cell for cell in CELLS if cell in found]

    @property
    def metrics(self) -> pl.DataFrame:
        """All forecasters' metrics under each other, told apart by the column `forecaster`."""
        parts = [
            found.metrics.select(pl.lit(name).alias("forecaster"), pl.all())
            for name, found in self.findings.items()
        ]
        return pl.concat(parts)

    def pooled(self, forecaster: str, cell: Cell) -> dict[str, float | None]:
        """Return a forecaster's metrics over all series of a cell; empty where it answered nothing there."""
        if forecaster not in self.findings:
            return {}
        rows = self.findings[forecaster].metrics.filter(
            (pl.col("venue_class") == cell[0]) & (pl.col("horizon") == cell[1]) & pl.col("symbol").is_null()
        )
        return rows.row(0, named=True) if len(rows) else {}
