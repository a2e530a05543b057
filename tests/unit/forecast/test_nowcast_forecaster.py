"""The nowcasting forecaster: the coming settlement by its evidence, the later ones by the EWMA, and a word on which."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from premium_worlds import World, premium_grid, until, without

from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import LEVELS
from hedged.domain.injective import FundingState, InjectiveRule
from hedged.domain.injective import nowcast as chain_law
from hedged.domain.market import SeriesKey
from hedged.features.nowcast import Evidence
from hedged.features.resample import FEATURE_HASH, HourlyGrid
from hedged.features.running_rate import rule_of
from hedged.forecast.coming import ChainState, Estimate, First, Reader, continued, of_chain, of_estimate
from hedged.forecast.ewma import EwmaConfig, EwmaForecaster
from hedged.forecast.nowcast import NowcastConfig, NowcastForecaster

SLOW, HOURLY = SeriesKey("binance", "COIN0"), SeriesKey("kraken", "COIN0")
WORLD = World(days=40, twin="kraken", tells_estimate=True)
RULE = InjectiveRule()
PREMIUMS = np.linspace(-0.002, 0.002, 8)


def at_hour(hour: int, world: World = WORLD, seed: int = 0) -> tuple[HourlyGrid, int]:
    """What is known `hour` hours into an interval, and when that is."""
    grid = until(premium_grid(world, seed), (world.days - 1) * 24 + hour + 1)
    return grid, int(grid.times_ms[-1])


def told(rate: float, in_h: float, hours: int, *keys: SeriesKey) -> Reader:
    """A reader that knows the coming rate of some series for certain."""

    def read(key: SeriesKey, now_ms: int) -> First | None:
        at_ms = now_ms + round(in_h * HOUR_MS)
        law = np.full(len(LEVELS), rate)
        return First(law, at_ms, hours, Evidence.CHAIN) if key in keys else None

    return read


def same(a, b) -> bool:
    return (
        a.keys == b.keys
        and np.array_equal(a.scenarios, b.scenarios)
        and all(np.array_equal(a.marginals[k].quantiles, b.marginals[k].quantiles) for k in a.keys)
        and all(a.marginals[k].p_up == b.marginals[k].p_up for k in a.keys)
    )


def test_it_says_what_it_rests_on():
    """A band made from a running estimate could not be told from one made from habit alone."""
    grid, now_ms = at_hour(5)
    explained = NowcastForecaster().explained(grid, now_ms, 24)[1]
    assert explained == {SLOW: Evidence.ESTIMATE, HOURLY: Evidence.NONE}
    unknown = without(grid, Field.FUNDING_ESTIMATE)
    assert NowcastForecaster().explained(unknown, now_ms, 24)[1][SLOW] == Evidence.SOURCES


def test_without_evidence_it_is_the_ewma():
    """A market of which nothing is known within the interval would be forecast from zeros."""
    grid, now_ms = at_hour(5, World(days=40))
    made, evidence = NowcastForecaster().explained(grid, now_ms, 24)
    assert same(made, EwmaForecaster().forecast(grid, now_ms, 24))
    assert set(evidence.values()) == {Evidence.NONE}


def test_a_settlement_beyond_the_horizon_is_not_counted():
    """A rate that is charged after the horizon would be booked within it."""
    grid, now_ms = at_hour(1)
    made, evidence = NowcastForecaster().explained(grid, now_ms, 6)
    assert same(made, EwmaForecaster().forecast(grid, now_ms, 6))
    assert evidence[SLOW] == Evidence.NONE


@pytest.mark.parametrize(("hours", "share"), [(8, 8 / 24), (4, 4 / 24), (1, 1 / 24)])
def test_a_settlement_counts_by_the_hours_it_covers(hours, share):
    """An 8 h interval taken as 1 h would let the first rate count an eighth of what it does."""
    grid, now_ms = at_hour(7)
    means = []
    for rate in (1e-5, 3e-5):
        reader = told(rate, 1.0, hours, SLOW)
        first = First(np.full(9, rate), now_ms + HOUR_MS, hours, Evidence.CHAIN)
        later_h = first.hours_after(now_ms, 24)
        came = continued(grid, {SLOW: first}, first.at_ms)
        later = EwmaForecaster().forecast(came, first.at_ms, later_h).marginals[SLOW]
        made = NowcastForecaster(reader=reader).forecast(grid, now_ms, 24).marginals[SLOW]
        # the EWMA states its mean, the sum that of the law drawn from its quantiles
        middle = share * rate + later_h / 24 * later.quantiles[4]
        assert made.quantiles[4] == pytest.approx(middle, rel=0.02)
        assert later_h == 24 - hours
        means.append(made.mean)
    assert means[1] - means[0] > share * 1.9e-5


def test_the_only_settlement_of_a_horizon_is_the_nowcast():
    """The EWMA would blur a rate that is already decided."""
    grid, now_ms = at_hour(7)
    made = NowcastForecaster(reader=told(2e-5, 1.0, 8, SLOW)).forecast(grid, now_ms, 8).marginals[SLOW]
    assert made.quantiles == pytest.approx(np.full(9, 2e-5))
    assert made.p_up == (1.0 if grid.level[0, -1] < 2e-5 else 0.0)


def test_a_rate_equal_to_the_last_one_goes_neither_way():
    """A market that stays at its interest would be said to fall for certain."""
    grid, now_ms = at_hour(7)
    last = float(grid.level[0, -1])
    made = NowcastForecaster(reader=told(last, 1.0, 8, SLOW)).forecast(grid, now_ms, 8)
    assert made.marginals[SLOW].p_up == pytest.approx(0.5)


def test_the_nowcast_beats_the_ewma_late_in_the_interval():
    """The forecaster would throw away what the venue is already telling."""
    grid = premium_grid(replace(WORLD, days=60))
    errors = {"nowcast": [], "ewma": []}
    for day in range(45, 58):
        now = until(grid, day * 24 + 8)  # one hour before the settlement
        rate = grid.paid[0, day * 24 + 8 : day * 24 + 16].sum() / 8
        for name, forecaster in (("nowcast", NowcastForecaster()), ("ewma", EwmaForecaster())):
            made = forecaster.forecast(now, int(now.times_ms[-1]), 8).marginals[SLOW]
            errors[name].append(abs(made.quantiles[4] - rate))
    assert np.mean(errors["nowcast"]) < 0.4 * np.mean(errors["ewma"])


def test_the_later_settlements_start_from_the_nowcast():
    """After a rate that is known to jump, the next ones would still be expected where they were."""
    grid, now_ms = at_hour(7)
    made = [
        NowcastForecaster(reader=told(rate, 1.0, 8, SLOW)).forecast(grid, now_ms, 24).marginals[SLOW].mean
        for rate in (0.0, 1e-4)
    ]
    assert made[1] - made[0] > 1e-4 / 3 * 1.05


def test_what_is_only_expected_is_no_past_error():
    """The band of the later settlements would be measured against forecasts instead of rates."""
    grid, now_ms = at_hour(5)
    first = First(np.full(9, 1e-5), now_ms + 3 * HOUR_MS, 8, Evidence.SOURCES)
    came = continued(grid, {SLOW: first}, first.at_ms)
    assert came.keys == (SLOW,)
    assert int(came.times_ms[-1]) == first.at_ms
    assert np.isnan(came.paid[0, -3:-1]).all()
    assert came.paid[0, -1] == pytest.approx(8e-5)
    assert came.level[0, -3:] == pytest.approx([grid.level[0, -1], grid.level[0, -1], 1e-5])


@settings(max_examples=10)
@given(st.integers(0, 1_000), st.integers(0, 7), st.sampled_from([1, 8, 24, 120]))
def test_every_forecast_is_a_proper_law(seed, hour, horizon_h):
    """Crossing quantiles, probabilities outside 0 … 1 or scenarios of another law would reach the planner."""
    grid, now_ms = at_hour(hour, replace(WORLD, days=30), seed)
    made = NowcastForecaster().forecast(grid, now_ms, horizon_h)
    for key in made.keys:
        forecast, draws = made.marginals[key], made.column(key)
        assert (np.diff(forecast.quantiles) >= 0).all()
        assert 0 <= forecast.p_up <= 1
        assert np.quantile(draws, 0.5) == pytest.approx(forecast.quantiles[4], abs=2e-6)
        assert (forecast.made_at_ms, forecast.horizon_h) == (now_ms, horizon_h)


def test_scenarios_keep_their_dependence():
    """Two markets that move together would be drawn apart because one of them is nowcast."""
    grid, now_ms = at_hour(5)
    base = EwmaForecaster().forecast(grid, now_ms, 24)
    made = NowcastForecaster().forecast(grid, now_ms, 24)
    order = np.argsort(base.column(SLOW), kind="stable")
    assert (np.diff(made.column(SLOW)[order]) >= 0).all()
    assert np.array_equal(made.column(HOURLY), base.column(HOURLY))


def test_only_the_window_is_read():
    """A daemon with a longer memory would forecast something else than the one that was tested."""
    grid, now_ms = at_hour(5, replace(WORLD, days=45))
    config = NowcastConfig(window_h=30 * 24)
    other = until(grid, grid.level.shape[1])
    other.level[:, :200] *= 3.0
    firsts = [NowcastForecaster(config).firsts(g, now_ms)[SLOW].quantiles for g in (grid, other)]
    assert np.array_equal(*firsts)


@pytest.mark.parametrize("hours", [0, 1, 24])
@pytest.mark.parametrize("n_series", [0, 2])
def test_no_history_is_no_forecast(hours, n_series):
    """The first cycle of a daemon that starts without history would crash."""
    grid = until(premium_grid(replace(WORLD, days=2)), hours)
    cut = {n: getattr(grid, n)[:n_series] for n in ("paid", "level", "mark", "interval_h", "since_h", "bars")}
    made = NowcastForecaster().forecast(replace(grid, keys=grid.keys[:n_series], **cut), 0, 24)
    assert made.keys == ()
    assert made.scenarios.shape[1] == 0


def test_hashes_tell_models_apart():
    """The gate could not tell that a decision was made with another model than the one that is loaded."""
    made = [
        NowcastForecaster(),
        NowcastForecaster(NowcastConfig(window_h=1_000)),
        NowcastForecaster(NowcastConfig(ewma=EwmaConfig(half_lives_h=(8.0,)))),
        NowcastForecaster(reader=told(0.0, 1.0, 1)),
        EwmaForecaster(),
    ]
    assert len({forecaster.model_hash for forecaster in made}) == len(made)
    assert NowcastForecaster().model_hash == made[0].model_hash
    grid, now_ms = at_hour(5)
    forecast = made[0].forecast(grid, now_ms, 24)
    assert forecast.model_hash == made[0].model_hash
    assert forecast.feature_hash == made[0].feature_hash == FEATURE_HASH


def silence(minutes: float, trades_per_s: float = 1 / 1_200) -> tuple[ChainState, int]:
    """Injective's market `minutes` into the hour, without a trade so far; and the instant, ms."""
    start_s = 1_756_684_800
    state = FundingState(start_s + 3_600, Decimal(0), start_s)
    return ChainState(state, RULE, trades_per_s, PREMIUMS), start_s * 1_000 + round(minutes * 60_000)


