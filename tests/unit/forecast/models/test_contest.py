"""The contest of challenger and champion: what it promises under repeated looks, and what it says."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.forecast.models.contest import Rules, Standing, capital, gains_of, judged
from hedged.forecast.paired import Paired

DAYS, WORLDS = 120, 2_000
Rng = np.random.Generator


def pair_of(gains: NDArray[np.float64], per_day: int = 3, loss: float = 0.2) -> Paired:
    """Losses of which every day has this gain, and the first outcome of a day more, so that the last one is over."""
    n = len(gains) * per_day + 1
    origin = np.arange(n) * (24 // per_day) * HOUR_MS
    other = np.full(n, loss)
    mine = other * np.append(np.repeat((2 - gains) / (2 + gains), per_day), 1.0)
    whole = np.full(n, 10)
    return Paired(origin, origin + DAY_MS, mine, other, whole, whole, whole)


def overlapping(rng: Rng) -> NDArray[np.float64]:
    """Half of a block's outcome is the next one's too."""
    told = rng.standard_normal((DAYS + 1, WORLDS))
    return 0.02 * (told[:-1] + told[1:])


def stormy(rng: Rng) -> NDArray[np.float64]:
    """Markets of ten days' calm and ten days' storm, with heavy tails."""
    scale = np.where(np.arange(DAYS) // 10 % 2, 0.08, 0.01)
    return scale[:, None] * rng.standard_t(3, (DAYS, WORLDS))


NULLS: dict[str, Callable[[Rng], NDArray[np.float64]]] = {
    "independent": lambda rng: 0.025 * rng.standard_normal((DAYS, WORLDS)),
    "overlapping": overlapping,
    "stormy": stormy,
    "hardly apart": lambda rng: 0.001 * rng.standard_normal((DAYS, WORLDS)),
    "all or nothing": lambda rng: rng.choice((-0.0625, 0.0625), (DAYS, WORLDS)),
}


@pytest.mark.parametrize("null", NULLS)
def test_equal_models_are_seldom_promoted_however_often_one_looks(null: str) -> None:
    """If this fails, looking at the contest every day promotes models that are no better more often than it says."""
    ever = capital(NULLS[null](np.random.default_rng(5))).max(axis=0)
    for alpha in (0.05, 0.2):
        noise = 3 * np.sqrt(alpha * (1 - alpha) / WORLDS)
        assert (ever >= 1 / alpha).mean() <= alpha + noise


def test_a_better_model_is_found() -> None:
    """If this fails, the contest never promotes anybody: an improvement of 2 % must be found within two months."""
    rng = np.random.default_rng(6)
    path = capital(0.02 + 0.025 * rng.standard_normal((60, 500)))
    assert (path >= 20).any(axis=0).mean() > 0.95


@given(st.lists(st.floats(0.001, 3.0), min_size=1, max_size=9))
def test_the_bets_are_fair_and_never_owe(sizes: list[float]) -> None:
    """If this fails, capital grows on coin tosses or falls below zero, and its confidence means nothing."""
    signs = np.array(list(product((-1.0, 1.0), repeat=len(sizes)))).T
    path = capital(signs * np.array(sizes)[:, None])
    assert (path >= 0).all()
    assert (path.mean(axis=1) <= 1 + 1e-9).all()


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=2, max_size=40))
def test_a_gain_changes_its_sign_with_the_sides(losses: list[tuple[float, float]]) -> None:
    """If this fails, one of the two sides is favoured."""
    mine, other = np.array(losses).T
    n = len(losses)
    origin, ones = np.arange(n) * 8 * HOUR_MS, np.ones(n, np.int64)
    gains = gains_of(Paired(origin, origin, mine, other, ones, ones, ones), 1)
    assert np.allclose(gains, -gains_of(Paired(origin, origin, other, mine, ones, ones, ones), 1))
    assert len(gains) == (n - 1) // 3
    assert (np.abs(gains) <= 2).all()


def scattered(gain: float, days: int, seed: int = 7) -> Paired:
    """Gains of about this, with the scatter of real models."""
    return pair_of(gain + 0.01 * np.random.default_rng(seed).standard_normal(days))


def test_how_contests_stand() -> None:
    """If this fails, a challenger is promoted too early, kept for ever, or serves though it is worse."""
    told = {
        (gain, days): judged(scattered(gain, days), Rules())
        for gain, days in ((0.05, 13), (0.05, 30), (-0.05, 30), (0.0, 30), (0.0, 121), (0.006, 20))
    }
    standing = {of: one.standing for of, one in told.items()}
    assert standing == {
        (0.05, 13): Standing.NOT_YET, (0.05, 30): Standing.BETTER, (-0.05, 30): Standing.WORSE,
        (0.0, 30): Standing.NOT_YET, (0.0, 121): Standing.GIVEN_UP, (0.006, 20): Standing.NOT_YET,
    }  # fmt: skip
    assert "judged after 14 days" in told[0.05, 13].why
    assert told[0.05, 30].why.startswith("30 days of outcomes, loss 0.95")
    assert told[0.05, 30].ratio == pytest.approx(0.95, abs=0.01)
    assert "better with a confidence of 9" in told[0.05, 30].why
    assert "not decided within 120 days" in told[0.0, 121].why
    assert "at this pace" in told[0.006, 20].why
    assert "days more" in told[0.006, 20].why
    assert judged(scattered(0.0, 0), Rules()).standing is Standing.NOT_YET
    nothing = np.array([], np.int64)
    empty = judged(Paired(nothing, nothing, *[np.array([])] * 2, nothing, nothing, nothing), Rules())  # type: ignore[arg-type]
    assert (empty.standing, empty.days) == (Standing.NOT_YET, 0)


def test_blocks_are_as_long_as_the_horizon() -> None:
    """If this fails, outcomes that are mostly the same count as so many proofs."""
    rules = Rules(horizon_h=120)
    assert rules.block_days == 5
    verdict = judged(scattered(0.05, 31), rules)
    assert (verdict.days, verdict.standing) == (30, Standing.NOT_YET)


def test_harm_to_one_venue_or_to_many_symbols_holds_a_promotion_up() -> None:
    """If this fails, a model that is better on average takes over though it is clearly worse where money is."""
    better, worse, young = scattered(0.05, 40), scattered(-0.05, 40, 8), scattered(-0.05, 5, 9)
    fine = judged(better, Rules(), {"a": better, "b": young}, dict.fromkeys("abc", better) | {"d": worse})
    assert fine.standing is Standing.BETTER
    venue = judged(better, Rules(), {"a": better, "b": worse})
    assert (venue.standing, venue.why.split("; ")[1]) == (
        Standing.NOT_YET, "better altogether, but clearly worse on b",
    )  # fmt: skip
    symbols = judged(better, Rules(), {}, {"x": better, "y": worse, "z": better, "w": worse, "v": young})
    assert symbols.standing is Standing.NOT_YET
    assert "clearly worse for w, y: 2 of 4 symbols" in symbols.why


def test_one_disaster_outweighs_what_the_blocks_say() -> None:
    """If this fails, a model that is usually a little better and now and then lost altogether takes over."""
    gains = np.full(60, 0.03)
    gains[30] = -1.9
    assert judged(pair_of(gains), Rules()).standing is Standing.NOT_YET
