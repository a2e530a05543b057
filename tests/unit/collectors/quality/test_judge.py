"""The judge: every kind of fault is found, what is true is let pass, and nothing spreads to another coin."""

import sys
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from observations import MARKS, RATE, START_MS, VENUES, Planted, observation, sound, told

from hedged.collectors.quality.judge import Judge
from hedged.config import QualityConfig
from hedged.domain.bars import BAR_MS, Field
from hedged.domain.market import SeriesKey
from hedged.domain.quarantine import Fault

BTC = {venue: SeriesKey(venue, "BTC") for venue in VENUES}
HOUR = 4
WARM = 45 * HOUR * 8
"""Bars until a market has a usual level, and a past that speaks for it."""
Plant = Callable[[int], Planted]


def judge_of(bars: int, plant: Plant = lambda _: {}, venues: tuple[str, ...] = VENUES) -> Judge:
    """A judge that has seen this many sound bars, then as many as are planted."""
    judge = Judge(QualityConfig())
    for bar in range(bars):
        judge.look(*told(bar, plant(bar), venues))
    return judge


@pytest.fixture(scope="module")
def warm() -> Callable[[], Judge]:
    """Makes judges that know the usual level of every market."""
    import copy

    judge = judge_of(WARM)
    return lambda: copy.deepcopy(judge)


def follow(
    judge: Judge, plant: Plant, bars: int, venues: tuple[str, ...] = VENUES
) -> Mapping[SeriesKey, Fault]:
    """Go on after the warm bars; return who came into quarantine, with the first fault found."""
    found: dict[SeriesKey, Fault] = {}
    for bar in range(WARM, WARM + bars):
        judge.look(*told(bar, plant(bar), venues))
        for key, held in judge.quarantined.items():
            found.setdefault(key, held.fault)
    return found


def on(venue: str, **values: float) -> Plant:
    return lambda _: {BTC[venue]: {Field[name]: value for name, value in values.items()}}


def scaled(venue: str, field: Field, factor: float) -> Plant:
    return lambda bar: {BTC[venue]: {field: sound(BTC[venue], bar)[field] * factor}}


def moved(bar: int) -> dict[SeriesKey, dict[Field, float]]:
    """All venues of the coin climb by half a percent a bar."""
    return {
        key: {
            Field.MARK: MARKS["BTC"] * 1.005 ** (bar - WARM),
            **({Field.INDEX: MARKS["BTC"] * 1.005 ** (bar - WARM)} if venue != "injective" else {}),
        }
        for venue, key in BTC.items()
    }


def frozen(bar: int) -> Planted:
    return moved(bar) | {BTC["bybit"]: {Field.MARK: 60_100.0, Field.INDEX: 60_100.0}}


