"""What the daemon does to a book over days: caps, the trader's own quantity, funding, refusals."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import polars as pl
import pytest
from worlds import START_MS, config, dear, run, tables, world_of

from hedged.app import App
from hedged.backtest.runner import RunResult
from hedged.cycle import CycleReport
from hedged.domain.bars import Observation
from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import Fatal, Retryable
from hedged.domain.forecast import ForecastSet
from hedged.domain.funding import Settlement
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Execution
from hedged.features.resample import FEATURE_HASH, HourlyGrid
from hedged.forecast.ewma import EwmaForecaster
from hedged.forecast.registry import FORECASTERS
from hedged.risk.exposure import cap_usage, reduces
from hedged.risk.gate import KillLevel
from hedged.risk.verdict import Reason

DAYS = 5


@pytest.fixture(scope="module")
def hedged_run() -> tuple[RunResult, list[CycleReport]]:
    """Five days in which cuts, opposite perps and relocations are opened and closed."""
    reports: list[CycleReport] = []
    result = run(world_of(tables(DAYS)), config(), DAYS, on_cycle=reports.append)
    assert {f.purpose.value for f in result.fills} >= {"own_cut", "relocate", "hedge_open", "hedge_close"}
    return result, reports


def test_a_cut_never_feeds_on_itself(hedged_run: tuple[RunResult, list[CycleReport]]) -> None:
    """If this fails, the daemon takes its own cut for the trader's wish and cuts again from there."""
    result, reports = hedged_run
    first = reports[0].account.own
    assert all(report.account.own == first for report in reports)
    assert len(result.book) == 2
    assert {symbol for _, _, symbol, _ in result.book} == {"INJ", "BTC"}


def test_hedges_never_exceed_the_cap(hedged_run: tuple[RunResult, list[CycleReport]]) -> None:
    """If this fails, more than 40 % of a position is hedged at some moment, between two legs included."""
    result, reports = hedged_run
    own = reports[0].account.own
    held: dict[SeriesKey, Decimal] = defaultdict(Decimal)
    for fill in result.fills:
        held[fill.key] += fill.signed_quantity
        for symbol, quantity in own.items():
            assert cap_usage(symbol, quantity, held) <= Decimal("0.40") * abs(quantity)


def test_funding_is_paid_by_what_was_held_strictly_before(
    hedged_run: tuple[RunResult, list[CycleReport]],
) -> None:
    """If this fails, the ledger credits funding to quantities that were not held at the settlement."""
    result, reports = hedged_run
    own = {SeriesKey(INJECTIVE, symbol): q for symbol, q in reports[0].account.own.items()}
    for payment in result.payments:
        s = payment.settlement
        held = own.get(s.key, Decimal(0)) + sum(
            (f.signed_quantity for f in result.fills if f.key == s.key and f.execution.ts_ms < s.ts_ms),
            Decimal(0),
        )
        assert payment.quantity == held
        assert payment.payment_usd == -held * s.rate.rate * s.price
    assert {p.settlement.rate.interval_h for p in result.payments} >= {Decimal("1.0"), Decimal("8.0")}


def test_every_fill_came_from_a_journalled_decision(hedged_run: tuple[RunResult, list[CycleReport]]) -> None:
    """If this fails, something was traded that no cycle decided."""
    result, reports = hedged_run
    approved = {a.client_id for report in reports for a in report.review.approved}
    assert {f.execution.client_id for f in result.fills} <= approved
    hashes = {(d["model_hash"], d["feature_hash"], d["config_hash"]) for d in result.decisions}
    assert hashes == {(result.model_hash, result.feature_hash, result.config.hash)}


class ForeignSchema(EwmaForecaster):
    """A model made for another feature schema."""

    def __init__(self) -> None:
        super().__init__()
        self.feature_hash = "0" * 16