def test_forty_silent_minutes_leave_all_open_and_one_trade_decides():
    """A trade after forty silent minutes would weigh its instant: the chain applies it to all forty."""
    seen, now_ms = silence(40)
    before = of_chain(seen, now_ms)
    traded = replace(seen, state=seen.state.after_trade(now_ms // 1_000, Decimal("0.0012")))
    after = of_chain(traded, now_ms)
    assert before is not None
    assert after is not None
    interest = float(RULE.hourly_interest)
    law = chain_law(seen.state, RULE, now_ms / 1_000, seen.trades_per_s, PREMIUMS)
    assert before.quantiles == pytest.approx([law.quantile(level) for level in LEVELS])
    # twenty more minutes of silence: exactly the interest, and the likeliest single value
    assert law.weights[law.rates == interest].sum() == pytest.approx(np.exp(-1), abs=1e-9)
    assert before.quantiles[0] < interest < before.quantiles[-1]
    spread = [np.ptp(first.quantiles) for first in (before, after)]
    assert spread[1] < 0.5 * spread[0]
    # nobody trades again: the mean premium is the trade's own, undiluted by the minutes to come
    assert np.isclose(after.quantiles, 0.0012 / 24 + interest, rtol=1e-9).any()
    assert (after.at_ms, after.hours, after.evidence) == (
        seen.state.next_settlement_s * 1_000,
        1,
        Evidence.CHAIN,
    )


def test_the_chain_is_certain_at_the_hour_and_silent_after_it():
    """At the settlement the forecast would still doubt what is a matter of record, or speak of an hour that is over."""
    seen, _ = silence(0)
    traded = replace(seen, state=seen.state.after_trade(seen.state.next_settlement_s - 60, Decimal("0.0024")))
    end_ms = seen.state.next_settlement_s * 1_000
    last = of_chain(traded, end_ms - 1)
    assert last is not None
    assert np.ptp(last.quantiles[1:-1]) == pytest.approx(0.0, abs=1e-9)
    assert last.mean == pytest.approx(0.0001 + float(RULE.hourly_interest), rel=1e-3)
    assert of_chain(traded, end_ms) is None


@pytest.mark.parametrize(
    "change", [{"trades_per_s": np.nan}, {"premiums": np.array([np.nan])}, {"premiums": PREMIUMS[:0]}]
)
def test_an_unknown_intensity_is_not_zero(change):
    """A market whose trades were not counted would be taken for one where nobody trades."""
    seen, now_ms = silence(40)
    with pytest.raises(ValueError, match="must be known"):
        of_chain(replace(seen, **change), now_ms)


def test_a_running_rate_within_the_hour_is_read():
    """Between whole hours the forecaster would be blind to what the venue tells every few seconds."""
    now_ms, hour_s = 1_756_684_800_000, 3_600.0
    rule, coming = rule_of("hyperliquid"), np.array([-2e-3, -1e-3, 0.0])
    spreads = []
    for minutes in (15, 45, 60):
        first = of_estimate(Estimate(-5e-5, hour_s - minutes * 60 + 1e-3, 1.0), rule, coming, now_ms)
        assert first is not None
        assert (first.hours, first.evidence) == (1, Evidence.ESTIMATE)
        spreads.append(np.ptp(first.quantiles))
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] < 1e-9


@pytest.mark.parametrize(
    "unknown", [Estimate(np.nan, 60, 1), Estimate(1e-5, np.nan, 8), Estimate(1e-5, 5 * 3_600, 1)]
)
def test_an_unknown_estimate_falls_back_and_says_so(unknown):
    """A rate that was not told, or told for an 8 h interval as if it were 1 h, would be taken for evidence."""
    grid, now_ms = at_hour(5, World(days=40))

    def read(key: SeriesKey, now_ms: int) -> First | None:
        return of_estimate(unknown, rule_of(key.venue), np.zeros(1), now_ms)

    made, evidence = NowcastForecaster(reader=read).explained(grid, now_ms, 24)
    assert same(made, EwmaForecaster().forecast(grid, now_ms, 24))
    assert evidence == {SLOW: Evidence.NONE}
