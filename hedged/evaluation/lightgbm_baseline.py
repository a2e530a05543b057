"""LightGBM quantile models: the strongest single baseline, given the same inputs and training window.

One model per level and horizon, pooled over series, on the tabular features with venue and coin as categories; the
target is (y − last) / s clipped to ±10. Settings are found by random search inside the training window: trained on its
earlier part, measured on its later part, no target of the former settling within the latter.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from hedged.domain.forecast import LEVELS
from hedged.evaluation.prints import Floats
from hedged.evaluation.trained import capped, rates, scaled_targets, time_split
from hedged.features.samples import Samples
from hedged.features.targets import HORIZONS
from hedged.forecast.probability import share_above

TUNED_SHARE = 0.8
MAX_ROUNDS = 120
PATIENCE = 12
SLOWER = 3.0
"""The winner is tried once more with a rate of learning so much lower and more rounds: a coarse search is cheap."""
TRIAL_ROWS = 60_000
FIT_ROWS = 400_000
FIXED: dict[str, Any] = {
    "objective": "quantile",
    "metric": "quantile",
    "max_bin": 63,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "feature_pre_filter": False,
    "bagging_freq": 1,
    "verbose": -1,
}


@dataclass(frozen=True, slots=True)
class Params:
    """Settings of one search; `rounds` per horizon. `score`: mean over horizons of the median's error relative to
    persistence's on the later part of the training window (NaN: not measured).
    """

    num_leaves: int = 31
    learning_rate: float = 0.15
    min_data_in_leaf: int = 200
    feature_fraction: float = 0.5
    bagging_fraction: float = 0.7
    lambda_l2: float = 1.0
    rounds: tuple[int, ...] = (100,) * len(HORIZONS)
    seed: int = 0
    score: float = float("nan")

    def as_lightgbm(self, level: float) -> dict[str, Any]:
        """Return LightGBM's parameters for one quantile level."""
        own = {k: v for k, v in asdict(self).items() if k not in ("rounds", "score")}
        return FIXED | own | {"alpha": level}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Numbers of the venues and coins that training saw; any other is unknown (NaN)."""

    venues: dict[str, int]
    coins: dict[str, int]

    @classmethod
    def of(cls, samples: Samples) -> "Vocabulary":
        """Number what the rows name, in order of name."""
        seen = [samples.keys[i] for i in np.unique(samples.series)]
        venues, coins = sorted({key.venue for key in seen}), sorted({key.symbol for key in seen})
        return cls({name: i for i, name in enumerate(venues)}, {name: i for i, name in enumerate(coins)})

    def matrix(self, samples: Samples) -> NDArray[np.float32]:
        """Return the features with venue and coin as the last two columns. (n, features + 2)."""
        codes = [(self.venues.get(k.venue, np.nan), self.coins.get(k.symbol, np.nan)) for k in samples.keys]
        named = np.array(codes, np.float32).reshape(-1, 2)[samples.series]
        return np.concatenate((samples.tabular, named), axis=1)

    def dataset(self, samples: Samples, reference: lgb.Dataset | None = None) -> lgb.Dataset:
        """Bin the features once; labels are set per horizon."""
        width = samples.tabular.shape[1]
        return lgb.Dataset(
            self.matrix(samples),
            label=np.zeros(len(samples), np.float32),
            reference=reference,
            categorical_feature=[width, width + 1],
            params=FIXED,
            free_raw_data=False,
        ).construct()


def tune(
    samples: Samples,
    trials: int,
    rng: np.random.Generator,
    row_cap: int | None = TRIAL_ROWS,
    on_trial: Callable[[int, Params], None] = lambda _n, _params: None,
) -> Params:
    """Return the best of `trials` random settings (the first is the default), made slower where that is better still.

    An rng of the same state gives the same answer.
    """
    bench = _Bench.of(samples, row_cap, rng)
    best = Params()
    for trial in range(trials):
        drawn = replace(_draw(rng) if trial else Params(), seed=int(rng.integers(2**31)))
        measured = bench.measure(drawn, MAX_ROUNDS)
        on_trial(trial, measured)
        if trial == 0 or measured.score < best.score:
            best = measured
    slower = replace(best, learning_rate=best.learning_rate / SLOWER)
    slower = bench.measure(slower, round(MAX_ROUNDS * SLOWER))
    on_trial(trials, slower)
    return min(best, slower, key=lambda params: params.score)


def _draw(rng: np.random.Generator) -> Params:
    return Params(
        num_leaves=int(np.exp(rng.uniform(np.log(12), np.log(128)))),
        learning_rate=float(np.exp(rng.uniform(np.log(0.08), np.log(0.35)))),
        min_data_in_leaf=int(np.exp(rng.uniform(np.log(30), np.log(1_500)))),
        feature_fraction=float(rng.uniform(0.2, 0.9)),
        bagging_fraction=float(rng.uniform(0.4, 1.0)),
        lambda_l2=float(np.exp(rng.uniform(np.log(0.01), np.log(100)))),
    )


@dataclass(frozen=True, slots=True)
class _Bench:
    """The earlier and the later part of a training window, binned once; targets (n, horizons)."""

    data: lgb.Dataset
    y: NDArray[np.float32]
    check: lgb.Dataset
    y_check: NDArray[np.float32]

    @classmethod
    def of(cls, samples: Samples, row_cap: int | None, rng: np.random.Generator) -> "_Bench":
        early, late = time_split(samples, TUNED_SHARE)
        before = samples.pick(capped(early, row_cap, rng))
        after = samples.pick(capped(late, None if row_cap is None else row_cap // 3, rng))
        words = Vocabulary.of(before)
        data = words.dataset(before)
        check = words.dataset(after, reference=data)
        return cls(data, scaled_targets(before), check, scaled_targets(after))

    def measure(self, params: Params, max_rounds: int) -> Params:
        """Fit the median of every horizon, stopping early, and note rounds and score."""
        rounds, scores = [], []
        for h in range(len(HORIZONS)):
            self.data.set_label(_column(self.y, h))
            self.check.set_label(_column(self.y_check, h))
            stop = lgb.early_stopping(PATIENCE, verbose=False)
            model = lgb.train(
                params.as_lightgbm(0.5), self.data, max_rounds, valid_sets=[self.check], callbacks=[stop]
            )
            rounds.append(max(model.best_iteration, 1))
            # the metric is the pinball loss at one half: half the absolute error
            scores.append(2 * model.best_score["valid_0"]["quantile"] / np.abs(self.y_check[:, h]).mean())
        return replace(params, rounds=tuple(rounds), score=float(np.mean(scores)))


def _column(y: NDArray[np.float32], h: int) -> NDArray[np.float32]:
    """Copy one horizon's targets: LightGBM warns of views."""
    return y[:, h].copy()