def test_a_model_of_another_feature_schema_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a model reads features that mean something else than it was trained on."""
    monkeypatch.setitem(FORECASTERS, "foreign", ForeignSchema)
    with pytest.raises(Fatal, match=FEATURE_HASH):
        run(world_of(tables(1)), config(hedge={"forecaster": "foreign"}), 1)


class Swapped(EwmaForecaster):
    """A model whose forecasts come from another artefact than the loaded one."""

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        return replace(super().forecast(grid, now_ms, horizon_h), model_hash="swapped")


def test_forecasts_of_a_swapped_model_never_trade(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, orders are sent on the word of a model that is not the one that was loaded."""
    monkeypatch.setitem(FORECASTERS, "swapped", Swapped)
    reports: list[CycleReport] = []
    result = run(world_of(tables(2)), config(hedge={"forecaster": "swapped"}), 2, on_cycle=reports.append)
    refusals = {r.reason for report in reports for r in report.review.refused}
    assert refusals == {Reason.HASH_MISMATCH}
    assert not result.fills


def test_a_latched_kill_lets_nothing_open() -> None:
    """If this fails, the kill switch is a decoration."""
    apps: list[App] = []

    def latch(report: CycleReport) -> None:
        apps[0].cycle.desk.kill = KillLevel.REDUCE_ONLY

    result = run(world_of(tables(2)), config(), 2, on_prepare=apps.append, on_cycle=latch)
    first_ms = START_MS + 15 * 60_000
    held: dict[SeriesKey, Decimal] = defaultdict(Decimal)
    for fill in result.fills:
        if fill.execution.ts_ms >= first_ms:
            assert fill.key.venue != INJECTIVE
            assert reduces(held[fill.key], fill.signed_quantity)
        held[fill.key] += fill.signed_quantity


class Flaky:
    """A data source that fails for some hours."""

    def __init__(self, inner: object, from_ms: int, to_ms: int) -> None:
        self._inner = inner
        self._span = (from_ms, to_ms)
        self._now_ms = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    async def observe(self, now_ms: int) -> Sequence[Observation]:
        self._now_ms = now_ms
        if self._span[0] <= now_ms < self._span[1]:
            raise Retryable("503 from the node")
        return await self._inner.observe(now_ms)  # type: ignore[attr-defined, no-any-return]

    async def settlements(self, since_ms: int, until_ms: int) -> Sequence[Settlement]:
        return await self._inner.settlements(since_ms, until_ms)  # type: ignore[attr-defined, no-any-return]


