"""The figures of a run: what they mean in money, and what must hold of them whatever happened."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedged.backtest.metrics.course import Course, Days, Unhedged
from hedged.backtest.metrics.definitions import LABELS, Metric
from hedged.backtest.metrics.formulas import Frame, Part
from hedged.backtest.metrics.measure import baseline_rows, daily_table, figures

ROOT = Path(__file__).parents[3]
SYMBOLS = ("BTC", "ETH", "INJ")
N_DAYS = 30
DAYS = Days(20_000, N_DAYS)
FRAME = Frame(N_DAYS, 100_000.0, 0.4, 25_000.0, 0.05)
few = settings(max_examples=20)
IN_USD = {metric for metric in Metric if metric.unit == "usd"}


@st.composite
def books(draw):
    """Funding of an unhedged book, and what a hedge saved and cost: any sizes, days and symbols without anything."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    drift = draw(st.sampled_from([-200.0, -20.0, 0.0, 20.0]))
    there = rng.random((3, N_DAYS)) < draw(st.sampled_from([0.1, 0.9]))
    funding = rng.normal(drift, 100, (3, N_DAYS)) * there
    return (
        funding,
        rng.normal(10, 50, (3, N_DAYS)) * there,
        rng.exponential(5, (3, N_DAYS)) * (rng.random((3, N_DAYS)) < 0.2),
    )


def alone_of(funding: np.ndarray, paid: np.ndarray | None = None) -> Unhedged:
    return Unhedged(SYMBOLS, funding, np.maximum(-funding, 0.0) if paid is None else paid)


def course(saved: np.ndarray, cost: np.ndarray | float = 0.0, name: str = "hedged") -> Course:
    cost = np.broadcast_to(cost, saved.shape)
    return Course(name, SYMBOLS, saved, cost, 1e3 * cost)


def told(of: Course, alone: Unhedged, frame: Frame = FRAME, foresight: np.ndarray | None = None) -> dict:
    best = np.full_like(of.saved_usd, 10.0) if foresight is None else foresight
    by_fills = {Metric.NAKED_HOURS: Part(np.array([0.5]))}
    return figures(
        of, [course(best, name="foresight"), course(best / 2, name="constant")], alone, DAYS, frame, by_fills
    )


@few
@given(books())
def test_money_adds_up_over_symbols_and_days(book):
    """If this fails, the book's saving is not the sum of its parts, and tables contradict each other."""
    funding, saved, cost = book
    of, alone = course(saved, cost), alone_of(funding)
    value = told(of, alone)["net_saving"]["value"]
    assert value == pytest.approx((saved - cost).sum(), abs=1e-6)
    assert baseline_rows([of], alone)[0]["net_saving_usd"] == pytest.approx(value)
    daily = daily_table([of], DAYS)
    assert daily["saved_usd"].sum() - daily["cost_usd"].sum() == pytest.approx(value, abs=1e-6)
    assert len(daily) == 3 * N_DAYS
    assert daily["day"].n_unique() == N_DAYS


@few
@given(books(), st.permutations(range(3)))
def test_the_order_of_symbols_means_nothing(book, order):
    """If this fails, a figure depends on how the book was typed in."""
    funding, saved, cost = book
    order = list(order)
    mixed = told(course(saved[order], cost[order]), alone_of(funding[order]))
    for name, figure in told(course(saved, cost), alone_of(funding)).items():
        for part in ("value", "low", "high"):
            known = figure[part] is not None
            assert mixed[name][part] == (
                pytest.approx(figure[part], rel=1e-6, abs=1e-6) if known else None
            ), name


@few
@given(books(), st.sampled_from([0.01, 7.0, 1e4]))
def test_a_book_ten_times_as_large_has_the_same_ratios(book, factor):
    """If this fails, a ratio hides a sum of money, and large books look better or worse than small ones."""
    funding, saved, cost = book
    small = told(course(saved, cost), alone_of(funding))
    frame = replace(
        FRAME, notional_usd=FRAME.notional_usd * factor, collateral_usd=FRAME.collateral_usd * factor
    )
    large = told(
        course(saved * factor, cost * factor),
        alone_of(funding * factor),
        frame,
        np.full((3, N_DAYS), 10.0 * factor),
    )
    for metric in Metric:
        times = factor if metric in IN_USD else 1.0
        if small[metric]["value"] is None:
            assert large[metric]["value"] is None
        else:
            assert large[metric]["value"] == pytest.approx(
                small[metric]["value"] * times, rel=1e-6, abs=1e-6 * times
            )