FAULTS: dict[str, tuple[str, Fault, Plant, int]] = {
    "infinite": ("bybit", Fault.IMPOSSIBLE, on("bybit", FUNDING_ESTIMATE=np.inf), 1),
    "a price of zero": ("bybit", Fault.IMPOSSIBLE, on("bybit", MARK=0.0), 1),
    "a negative price": ("injective", Fault.IMPOSSIBLE, on("injective", MARK=-60_000.0), 1),
    "a negative open interest": ("binance", Fault.IMPOSSIBLE, on("binance", OPEN_INTEREST=-1.0), 1),
    "per cent for a fraction": ("binance", Fault.IMPOSSIBLE, on("binance", FUNDING_ESTIMATE=0.3), 1),
    "a settlement to come": ("binance", Fault.FUTURE, on("binance", SETTLED_AGO_S=-3_600.0), 1),
    "a wild tick": ("bybit", Fault.OUTLIER_PRICE, scaled("bybit", Field.MARK, 1.2), 1),
    "a contract of a thousand": ("binance", Fault.PRICE_UNIT, scaled("binance", Field.MARK, 1_000), 1),
    "a thousandth": ("injective", Fault.PRICE_UNIT, scaled("injective", Field.MARK, 1e-3), 1),
    "a frozen price": ("bybit", Fault.FROZEN_PRICE, frozen, 3 * HOUR),
    "the cap for the rate": ("injective", Fault.OUTLIER_RATE, on("injective", FUNDING_ESTIMATE=6.25e-4), 1),
    "a day for an hour": ("injective", Fault.OUTLIER_RATE, scaled("injective", Field.FUNDING_ESTIMATE, 24), 1),
    "eight hours for one": (
        "injective", Fault.RATE_UNIT, scaled("injective", Field.FUNDING_ESTIMATE, 8), 40 * HOUR,
    ),
    "one hour for eight": (
        "binance", Fault.RATE_UNIT, scaled("binance", Field.FUNDING_ESTIMATE, 1 / 8), 40 * HOUR,
    ),
    "an interval alone": ("bybit", Fault.RATE_UNIT, on("bybit", INTERVAL_H=1.0, FUNDING_ESTIMATE=8 * RATE), 2),
    "a sign against the premium": (
        "injective", Fault.RATE_SIGN, on("injective", FUNDING_ESTIMATE=-RATE, PREMIUM=0.002), 9 * HOUR,
    ),
    "a mirrored rate": ("bybit", Fault.RATE_SIGN, scaled("bybit", Field.FUNDING_ESTIMATE, -1), 40 * HOUR),
    "contracts for coins": (
        "binance", Fault.OPEN_INTEREST_UNIT, lambda _: {BTC["binance"]: {Field.OPEN_INTEREST: 1e5}}, 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_every_kind_of_fault_is_found_where_it_is_and_nowhere_else(
    name: str, warm: Callable[[], Judge]
) -> None:
    """If this fails, the daemon decides on data that cannot be right, or blames a venue that told the truth."""
    venue, fault, plant, bars = FAULTS[name]
    assert follow(warm(), plant, bars) == {BTC[venue]: fault}


def test_all_kinds_are_planted() -> None:
    """If this fails, a kind of fault exists of which nobody has shown that it is ever found."""
    assert {fault for _, fault, _, _ in FAULTS.values()} == set(Fault) - {Fault.CONTRADICTION}


def test_the_truth_is_let_pass(warm: Callable[[], Judge]) -> None:
    """If this fails, extreme but real markets are shut out just when hedging pays."""
    judge = warm()
    crash = {key: {Field.MARK: MARKS["BTC"] * 0.6, Field.INDEX: MARKS["BTC"] * 0.6} for key in BTC.values()}
    extreme = {
        key: {Field.FUNDING_ESTIMATE: -0.0056} for key in BTC.values()
    }  # SOL, November 2022, everywhere
    printed = {
        BTC["injective"]: {Field.FUNDING_ESTIMATE: 6.25e-4, Field.FUNDING_SETTLED: 5e-4}
    }  # alone, but paid
    shown = {BTC["injective"]: {Field.FUNDING_ESTIMATE: 6.25e-4, Field.PREMIUM: 0.015}}
    for plant in (crash, extreme, printed, shown):
        assert not follow(judge, lambda _, p=plant: p, 3)  # type: ignore[misc]


def test_a_venue_that_stands_still_with_the_others_is_not_frozen(warm: Callable[[], Judge]) -> None:
    """If this fails, quiet hours are taken for a dead feed."""
    still = {key: {Field.MARK: MARKS["BTC"]} for key in BTC.values()}
    assert not follow(warm(), lambda _: still, 6 * HOUR)


def test_a_series_is_released_after_enough_new_sound_observations(warm: Callable[[], Judge]) -> None:
    """If this fails, a series flickers in and out of quarantine, or never comes back."""
    judge, need = warm(), QualityConfig().release_after
    bad = scaled("bybit", Field.MARK, 1.2)
    judge.look(*told(WARM, bad(WARM)))
    since_ms = judge.quarantined[BTC["bybit"]].since_ms
    for bar in range(WARM + 1, WARM + need):
        judge.look(*told(bar))
    ts_ms, again = told(WARM + need - 1)
    judge.look(ts_ms + 60_000, again)  # the same once more proves nothing
    assert BTC["bybit"] in judge.quarantined
    judge.look(*told(WARM + need, bad(WARM + need)))
    assert judge.quarantined[BTC["bybit"]].since_ms == since_ms
    for bar in range(WARM + need + 1, WARM + 2 * need + 1):
        assert BTC["bybit"] in judge.quarantined
        judge.look(*told(bar))
    assert not judge.quarantined


def test_in_quarantine_all_is_unknown_but_a_price_to_reduce_by(warm: Callable[[], Judge]) -> None:
    """If this fails, a bad value reaches the features, or a hedge cannot be reduced while its data are bad."""
    judge = warm()
    ts_ms, seen = told(WARM, scaled("bybit", Field.MARK, 1_000)(WARM))
    judged = judge.look(ts_ms, seen)
    at = [one.key for one in seen].index(BTC["bybit"])
    assert np.isnan(judged.bars[at].values).all()
    assert np.nanmax(judged.latest[at].values) == judged.latest[at].values[Field.MARK]
    assert judged.latest[at].values[Field.MARK] == pytest.approx(MARKS["BTC"], rel=0.01)
    assert judged.received[at] is seen[at]  # what is recorded is what was received
    rate = warm().look(*told(WARM, on("bybit", FUNDING_ESTIMATE=0.3)(WARM))).latest[at]
    assert rate.values[Field.MARK] == pytest.approx(MARKS["BTC"], rel=0.01)


def test_two_that_contradict_each_other_from_the_start_both_wait() -> None:
    """If this fails, one of two venues is believed at random, and legs are sized by a price that is a thousandfold."""
    venues = ("injective", "binance")
    plant = lambda bar: {  # noqa: E731
        BTC["binance"]: {Field.MARK: 60e6, Field.INDEX: 60.01e6} if bar < 40 else {}
    }
    judge = judge_of(20, plant, venues)
    assert set(judge.quarantined) == {BTC["injective"], BTC["binance"]}
    judge = judge_of(46, plant, venues)
    assert not judge.quarantined


def test_of_two_the_one_that_jumped_is_doubted() -> None:
    """If this fails, a single hedge venue's wild tick shuts out Injective."""
    venues = ("injective", "binance")
    plant = lambda bar: {BTC["binance"]: {Field.MARK: 80e3, Field.INDEX: 80.01e3}} if bar == 20 else {}  # noqa: E731
    assert {key: held.fault for key, held in judge_of(21, plant, venues).quarantined.items()} == {
        BTC["binance"]: Fault.OUTLIER_PRICE
    }


def test_two_that_go_wrong_by_the_same_unit_do_not_vouch_for_each_other() -> None:
    """If this fails, a leg is sized by a thousandfold price because two venues tell it while Injective is silent."""
    venues = ("binance", "bybit")
    wrong = {Field.MARK: 60e6, Field.INDEX: 60.01e6}

    def plant(bar: int) -> Planted:
        return {BTC[venue]: wrong for venue, since in (("bybit", 20), ("binance", 21)) if bar >= since}

    for bars in (22, 27):
        held = judge_of(bars, plant, venues).quarantined
        assert {key: one.fault for key, one in held.items()} == {BTC[v]: Fault.PRICE_UNIT for v in venues}


def test_two_that_crash_together_are_believed() -> None:
    """If this fails, the markets are shut out in the very hour in which protection is worth most."""
    plant = lambda bar: {BTC[v]: {Field.MARK: 31e3, Field.INDEX: 31e3} for v in venues if bar >= 20}  # noqa: E731
    venues = ("binance", "bybit")
    assert not judge_of(22, plant, venues).quarantined


def test_a_contradiction_without_a_jump_has_its_own_name() -> None:
    """If this fails, the operator is told of a jump that never was."""
    held = judge_of(1, on("bybit", MARK=80e3)).quarantined
    assert {key: one.fault for key, one in held.items()} == {BTC["bybit"]: Fault.CONTRADICTION}


def test_alone_a_wild_move_is_doubted_until_it_has_stayed() -> None:
    """If this fails, a market without any other to compare is at the mercy of one tick, or shut out for ever."""
    plant = lambda bar: {BTC["injective"]: {Field.MARK: 20e3}} if bar >= 20 else {}  # noqa: E731
    alone = ("injective",)
    assert judge_of(21, plant, alone).quarantined[BTC["injective"]].fault is Fault.OUTLIER_PRICE
    assert not judge_of(21 + QualityConfig().release_after, plant, alone).quarantined


def test_a_value_from_beyond_the_skew_is_the_future_and_a_moment_later_is_the_next_bar() -> None:
    """If this fails, a stepped clock lets tomorrow decide, or a slow answer is taken for one."""
    judge = judge_of(5)
    key = BTC["bybit"]
    ts_ms, seen = told(5)
    at = [one.key for one in seen].index(key)
    seen[at] = observation(key, ts_ms, sound(key, 5), ahead_ms=5_000)
    judged = judge.look(ts_ms, seen)
    assert not judge.quarantined
    assert np.isnan(judged.bars[at].values).all()
    assert not judged.bars[at].known_at_ms.any()
    seen[at] = observation(key, ts_ms, sound(key, 5), ahead_ms=3_600_000)
    judge.look(ts_ms, seen, ts_ms + 3_600_000)
    assert not judge.quarantined, "a machine that slept decides late on what it received now"
    judge.look(ts_ms, seen)
    assert judge.quarantined[key].fault is Fault.FUTURE


VALUES = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -1.0, 5e-324, 1e-30, 1e30, 1e308, 6.25e-4, 60e6]),
)


