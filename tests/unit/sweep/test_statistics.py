"""What many trials prove: null data stay quiet, a planted effect is found."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedged.sweep.statistics.overfitting import overfitting_probability
from hedged.sweep.statistics.sharpe import best_by_luck, deflated_sharpe, sharpe_ratios
from hedged.sweep.statistics.stepwise import interval, stepwise_p_values

DRAWS = 300


def noise(rng, days=90, trials=10, carry=0.3):
    """Daily gains worth nothing: alike among trials, and each day leans on the one before."""
    shocks = 0.7 * rng.standard_normal((days, trials)) + 0.7 * rng.standard_normal((days, 1))
    gains = np.zeros_like(shocks)
    for day in range(days):
        gains[day] = carry * gains[day - 1] + shocks[day]
    return gains


def test_chance_alone_is_seldom_called_real():
    """If this fails, a sweep over many worthless settings finds a good one: the very thing it is there to prevent."""
    rng = np.random.default_rng(11)
    smallest = np.array([stepwise_p_values(noise(rng), rng, DRAWS).min() for _ in range(200)])
    assert (smallest <= 0.05).mean() <= 0.10  # 5 % expected, standard error 1.5 %
    assert 0.10 <= (smallest <= 0.20).mean() <= 0.30
    assert 0.35 <= smallest.mean() <= 0.65


def test_a_planted_gain_is_found_and_only_that():
    """If this fails, the sweep keeps the default whatever is better."""
    rng = np.random.default_rng(12)
    found = others = 0
    for _ in range(40):
        gains = noise(rng, carry=0.0)
        gains[:, 4] += 0.6
        p = stepwise_p_values(gains, rng, DRAWS)
        found += p[4] <= 0.05
        others += (np.delete(p, 4) <= 0.05).any()
    assert found >= 36
    assert others <= 6


@given(seed=st.integers(0, 10_000), trials=st.integers(1, 8))
@settings(max_examples=25)
def test_more_trials_never_make_one_surer(seed, trials):
    """If this fails, trying more settings would be free, and p-values would mean nothing."""
    rng = np.random.default_rng(seed)
    gains = noise(rng, trials=trials)
    alone = stepwise_p_values(gains[:, :1], np.random.default_rng(seed), DRAWS)[0]
    among = stepwise_p_values(gains, np.random.default_rng(seed), DRAWS)
    assert among[0] >= alone - 1e-12
    assert ((among > 0) & (among <= 1)).all()
    means = gains.mean(axis=0) / gains.std(axis=0)
    assert among[np.argmax(means)] <= among[np.argmin(means)] + 0.5 / DRAWS or trials < 3


def test_what_never_differs_and_what_is_too_short_prove_nothing():
    """If this fails, the default would be better than itself, or a week of data would prove something."""
    rng = np.random.default_rng(1)
    flat = np.column_stack([np.zeros(60), rng.standard_normal(60)])
    assert stepwise_p_values(flat, rng)[0] == 1
    assert stepwise_p_values(np.zeros((60, 2)), rng).tolist() == [1, 1]
    assert np.isnan(stepwise_p_values(rng.standard_normal((10, 3)), rng)).all()
    assert math.isnan(interval(np.ones(5), rng)[0])
    assert interval(np.ones(50), rng) == (1.0, 1.0)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """If this fails, what choosing on the past gained is told surer than it is."""
    rng = np.random.default_rng(5)
    held = [
        low < 0.2 < high
        for low, high in (interval(0.2 + noise(rng, trials=1)[:, 0], rng, DRAWS) for _ in range(150))
    ]
    assert 0.88 <= np.mean(held) <= 1


def test_deflated_sharpe_agrees_with_a_worked_example():
    """If this fails, the figure is not the one of the paper that it cites."""
    # the paper's example: 100 trials, variance of their annual ratios ½, 250 days a year: SR₀ = 0.1132 a day
    rng = np.random.default_rng(3)
    ratios = rng.standard_normal(100)
    ratios = (ratios - ratios.mean()) / ratios.std(ddof=1) * math.sqrt(0.5 / 250)
    assert best_by_luck(ratios) == pytest.approx(0.1132, abs=5e-4)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25)
def test_deflation_asks_for_more_the_more_is_tried(seed):
    """If this fails, the best of a hundred would be taken for as good as the best of two."""
    rng = np.random.default_rng(seed)
    gains = rng.standard_normal((80, 30))
    gains[:, 0] += 0.2
    few, many = deflated_sharpe(gains[:, :1], 0), deflated_sharpe(gains, 0)
    assert 0 <= many <= few <= 1
    assert sharpe_ratios(3 * gains) == pytest.approx(sharpe_ratios(gains))


def test_deflated_sharpe_is_unknown_where_nothing_moves():
    """If this fails, a trial that never traded has a Sharpe ratio."""
    assert math.isnan(deflated_sharpe(np.zeros((50, 2)), 0))
    assert math.isnan(deflated_sharpe(np.ones((5, 2)), 0))


def test_overfitting_is_a_coin_for_noise_and_nought_for_skill():
    """If this fails, choosing the luckiest would look like choosing the best."""
    rng = np.random.default_rng(2)
    worthless = [overfitting_probability(noise(rng, carry=0.0)) for _ in range(60)]
    assert 0.4 <= np.mean(worthless) <= 0.6
    skilled = noise(rng, carry=0.0)
    skilled[:, 7] += 1.5
    assert overfitting_probability(skilled) < 0.05
    assert math.isnan(overfitting_probability(noise(rng, days=12)))
    assert math.isnan(overfitting_probability(np.ones((60, 3))))
