"""What lets a bar be passed over, against the planner itself."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hedged.backtest.batch.kinked import Minimiser
from hedged.backtest.batch.legs import OPPOSITE, LegTable
from hedged.backtest.batch.quick import Bar, changes
from hedged.backtest.batch.settled import settled as surely_settled
from hedged.backtest.batch.stated import BarsAhead
from hedged.config import parse_config
from hedged.domain.market import INJECTIVE, Costs, Market, SeriesKey
from hedged.strategy.planner import plan
from hedged.strategy.state import LegCosts, PlannerState, SymbolPlan, SymbolState

VENUES = ("binance", "bybit")
SYMBOLS = ("AAA", "BBB", "CCC")
BP_A_YEAR = 1e-4 / (365 * 24)
COSTS = Costs(Decimal(0), Decimal("0.0005"), Decimal("0.0001"), Decimal(1_000_000))
PLACES = tuple(sorted(SeriesKey(v, s) for v in (INJECTIVE, *VENUES) for s in SYMBOLS))
MARKETS = {k: Market(k, *[Decimal("0.01")] * 2, Decimal(5), *[Decimal("0.05")] * 2, COSTS) for k in PLACES}
DRAWS = 64


@dataclass(frozen=True)
class Case:
    """The same book twice: as the planner sees it, and as arrays."""

    state: PlannerState
    table: LegTable
    bar: Bar
    draws: np.ndarray
    may_pay: np.ndarray

    def changes(self) -> bool:
        held = self.table.coin[self.bar.held[self.table.far] != 0]
        coins = np.unique(np.concatenate((held, self.table.coin[self.may_pay])))
        legs = np.flatnonzero(np.isin(self.table.coin, coins))
        return bool(len(legs)) and changes(self.table, self.bar, legs, self.draws, np.arange(len(PLACES) + 1))


def case(
    seed: int,
    apart_bp: float,
    share_held: float,
    moved: float = 0.0,
    lying: np.ndarray | None = None,
    share_closed: float = 0.0,
) -> Case:
    """Rates of about `apart_bp` a year, and a share of the legs held, at sizes of any kind, or what is `lying` there.

    `moved`: how far rates have moved since, as a share of themselves; `share_closed`: of the markets on which nothing
    may be opened.
    """
    rng = np.random.default_rng(seed)
    own = {s: Decimal(int(rng.choice([-1, 1])) * int(rng.integers(200, 2_000))) for s in SYMBOLS}
    config = parse_config({"hedge": {"venues": list(VENUES), "forecaster": "ewma"}})
    table = LegTable.of(config, MARKETS, own, Decimal(60_000))
    mark, sigma = rng.uniform(20, 80, len(SYMBOLS)), rng.uniform(0.01, 0.05, len(SYMBOLS))
    levels = rng.normal(0, apart_bp, len(PLACES)) * BP_A_YEAR
    draws = levels[:, None] + rng.normal(0, 200 * BP_A_YEAR, (len(PLACES), DRAWS))
    usual = np.append(levels + rng.normal(0, 100 * BP_A_YEAR, len(PLACES)), 0.0)
    held = np.zeros(len(PLACES) + 1)
    for i, key in enumerate(PLACES):
        if rng.random() < share_held:
            most = float(own[key.symbol]) * rng.uniform(0, 0.25)
            held[i] = -most if key.venue == INJECTIVE else most * rng.choice([-0.3, 1.0])
    if lying is not None:
        held = lying
        draws = draws * rng.uniform(1 - moved, 1 + moved, (len(PLACES), 1))
    basis = np.append(rng.uniform(0.0005, 0.003, len(PLACES)), 0.0)
    names = sorted(VENUES)
    venue_of = np.array([names.index(k.venue) if k.venue in names else 2 for k in PLACES] + [2])
    correlation = np.full((3, 3), 0.6) + 0.4 * np.eye(3)
    closed = frozenset(key for key in PLACES if rng.random() < share_closed)
    means = np.append(draws.mean(axis=1), 0.0)
    bar = Bar(
        mark, sigma, correlation, usual, means, basis, held, np.array([15_000.0, 15_000.0]), venue_of,
        np.zeros(3, dtype=bool), _open(table, closed),
    )  # fmt: skip
    may_pay = table.may_pay(means[:, None], usual[:, None], sigma[:, None])[:, 0] & bar.open_
    symbols = tuple(_symbol(s, own[s], i, table, bar, draws, closed) for i, s in enumerate(SYMBOLS))
    state = PlannerState(symbols, correlation, dict.fromkeys(VENUES, 15_000.0), table.settings)
    return Case(state, table, bar, draws, may_pay)


def settled(seed: int, apart_bp: float, moved: float, share_closed: float = 0.0) -> Case:
    """A book that holds what was planned for it, at rates that have moved since, some markets being closed by now."""
    before = case(seed, apart_bp, 0.0)
    held = np.zeros(len(PLACES) + 1)
    for told, symbol in zip(plan(before.state), before.state.symbols, strict=True):
        price = before.bar.mark[SYMBOLS.index(told.symbol)]
        for venue, usd in {**told.legs_usd, INJECTIVE: -symbol.side * told.cut_usd}.items():
            held[PLACES.index(SeriesKey(venue, told.symbol))] = usd / price
    return case(seed, apart_bp, 0.0, moved, held, share_closed)


def _open(table: LegTable, closed: frozenset[SeriesKey]) -> np.ndarray:
    """Which legs may grow: nothing they trade on is closed."""
    shut = np.array([key in closed for key in PLACES])
    return ~shut[table.far] & ((table.kind == OPPOSITE) | ~shut[table.here[table.coin]])


def _symbol(
    symbol: str,
    own: Decimal,
    i: int,
    table: LegTable,
    bar: Bar,
    draws: np.ndarray,
    closed: frozenset[SeriesKey],
) -> SymbolState:
    row = {key.venue: j for j, key in enumerate(PLACES) if key.symbol == symbol}
    side, mark = (1 if own > 0 else -1), float(bar.mark[i])
    leverage = 1 / (max(table.distance, 3 * bar.sigma[i]) * 1.05 + 0.05)
    return SymbolState(
        symbol=symbol, side=side, own_usd=abs(float(own)) * mark,
        cut_usd=max(0.0, -side * bar.held[row[INJECTIVE]] * mark),
        legs_usd={v: bar.held[row[v]] * mark for v in VENUES if bar.held[row[v]]},
        rates={v: draws[j] for v, j in row.items()}, costs={v: LegCosts(6e-4, 2.5e-9) for v in row},
        sigma=float(bar.sigma[i]), basis_sigma={v: float(bar.basis[row[v]]) for v in VENUES},
        usual={v: float(bar.usual[j]) for v, j in row.items()}, leverage=dict.fromkeys(row, float(leverage)),
        closed={k.venue: "in quarantine" for k in sorted(closed) if k.symbol == symbol},
    )  # fmt: skip


def _moves(told: SymbolPlan, symbol: SymbolState) -> bool:
    """Whether a plan asks for another position anywhere, by more than what adding up leaves."""
    there = {**dict.fromkeys(told.legs_usd, 0.0), **symbol.legs_usd}
    apart = [told.cut_usd - symbol.cut_usd, *(told.legs_usd[v] - usd for v, usd in there.items())]
    return max(map(abs, apart)) > 1e-9 * symbol.own_usd


APART_BP = st.sampled_from([50.0, 300.0, 1_500.0])


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    apart_bp=APART_BP,
    moved=st.sampled_from([0.0, 0.1, 0.5]),
    share_closed=st.sampled_from([0.0, 0.3]),
)
def test_a_bar_is_passed_over_only_where_the_plan_changes_nothing(
    seed: int, apart_bp: float, moved: float, share_closed: float
) -> None:
    """If this fails, a hedge that the planner would open, change or close is missed."""
    one = settled(seed, apart_bp, moved, share_closed)
    assert one.changes() or not _any_moves(one)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), apart_bp=APART_BP, share_closed=st.sampled_from([0.0, 0.3]))
def test_whatever_is_held_no_change_is_missed(seed: int, apart_bp: float, share_closed: float) -> None:
    """If this fails, a position beyond its limits, or on both sides, is left as it is."""
    one = case(seed, apart_bp, 0.5, share_closed=share_closed)
    assert one.changes() or not _any_moves(one)


def _any_moves(one: Case) -> bool:
    return any(_moves(told, s) for told, s in zip(plan(one.state), one.state.symbols, strict=True))


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), apart_bp=APART_BP)
def test_where_no_leg_may_pay_and_nothing_is_held_the_plan_is_none(seed: int, apart_bp: float) -> None:
    """If this fails, bars are passed over though a leg pays: the programme is skipped by its means alone."""
    one = case(seed, apart_bp, 0.0)
    paying = {SYMBOLS[i] for i in one.table.coin[one.may_pay]}
    for told in plan(one.state):
        if told.symbol not in paying:
            assert not any(leg.full_kelly_usd or leg.target_usd for leg in told.legs)
            assert told.rule in ("no_saving", "cost")


def test_both_answers_are_given_and_few_bars_are_looked_at_in_vain() -> None:
    """If this fails, the proofs above look at one side alone, or every bar is decided by the planner."""
    cases = [settled(seed, 300.0, moved) for seed in range(12) for moved in (0.1, 1.0)]
    cases += [case(seed, apart_bp, 0.0) for seed in range(12) for apart_bp in (50.0, 1_500.0)]
    told, true = [one.changes() for one in cases], [_any_moves(one) for one in cases]
    assert 8 < sum(true) < len(true) - 8
    assert sum(told) <= sum(true) + 2


def ahead_of(cases: list[Case]) -> tuple[np.ndarray, np.ndarray]:
    """At which of the bars, all with the same held, surely nothing changes, and at which something does."""
    table, bars = cases[0].table, [one.bar for one in cases]
    held = table.coin[bars[0].held[table.far] != 0]
    in_ = np.stack([np.isin(table.coin, [*held, *table.coin[one.may_pay]]) for one in cases])

    def every(name: str) -> np.ndarray:
        return np.stack([getattr(bar, name) for bar in bars])

    ahead = BarsAhead(
        *(every(x) for x in ("mark", "sigma", "correlation", "usual", "means", "basis")), bars[0].held,
        every("collateral"), bars[0].venue_of, every("paused"), every("open_"), in_,
        np.stack([one.draws for one in cases]), np.arange(len(PLACES) + 1),
    )  # fmt: skip
    legs = np.flatnonzero(in_.any(axis=0))
    if not len(legs):
        return np.zeros(len(cases), dtype=bool), np.zeros(len(cases), dtype=bool)
    return surely_settled(table, ahead, legs, (Minimiser(), Minimiser()))


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6), apart_bp=APART_BP, share_closed=st.sampled_from([0.0, 0.3]))
def test_bars_ahead_are_passed_over_only_where_the_plan_changes_nothing(
    seed: int, apart_bp: float, share_closed: float
) -> None:
    """If this fails, a hedge that the planner would change is missed where many bars are looked at together."""
    cases = [settled(seed, apart_bp, moved, share_closed) for moved in (0.0, 0.1, 0.5)]
    for sure, one in zip(ahead_of(cases)[0], cases, strict=True):
        assert not sure or not _any_moves(one)


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6), apart_bp=APART_BP, share_closed=st.sampled_from([0.0, 0.3]))
def test_whatever_is_held_bars_ahead_miss_no_change(seed: int, apart_bp: float, share_closed: float) -> None:
    """If this fails, a position beyond its limits, or on both sides, is left as it is for many bars."""
    one = case(seed, apart_bp, 0.5, share_closed=share_closed)
    assert not ahead_of([one])[0][0] or not _any_moves(one)


def test_most_bars_ahead_at_which_nothing_changes_are_told_together() -> None:
    """If this fails, the proofs above look at bars that are never passed over."""
    told = true = 0
    for seed in range(20):
        cases = [settled(seed, 300.0, moved) for moved in (0.0, 0.1, 0.3)]
        true += sum(not _any_moves(one) for one in cases)
        told += int(ahead_of(cases)[0].sum())
    assert true > 20
    assert told > 0.4 * true


def test_bars_that_are_cycles_unasked_change_something() -> None:
    """If this fails, bars at which nothing changes are cycles, and the engine is slow."""
    told = []
    for seed in range(20):
        for one in (settled(seed, 300.0, 1.0), case(seed, 300.0, 0.5)):
            told += [_any_moves(one)] if ahead_of([one])[1][0] else []
    assert len(told) > 5
    assert sum(told) >= len(told) - 1