@given(
    planted=st.lists(
        st.tuples(st.integers(0, 12), st.sampled_from(VENUES), st.sampled_from(list(Field)), VALUES),
        max_size=8,
    )
)
def test_no_value_of_one_coin_touches_another(planted: list[tuple[int, str, Field, float]]) -> None:
    """If this fails, one venue's bad value moves what is known of another coin, and so its decisions."""
    clean, dirty = Judge(QualityConfig()), Judge(QualityConfig())
    for bar in range(13):
        plant = {BTC[v]: {f: x for b, w, f, x in planted if b == bar and w == v} for v in VENUES}
        a, b = clean.look(*told(bar)), dirty.look(*told(bar, plant))
        for one, other in zip((*a.bars, *a.latest), (*b.bars, *b.latest), strict=True):
            if one.key.symbol != "BTC":
                assert np.array_equal(one.values, other.values, equal_nan=True)
                assert np.array_equal(one.known_at_ms, other.known_at_ms)
        # and whatever was told, a number that cannot be never gets through
        for one in (*b.bars, *b.latest):
            mark = one.values[Field.MARK]
            assert not np.isinf(one.values).any()
            assert np.isnan(mark) or mark > 0


def weight(thing: object, seen: set[int] | None = None) -> int:
    """Bytes of an object and all it holds."""
    seen = seen if seen is not None else set()
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    total = sys.getsizeof(thing)
    if isinstance(thing, dict):
        return total + sum(weight(k, seen) + weight(v, seen) for k, v in thing.items())
    if isinstance(thing, (list, tuple, set)) or type(thing).__name__ == "deque":
        return total + sum(weight(one, seen) for one in thing)  # type: ignore[attr-defined]
    slots = getattr(type(thing), "__slots__", ())
    held = [getattr(thing, name) for name in slots if hasattr(thing, name)] + [getattr(thing, "__dict__", {})]
    return total + sum(weight(one, seen) for one in held)


def test_what_is_remembered_does_not_grow() -> None:
    """If this fails, the daemon's memory grows with its uptime."""
    judge = Judge(QualityConfig(release_after=2))

    def live(bars: range) -> None:
        for bar in bars:
            plant = scaled("bybit", Field.MARK, 1.3)(bar) if bar % 7 == 0 else {}
            at_ms = START_MS + bar * BAR_MS * 32  # eight hours a step: every interval ends
            _, seen = told(bar, plant)
            judge.look(
                at_ms, [observation(o.key, at_ms, dict(zip(Field, o.values, strict=True))) for o in seen]
            )

    live(range(400))
    before = weight(judge)
    live(range(400, 800))
    assert weight(judge) <= 1.02 * before
