"""Drift: proven where a model surely lost what it had, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.forecast.drift.blocks import Blocks, blocks_of
from hedged.forecast.drift.bounds import direction_from_above, ratio_bound
from hedged.forecast.drift.cusum import LIMIT, Cusum, went_on
from hedged.forecast.drift.verdict import DriftVerdict, judge
from hedged.forecast.paired import Paired

START_MS = 20_000 * DAY_MS
SEEDS = st.integers(0, 2**16)


def paired(ratios: list[float], *, accuracy: float = 0.75, seed: int = 0, horizon_h: int = 24) -> Paired:
    """Three origins a day; a model that loses `ratios`, by day, of what the EWMA does, with half of that as noise."""
    rng = np.random.default_rng(seed)
    n = 3 * len(ratios)
    origin_ms = START_MS + np.arange(n) * 8 * HOUR_MS
    other = 0.5 * np.exp(0.3 * rng.standard_normal(n))
    loss = other * np.repeat(ratios, 3) * np.exp(0.2 * rng.standard_normal(n))
    of = np.full(n, 12)
    known_ms = origin_ms + horizon_h * HOUR_MS + 60_000
    return Paired(origin_ms, known_ms, loss, other, of, rng.binomial(of, accuracy), of)


def judged(told: Paired, cusum: Cusum | None = None, floor: float = 0.6) -> DriftVerdict:
    return judge(told, cusum or Cusum(), np.random.default_rng(0), floor)


def first(told: Paired, days: int) -> Paired:
    return Paired(*(getattr(told, name)[: 3 * days] for name in Paired.__dataclass_fields__))


def last(told: Paired, days: int) -> Paired:
    return Paired(*(getattr(told, name)[-3 * days :] for name in Paired.__dataclass_fields__))


@settings(max_examples=20)
@given(SEEDS, st.floats(0.5, 1.0))
def test_an_equal_model_never_drifts(seed: int, accuracy: float) -> None:
    """If this fails, a model whose losses are the EWMA's own is trained anew for nothing."""
    told = paired([1.0] * 80, accuracy=max(accuracy, 0.7), seed=seed)
    verdict = judged(replace(told, loss=told.other))
    assert not verdict.proven
    assert verdict.cusum.value == 0


@settings(max_examples=20)
@given(SEEDS)
def test_a_model_as_good_as_ever_does_not_drift(seed: int) -> None:
    """If this fails, noise alone proves drift."""
    assert not judged(paired([0.8] * 80, seed=seed)).proven


def test_each_detector_finds_its_drift_and_says_so() -> None:
    """If this fails, a model that has become useless serves on, or nobody is told by what figures."""
    useless = judged(paired([0.8] * 40 + [1.2] * 28))
    assert useless.proven
    assert [one.proven for one in useless.findings] == [True, True, False]
    assert useless.since_ms is not None
    assert abs(useless.since_ms - START_MS - 40 * DAY_MS) <= 6 * DAY_MS, "the first bad day, give or take"
    assert "since 2024-" in useless.why
    assert "it lost 1.2" in useless.why
    assert "in its first four weeks 0.8" in useless.why
    wrong = judged(paired([0.8] * 60, accuracy=0.4))
    assert [one.proven for one in wrong.findings] == [False, False, True]
    assert "were right, surely at most" in wrong.why
    assert "below 60%" in wrong.why
    assert not judged(paired([0.8] * 60, accuracy=0.4), floor=0.3).proven


def test_little_is_no_proof() -> None:
    """If this fails, a model is judged by its first days."""
    for days in (0, 1, 4):
        verdict = judged(paired([3.0] * days, accuracy=0.1))
        assert not verdict.proven
        assert verdict.since_ms is None
        assert all(np.isnan(one.share) for one in verdict.findings)


@settings(max_examples=15)
@given(SEEDS, st.floats(0.7, 1.2), st.floats(1.01, 1.5))
def test_a_worse_model_is_further_on(seed: int, ratio: float, more: float) -> None:
    """If this fails, a model that loses more is nearer to being acquitted."""
    before, after = (judged(paired([0.8] * 35 + [r] * 28, seed=seed)) for r in (ratio, ratio * more))
    for one, two in zip(before.findings[:2], after.findings[:2], strict=True):
        assert two.share >= one.share


@settings(max_examples=15)
@given(SEEDS, st.integers(2, 40))
def test_the_number_of_series_changes_nothing(seed: int, times: int) -> None:
    """If this fails, drift is found by how many markets are followed."""
    told = paired([0.8] * 35 + [1.05] * 20, seed=seed)
    many = replace(told, of=told.of * times)
    for one, two in zip(judged(told).findings[:2], judged(many).findings[:2], strict=True):
        assert two.share == pytest.approx(one.share)


def test_the_units_of_the_loss_change_nothing() -> None:
    """If this fails, drift is found by the unit that losses are told in."""
    blocks = blocks_of(paired([0.8] * 35 + [1.05] * 20))
    scaled = replace(blocks, loss=blocks.loss * 1e4, other=blocks.other * 1e4)
    assert went_on(Cusum(), scaled).value == pytest.approx(went_on(Cusum(), blocks).value)
    bounds = (ratio_bound(one, np.random.default_rng(0)).bound for one in (blocks, scaled))
    assert next(bounds) == pytest.approx(next(bounds))


def test_a_cusum_goes_on_though_its_weeks_are_forgotten() -> None:
    """If this fails, a restart or a record that is cut begins the proof anew, or counts a day twice."""
    told = paired([0.8] * 60 + [1.1] * 20)
    at_once, cusum = judged(told).cusum, Cusum()
    for days in range(1, 81):
        cusum = judged(last(first(told, days), 60), Cusum.from_json(cusum.to_json())).cusum
    assert cusum.value == pytest.approx(at_once.value)
    assert cusum == replace(at_once, value=cusum.value)
    assert cusum.value > LIMIT


def test_a_rate_at_rest_proves_nothing() -> None:
    """If this fails, a model that errs by nothing drifts where the EWMA errs by less than nothing."""
    told = paired([0.8] * 60)
    resting = replace(told, loss=np.full(len(told), 1e-3), other=np.full(len(told), 1e-9))
    assert not judged(resting).proven


def test_one_wild_day_proves_nothing() -> None:
    """If this fails, an hour of a crash exchanges the model."""
    ratios = [0.8] * 60
    ratios[50] = 40.0
    assert not judged(paired(ratios)).findings[0].proven


def test_horizons_of_days_are_judged_by_blocks_of_days() -> None:
    """If this fails, outcomes that are one and the same count as many."""
    blocks = blocks_of(paired([0.8] * 61, horizon_h=120))
    assert blocks.length_ms == 5 * DAY_MS
    assert 11 <= len(blocks) <= 12
    assert len(blocks_of(paired([0.8] * 61))) == 60, "the last day is not over"


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=6, max_size=28))
def test_the_bound_on_direction_is_one(days: list[tuple[int, int]]) -> None:
    """If this fails, a share of right calls is bounded from the wrong side, or by no number."""
    right = np.array([min(pair) for pair in days])
    called = np.array([max(pair) for pair in days])
    n = len(days)
    blocks = Blocks(DAY_MS, START_MS + DAY_MS * np.arange(n), np.ones(n), np.ones(n), right, called)
    share, bound = direction_from_above(blocks)
    if called.sum():
        assert 0 <= share <= bound <= 1
    else:
        assert np.isnan(bound)