def test_a_silent_venue_freezes_and_then_the_daemon_converges(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, the daemon trades on stale data, or does not come back when the venue does."""
    from hedged.backtest.world import World

    down = (START_MS + 6 * HOUR_MS, START_MS + 12 * HOUR_MS)
    plain = World.venues

    def flaky(self: World, names: Sequence[str]) -> dict[str, object]:
        venues: dict[str, object] = dict(plain(self, names))
        venues[INJECTIVE] = Flaky(venues[INJECTIVE], *down)
        return venues

    monkeypatch.setattr(World, "venues", flaky)
    reports: list[CycleReport] = []
    result = run(world_of(tables(2)), config(), 2, on_cycle=reports.append)
    while_down = [r for r in reports if down[0] <= r.now_ms < down[1]]
    assert while_down
    assert all(not r.account.reconciled and not r.fills for r in while_down)
    assert not [f for f in result.fills if down[0] <= f.execution.ts_ms < down[1]]
    assert all(r.account.reconciled for r in reports if r.now_ms >= down[1])
    assert [f for f in result.fills if f.execution.ts_ms >= down[1]], "it goes on hedging afterwards"


def test_a_hedge_whose_basis_runs_away_is_unwound_and_stays_flat() -> None:
    """If this fails, a hedge may lose without bound against the funding it was to save (requirement A10)."""
    frames = dear(tables(3))
    shock_ms = START_MS + 20 * HOUR_MS
    late = (pl.col("venue") == "binance") & (pl.col("ts").dt.epoch("ms") > shock_ms)
    fallen = [
        pl.when(late).then(pl.col(c) * 0.95).otherwise(pl.col(c)) for c in ("open", "high", "low", "close")
    ]
    frames["ohlcv"] = frames["ohlcv"].with_columns(fallen)
    mark = pl.when(late).then(pl.col("mark_price") * 0.95).otherwise(pl.col("mark_price"))
    frames["funding"] = frames["funding"].with_columns(mark)
    reports: list[CycleReport] = []
    result = run(world_of(frames), config(), 3, on_cycle=reports.append)
    stops = [f for f in result.fills if f.purpose.value == "stop"]
    assert {f.key for f in stops} >= {SeriesKey("binance", "BTC"), SeriesKey(INJECTIVE, "BTC")}
    stopped_ms = max(f.execution.ts_ms for f in stops)
    assert shock_ms < stopped_ms < shock_ms + HOUR_MS, "within the first cycles after the shock"
    within = [r for r in reports if stopped_ms < r.now_ms < stopped_ms + 23 * HOUR_MS]
    assert within
    assert not any(q for r in within for k, q in r.account.attributed.items() if k.symbol == "BTC")
    assert any("stop: the hedge has lost" in str(d["reason"]) for d in result.decisions)


def test_a_relocation_stays_whole_when_its_far_venue_goes_dark() -> None:
    """If this fails, the cut is bought back while the far leg stays: the trader holds more than he wanted, for good."""
    frames = dear(tables(3))
    dark = (pl.col("venue") == "bybit") & (pl.col("ts").dt.epoch("ms") > START_MS + 6 * HOUR_MS)
    frames["funding"] = frames["funding"].filter(~dark)
    reports: list[CycleReport] = []
    run(world_of(frames), config(), 3, on_cycle=reports.append)
    inj = {k.venue: q for k, q in reports[-1].account.attributed.items() if k.symbol == "INJ"}
    assert inj["bybit"] > 0, "a relocation must be held, or nothing is shown"
    assert -inj[INJECTIVE] >= inj["bybit"]


def test_executions_that_lag_positions_are_not_the_traders(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, the daemon takes its own late fills for the trader's and cuts again, beyond the cap."""
    from hedged.adapters.paper import PaperVenue

    prompt = PaperVenue.executions

    async def late(self: PaperVenue, since_ms: int) -> Sequence[Execution]:
        told = await prompt(self, since_ms)
        return [e for e in told if e.ts_ms <= self._clock.now_ms() - 20 * 60_000]

    monkeypatch.setattr(PaperVenue, "executions", late)
    reports: list[CycleReport] = []
    result = run(world_of(tables(2)), config(), 2, on_cycle=reports.append)
    assert result.fills
    seen = [r.account.own for r in reports if r.account.own]
    assert all(own == seen[0] for own in seen)
    assert any(not r.account.reconciled for r in reports), "a venue that is behind counts as unknown"
    held: dict[SeriesKey, Decimal] = defaultdict(Decimal)
    for fill in result.fills:
        held[fill.key] += fill.signed_quantity
        for symbol, own in seen[0].items():
            assert cap_usage(symbol, own, held) <= Decimal("0.40") * abs(own)


def test_every_payment_up_to_the_end_is_counted() -> None:
    """If this fails, funding after the last cycle counts as unhedged only, and a saving appears from nothing."""
    hourly = config(cycle={"interval_s": 3_600, "history_days": 12}, hedge={"cap": 0})
    result = run(world_of(tables(2)), hourly, 2)
    times = {p.settlement.ts_ms for p in result.payments if p.settlement.key == SeriesKey(INJECTIVE, "INJ")}
    assert times == {START_MS + h * HOUR_MS for h in range(1, 48)}


def test_what_the_gate_made_smaller_is_reported() -> None:
    """If this fails, an operator is never told that a limit, not the plan, decides how much is hedged."""
    reports: list[CycleReport] = []
    run(world_of(dear(tables(1))), config(risk={"max_market_usd": 3_000}), 1 / 48, on_cycle=reports.append)
    assert reports[0].review.shrunk
