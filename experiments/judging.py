"""How an experiment is judged: by what `hedged evaluate` judges by, on a hold-out that nothing in it was fitted to.

MAE is given relative to persistence and pinball relative to another forecaster, as geometric means over series with
95 % intervals of a bootstrap over weeks that draws all series together (`hedged.evaluation.bootstrap`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.adapters.replay.series import SeriesData
from hedged.domain.market import SeriesKey
from hedged.evaluation.baselines import persistence
from hedged.evaluation.bootstrap import Ratio, ratios
from hedged.evaluation.losses import context, losses
from hedged.evaluation.prints import histories
from hedged.evaluation.smoothing import ewma
from hedged.evaluation.trained import rates, told
from hedged.evaluation.truth import settle
from hedged.features.samples import Samples
from hedged.forecast.probability import share_above

Scored = pl.DataFrame
Cells = dict[tuple[str, str], Ratio]
BASELINES = {"persistence": persistence, "ewma": ewma}
CLASSES = {"BTC": "BTC ETH", "ETH": "BTC ETH"} | dict.fromkeys(("SOL", "BNB", "DOGE"), "SOL BNB DOGE")
OTHERS = "others"


def coin_class(symbol: str) -> str:
    """Name the class of a coin."""
    return CLASSES.get(symbol, OTHERS)


@dataclass(frozen=True, slots=True)
class Judge:
    """A hold-out with what came of it. `parts`: its samples, each part of series of its own; `baselines`: scored."""

    parts: Sequence[Samples]
    shared: pl.DataFrame
    baselines: Mapping[str, Scored]

    @classmethod
    def of(cls, parts: Sequence[Samples], series: Mapping[SeriesKey, SeriesData]) -> "Judge":
        """Settle every origin and score the baselines, the EWMA tuned on the year before."""
        nothing = [np.zeros((len(part), 4, 9)) for part in parts]
        truth = settle(_table(parts, nothing), series)
        shared = context(truth)
        past = histories(series, truth.origins)
        rules = {name: losses(shared, rule(past, truth.origins)) for name, rule in BASELINES.items()}
        return cls(parts, shared, rules)

    def score(self, scaled: Sequence[NDArray[np.float64]]) -> Scored:
        """Score quantiles in units of s (n, horizons, levels), one array for each part."""
        return losses(self.shared, _table(self.parts, scaled))

    def against(
        self, ours: Scored, theirs: Scored, column: str, label: pl.Expr | None = None, seed: int = 0
    ) -> Cells:
        """Return mean loss ÷ mean loss on common rows by (label, horizon); without a label all series are one."""
        named = ours.with_columns(venue_class=pl.lit("all") if label is None else label)
        return ratios(named, theirs, column, np.random.default_rng(seed))

    def relative_mae(self, ours: Scored, label: pl.Expr | None = None, seed: int = 0) -> Cells:
        """Return MAE ÷ persistence's by (label, horizon)."""
        named = ours.with_columns(venue_class=pl.lit("all") if label is None else label)
        rng = np.random.default_rng(seed)
        return ratios(named, named, "abs_error", rng, base_column="persistence_error")


def mean_scored(runs: Sequence[Scored]) -> Scored:
    """Return the losses of a recipe: their mean over its seeds, row by row (one model's cost, not an ensemble's)."""
    columns = ("abs_error", "pinball", "inside")
    total = runs[0].select("row", *columns)
    for run in runs[1:]:
        total = pl.concat([total, run.select("row", *columns)])
    mean = total.group_by("row").agg(pl.col(columns).mean())
    return runs[0].drop(columns).join(mean, on="row", how="inner").sort("row")


def by_coin() -> pl.Expr:
    """Label rows by the class of their coin."""
    return pl.col("symbol").replace_strict(CLASSES, default=OTHERS, return_dtype=pl.String)


def _table(parts: Sequence[Samples], scaled: Sequence[NDArray[np.float64]]) -> pl.DataFrame:
    frames = [
        told(part, "ours", rates(part, law), share_above(law)).drop("forecaster")
        for part, law in zip(parts, scaled, strict=True)
    ]
    return pl.concat(frames)