def fit_predict(
    train: Samples,
    test: Samples,
    params: Params,
    row_cap: int | None = FIT_ROWS,
    on_progress: Callable[[float], None] = lambda _: None,
) -> tuple[Floats, Floats]:
    """Fit on `train`, answer `test` → quantiles per hour (n, horizons, levels) and p_up (n, horizons), as `ridge` does.

    Quantiles that cross are put in order. Targets of `test` are not read.
    """
    rows = np.flatnonzero(~np.isnan(train.target).any(axis=1))
    train = train.pick(capped(rows, row_cap, np.random.default_rng(params.seed)))
    words = Vocabulary.of(train)
    data, y, x = words.dataset(train), scaled_targets(train), words.matrix(test)
    scaled = np.empty((len(test), len(HORIZONS), len(LEVELS)))
    for h, rounds in enumerate(params.rounds):
        data.set_label(_column(y, h))
        for i, level in enumerate(LEVELS):
            model = lgb.train(params.as_lightgbm(float(level)), data, rounds)
            scaled[:, h, i] = np.asarray(model.predict(x, num_threads=1))
            on_progress((h * len(LEVELS) + i + 1) / (len(HORIZONS) * len(LEVELS)))
    scaled.sort(axis=2)
    return rates(test, scaled), share_above(scaled)