@few
@given(books(), st.floats(0, 1), st.booleans())
def test_a_cut_keeps_under_its_ceilings(book, cap, always):
    """If this fails, a ceiling can be broken by what it is the ceiling of."""
    funding, _, _ = book
    cut = np.where((funding < 0) | always, -cap * funding, 0.0)
    found = told(course(cut), alone_of(funding), replace(FRAME, cap=cap))
    value = {name: figure["value"] for name, figure in found.items()}
    if value["saving_ratio"] is not None:
        assert value["saving_ratio"] <= value["saving_ratio_ceiling"] + 1e-9
        assert value["saving_ratio_ceiling"] <= value["saving_ratio_ceiling_full"] + 1e-9
    if always:
        if value["variance_effectiveness"] is not None:
            assert value["variance_effectiveness"] == pytest.approx(
                value["variance_effectiveness_ceiling"], rel=1e-6, abs=1e-9
            )
        if value["hedge_effectiveness"] is not None:
            assert value["hedge_effectiveness"] == pytest.approx(cap)


def test_the_figures_of_a_book_that_anyone_can_reckon():
    """If this fails, a figure is not what its definition says."""
    funding = np.zeros((3, N_DAYS))
    funding[0, :10], funding[0, 10] = -100.0, 50.0  # 1,000 paid, 50 received
    saved, cost = np.zeros((2, 3, N_DAYS))
    saved[0, :10], cost[0, 0] = 40.0, 90.0
    best = np.zeros((3, N_DAYS))
    best[0, :10] = 62.0
    found = told(course(saved, cost), alone_of(funding), FRAME, best)
    value = {name: figure["value"] for name, figure in found.items()}
    assert value["net_saving"] == pytest.approx(310)
    assert value["saving_ratio"] == pytest.approx(310 / 950)
    assert (found["saving_ratio"]["numerator_usd"], found["saving_ratio"]["denominator_usd"]) == (310, 950)
    assert value["saving_ratio_ceiling"] == pytest.approx(400 / 950)
    assert value["saving_ratio_ceiling_full"] == pytest.approx(1_000 / 950)
    assert value["hedge_effectiveness"] == pytest.approx(1 - (150 + 9 * 60) / 1_000)
    assert value["variance_effectiveness_ceiling"] == pytest.approx(0.64)
    assert value["foresight_share"] == pytest.approx(0.5)
    assert value["over_constant"] == pytest.approx(0.0)
    assert (value["worst_day"], found["worst_day"]["date"]) == (-50, "2024-10-04")
    assert value["naked_hours"] == 0.5
    assert value["turnover_month"] == pytest.approx(90_000 / 100_000)
    assert value["return_on_capital"] == pytest.approx(310 * 365 / 30 / 25_000)
    assert value["monthly_funding"] == pytest.approx(950)
    charge = 25_000 * 0.05 * 30 / 365
    assert value["break_even_monthly_funding"] == pytest.approx(950 * (90 + charge) / 400)


def test_there_is_no_share_of_next_to_nothing():
    """If this fails, a saving of two dollars against a foresight of one is called 200 %."""
    least = FRAME.least_usd
    assert least == pytest.approx(100_000 * 20e-4 * 30 / 365)
    saved = np.full((3, N_DAYS), 1.0)
    for best, shown in ((0.99 * least, False), (1.01 * least, True)):
        of = told(course(saved), alone_of(-saved), FRAME, np.full((3, N_DAYS), best / 90))
        assert (of["foresight_share"]["value"] is not None) is shown
        assert of["foresight_share"]["denominator_usd"] == pytest.approx(best)


def test_never_hedging_saves_and_trades_exactly_nothing():
    """If this fails, doing nothing is told to have been worth something."""
    nothing = np.zeros((3, N_DAYS))
    found = told(course(nothing), alone_of(np.full((3, N_DAYS), -7.0)))
    zeros = {
        found[name]["value"]
        for name in ("net_saving", "turnover", "worst_day", "saving_ratio", "hedge_effectiveness")
    }
    assert zeros == {0.0}
    assert found["break_even_monthly_funding"]["value"] is None


def test_intervals_hold_the_figure_and_short_windows_have_none():
    """If this fails, a result of two weeks looks as sure as one of two years."""
    rng = np.random.default_rng(3)
    saved = rng.normal(5, 20, (3, N_DAYS))
    found = told(course(saved), alone_of(-10 + rng.normal(0, 3, (3, N_DAYS))))
    for name in ("net_saving", "saving_ratio", "hedge_effectiveness", "foresight_share", "return_on_capital"):
        figure = found[name]
        assert figure["low"] < figure["value"] < figure["high"], name
    days = Days(20_000, 27)
    short = figures(course(saved[:, :27]), [], alone_of(-saved[:, :27]), days, replace(FRAME, days=27))
    assert short["net_saving"]["low"] is None


def test_the_manual_tells_every_figure_as_it_is() -> None:
    """If this fails, docs/metrics.md is out of date: run scripts/metrics_page.py."""
    spec = importlib.util.spec_from_file_location("metrics_page", ROOT / "scripts" / "metrics_page.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert script.with_tables(page) == page
    for metric in Metric:
        assert metric.meaning.endswith(".")
        assert f"`{metric}`" in page
    assert all(f"`{name}`" in page for name in LABELS)
