"""The hedger that learns sees only what was known, and is paid by the evaluation's own accounting."""

from dataclasses import replace

import numpy as np
import pytest
from hedge_worlds import START_MS, history, series, setting
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.forecast import LEVELS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.evaluation.hedging.history import history_of
from hedged.evaluation.hedging.laws import told_by_rule
from hedged.evaluation.hedging.walk import account

gymnasium = pytest.importorskip("gymnasium", reason="needs gymnasium: pip install --group experiments")

from gymnasium.utils.env_checker import check_env  # noqa: E402

from experiments.reinforcement.course import course_of, edge_column, states_of  # noqa: E402
from experiments.reinforcement.environment import HedgeEnv  # noqa: E402
from experiments.reinforcement.playing import net_usd, played, positions  # noqa: E402
from experiments.reinforcement.rule import Rule, tuned  # noqa: E402

KINDS = ("relocation", "all", "own")


def world(seed, hours=160, kind="relocation", holes=()):
    """A history of random rates, and a forecast of them that stands at every hour."""
    rng = np.random.default_rng(seed)
    rates = rng.normal(2e-5, 5e-5, (2, hours))
    past = history(rates[0], None if kind == "own" else rates[1])
    if holes:
        past = replace(past, stretches=holes)
    law = np.sort(rng.normal(0, 5e-5, (hours, len(LEVELS))), axis=1)
    return past, [(past.ts_ms, law)] * len(past.keys)


@given(st.integers(0, 2**31), st.sampled_from(KINDS), st.sampled_from([1, -1]), st.integers(1, 9))
@examples(max_examples=40)
def test_an_episode_is_paid_what_the_evaluation_counts(seed, kind, side, every_h):
    """If this fails, the policy is trained on other costs or other funding than it is measured by."""
    past, told = world(seed, kind=kind, holes=((3, 90), (110, 160)))
    market = setting(kind, every_h=every_h, carry_per_h=1e-6).with_planner(capital_rate_per_year=0.05)
    course = course_of(past, market, side, told)
    env, rng = HedgeEnv([course], risk=0.0), np.random.default_rng(seed)
    held, net, rewards = np.zeros(len(course.place), np.int64), 0.0, 0.0
    for number, (first, end) in enumerate(course.stretches):
        env.reset(seed=0, options={"stretch": number})
        for k in range(first, end):
            _, reward, ended, cut, info = env.step(rng.integers(env.action_space.n))
            held[k], net, rewards = env._state, net + info["saved_usd"] - info["cost_usd"], rewards + reward
            assert ended == (k == end - 1)
            assert not cut
    counted = account(past, market, side, positions(course, held, len(past.ts_ms))).net_usd.sum()
    assert net == pytest.approx(counted, abs=1e-6)
    assert rewards * course.unit_usd == pytest.approx(counted, abs=1e-6)
    assert net_usd(course, held) == pytest.approx(counted, abs=1e-6)


@pytest.mark.parametrize("at", [41, 55])
def test_an_observation_knows_nothing_of_what_comes(at):
    """If this fails, the policy is shown rates that had not settled when it decides."""
    hours = 60 * 24
    rng = np.random.default_rng(1)
    rates = np.cumsum(rng.normal(0, 1e-6, (2, hours)), axis=1)
    other = rates.copy()
    other[:, at * 24 + 1 :] = rng.normal(1e-3, 1e-3, other[:, at * 24 + 1 :].shape)
    seen = []
    for one in (rates, other):
        own, there = series(INJECTIVE, one[0]), series("binance", one[1, ::8], 8)
        known = {SeriesKey(INJECTIVE, "BTC"): own, SeriesKey("binance", "BTC"): there}
        past = history_of(
            known, tuple(known), tuple(known), START_MS + 40 * DAY_MS, START_MS + (hours - 8) * HOUR_MS
        )
        seen.append(course_of(past, setting(), -1, told_by_rule("ewma", past, "m24h")))
    decided = seen[0].place <= np.searchsorted(past.ts_ms, START_MS + at * DAY_MS)
    assert decided.sum() > 3
    assert seen[0].known[decided].all()
    np.testing.assert_array_equal(seen[0].shown[decided], seen[1].shown[decided])
    assert np.abs(seen[0].shown[~decided] - seen[1].shown[~decided]).max() > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_the_environment_keeps_gymnasiums_contract(kind):
    """If this fails, an engine of reinforcement learning cannot be run on the environment."""
    past, told = world(0, kind=kind)
    check_env(HedgeEnv([course_of(past, setting(kind), 1, told)], length=5), skip_render_check=True)


@pytest.mark.parametrize("kind", KINDS)
def test_no_action_goes_beyond_the_gates_bounds(kind):
    """If this fails, a learned policy may hold more than the cap or the delta band allows."""
    market = setting(kind)
    states, planner = states_of(market), market.planner
    assert np.abs(states).max() == pytest.approx(planner.cap * market.notional_usd)
    exposed = np.abs(states[:, 1:].sum(axis=1) - states[:, 0])
    assert exposed.max() <= max(planner.delta_band, 0.0) * market.notional_usd + 1e-6
    assert not states[0].any()


def test_nothing_changes_without_a_forecast():
    """If this fails, a policy trades on zeros that stand for an unknown forecast, where the planner keeps still."""
    past, told = world(0)
    blind = [(at, np.full_like(law, np.nan)) for at, law in told[1:]]
    course = course_of(past, setting(), 1, [told[0], *blind])
    env = HedgeEnv([course])
    env.reset(seed=0)
    assert not course.known.any()
    assert env.step(5)[4] == {"saved_usd": 0.0, "cost_usd": 0.0, "risk_usd": 0.0}
    always = Rule(-np.inf, -np.inf, 0, len(course.states))
    assert not played(always, [course])[0].any()


def test_risk_lowers_the_reward():
    """If this fails, an exposed hedge is as good as a riskless one to the policy."""
    past, told = world(0, hours=200, kind="all")
    noisy = np.cumsum(np.random.default_rng(0).normal(0, 0.01, past.log_price.shape), axis=1)
    course = course_of(replace(past, log_price=noisy), setting("all"), 1, told)
    env = HedgeEnv([course])
    cut = 1 + int(np.flatnonzero((course.states[:, 0] > 0) & (course.states[:, 1] == 0))[0])
    env.reset(seed=0)
    *_, info = env.step(cut)
    assert info["risk_usd"] > 0


def test_the_rule_reads_the_forecasts_saving():
    """If this fails, the yardstick of two numbers reads another column, and policies are compared with nonsense."""
    past, told = world(3, kind="relocation")
    course = course_of(past, setting(), 1, told)
    k = 7
    middle = [law[course.place[k], len(LEVELS) // 2] for _, law in told]
    saved = 168 * (middle[0] - middle[1]) * 40_000 / course.unit_usd
    shown = course.shown[k, edge_column(course.setting)]
    assert np.sign(shown) * np.expm1(abs(shown)) == pytest.approx(saved, rel=1e-4, abs=1e-6)


def test_the_tuned_rule_hedges_where_that_pays_and_only_there():
    """If this fails, the rule of two numbers is no yardstick: it misses what is plain to see."""
    rates = np.full(400, 1e-4), np.zeros(400)
    past = history(*rates)
    told = [(past.ts_ms, np.repeat(rate[:, None], len(LEVELS), axis=1)) for rate in rates]
    courses = [course_of(past, setting(), side, told) for side in (1, -1)]
    long, short = played(tuned(courses), courses)
    assert (long == len(courses[0].states) - 1).all()
    assert not short.any()
