"""All three strategies in one daemon: each opens and closes, none meets another, and the money adds up."""

import asyncio
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal

import pytest
from worlds import NORMAL_MS, START_MS, config, diverging_world, run

from hedged.app import App, Parts
from hedged.backtest.recorded import window_settlements
from hedged.backtest.runner import RunResult
from hedged.backtest.summary import summarise
from hedged.backtest.world import World
from hedged.collectors.followed import followed_markets
from hedged.cycle import CycleReport
from hedged.domain.clock import HOUR_MS, LoopClock
from hedged.domain.errors import ConfigError
from hedged.domain.forecast import CascadeView, ForecastSet
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Strategy
from hedged.execution.journal.thread import Journal
from hedged.features.resample import HourlyGrid
from hedged.forecast import registry
from hedged.forecast.port import Forecaster
from hedged.risk.exposure import cap_usage
from hedged.sandbox.markets import VENUES

DAYS = 4
DANGER = (START_MS + 10 * HOUR_MS, START_MS + 20 * HOUR_MS)
BOOK = {"positions": {"INJ": {"usd": 80_000}, "ETH": {"usd": -60_000}}}
STRATEGIES = {
    "cascade_hedge": {"enabled": True, "symbols": ["ETH"], "min_hold_h": 4},
    "divergence": {"enabled": True, "symbols": ["IMX"], "exit_below": "0.0004"},
}


class Alarmed:
    """Tells cascades while there is danger."""

    def __init__(self, inner: Forecaster) -> None:
        self._inner = inner
        self.model_hash, self.feature_hash = inner.model_hash, inner.feature_hash

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        p = 0.9 if DANGER[0] <= now_ms < DANGER[1] else 0.03
        told = self._inner.forecast(grid, now_ms, horizon_h)
        return replace(told, cascades={"ETH": CascadeView(18.0, p, 0.1)})


@pytest.fixture(scope="module")
def all_three() -> tuple[RunResult, list[CycleReport], World]:
    """Four days of all strategies, on hourly cycles."""
    reports: list[CycleReport] = []
    world = diverging_world(DAYS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_with_cascades", lambda made, *_: Alarmed(made))
        settings = config(book=BOOK, strategies=STRATEGIES, cycle={"interval_s": 3_600, "history_days": 12})
        result = run(world, settings, DAYS, on_cycle=reports.append)
    return result, reports, world


def test_every_strategy_opens_and_closes(all_three: tuple[RunResult, list[CycleReport], World]) -> None:
    """If this fails, a strategy never trades, or does not come back from what it opened."""
    result, reports, _ = all_three
    purposes = {fill.purpose.value for fill in result.fills}
    assert purposes >= {"cascade_open", "cascade_close", "divergence_open", "divergence_close"}
    assert purposes & {"hedge_open", "relocate", "own_cut"}
    last = reports[-1].account
    assert not [k for k, q in last.attributed.items() if q and last.owners[k] is not Strategy.FUNDING_HEDGE]
    cascade = [f for f in result.fills if f.purpose.value == "cascade_open"]
    assert all(DANGER[0] <= f.execution.ts_ms < DANGER[1] for f in cascade)
    assert {f.key.symbol for f in cascade} == {"ETH"}
    closed = [f.execution.ts_ms for f in result.fills if f.purpose.value == "divergence_close"]
    assert min(closed) > NORMAL_MS


def test_no_market_is_traded_by_two_at_once(all_three: tuple[RunResult, list[CycleReport], World]) -> None:
    """If this fails, strategies trade against each other, or hedges exceed the cap together."""
    result, reports, _ = all_three
    for report in reports:
        orders: dict[SeriesKey, set[Strategy]] = defaultdict(set)
        for approved in report.review.approved:
            orders[approved.intent.key].add(approved.intent.purpose.strategy)
        assert all(len(who) == 1 for who in orders.values())
    held: dict[SeriesKey, Decimal] = defaultdict(Decimal)
    own = {symbol: q for symbol, q in reports[0].account.own.items() if q}
    for fill in result.fills:
        held[fill.key] += fill.signed_quantity
        assert fill.key.venue != INJECTIVE or fill.purpose.strategy is Strategy.FUNDING_HEDGE
        for symbol, quantity in own.items():
            assert cap_usage(symbol, quantity, held) <= Decimal("0.40") * abs(quantity)


def test_the_trade_is_neutral_and_what_it_made_is_what_it_says(
    all_three: tuple[RunResult, list[CycleReport], World],
) -> None:
    """If this fails, the divergence trade carries the price, or its own book differs from the ledger's."""
    result, reports, _ = all_three
    for report in reports:
        legs = [q for k, q in report.account.attributed.items() if k.symbol == "IMX"]
        assert sum(legs, Decimal(0)) == 0
    told = [d["strategies"]["divergence"] for d in result.decisions if d["symbol"] == "IMX"]  # type: ignore[index]
    last = [row for row in told if "closed" in row["reason"]][-1]
    fills = [f for f in result.fills if f.key.symbol == "IMX"]
    paid = [p for p in result.payments if p.settlement.key.symbol == "IMX"]
    opening = [f for f in fills if f.purpose.value == "divergence_open"]
    costs = sum((f.execution.fee_usd + f.spread_usd for f in opening), Decimal(0))
    price = sum((-f.signed_quantity * f.reference_price for f in fills), Decimal(0))
    received = sum((p.payment_usd for p in paid), Decimal(0))
    assert received > 0
    assert last["net_usd"] == pytest.approx(float(received + price - costs), abs=0.02)


def test_the_money_of_the_strategies_adds_up(all_three: tuple[RunResult, list[CycleReport], World]) -> None:
    """If this fails, the summary gives a strategy what another earned, or loses some of it."""
    result, _, world = all_three
    summary = summarise(result, world, window_settlements(world, result.window), "backtest")
    by = summary["per_strategy"]
    assert sum(row["net_pnl_usd"] for row in by.values()) == pytest.approx(summary["net_pnl_vs_unhedged_usd"])
    assert sum(row["fees_usd"] for row in by.values()) == pytest.approx(summary["fees_usd"])
    assert by["divergence"]["net_pnl_usd"] == pytest.approx(
        summary["per_symbol"]["IMX"]["net_pnl_vs_unhedged_usd"]
    )
    assert by["divergence"]["funding_usd"] > by["divergence"]["fees_usd"] > 0
    assert by["cascade_hedge"]["fees_usd"] > 0


def test_decisions_say_whose_they_are(all_three: tuple[RunResult, list[CycleReport], World]) -> None:
    """If this fails, an operator cannot tell which strategy did what, and why."""
    result, _, _ = all_three
    rows = {(str(d["symbol"]), str(d["strategy"])) for d in result.decisions}
    assert rows == {("INJ", "funding_hedge"), ("ETH", "funding_hedge"), ("IMX", "divergence")}
    alarmed = [d for d in result.decisions if d["symbol"] == "ETH" and "largest hedge" in str(d["reason"])]
    assert alarmed
    assert all("cascade_hedge: probability 0.81" in str(d["reason"]) for d in alarmed)


def test_a_restart_goes_on_with_the_trade() -> None:
    """If this fails, a restart forgets what the trade was opened for, and its stop with it."""
    apps: list[App] = []
    kept: list[dict[str, object]] = []

    async def restart() -> None:
        app = apps[0]
        held = app.cycle.memory
        await app.prepare()
        kept.append({"before": held, "after": app.cycle.memory})

    class Restarting(App):
        async def step(self, now_ms: int) -> CycleReport:
            report = await super().step(now_ms)
            if now_ms == START_MS + 9 * HOUR_MS:
                await restart()
            return report

    settings = config(
        strategies={"divergence": STRATEGIES["divergence"]}, cycle={"interval_s": 3_600, "history_days": 12}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hedged.backtest.runner.App", Restarting)
        run(diverging_world(1), settings, 0.5, on_prepare=apps.append)
    trade = kept[0]["after"].divergence["IMX"]  # type: ignore[attr-defined]
    assert kept[0]["before"] == kept[0]["after"]
    assert trade.received_usd > 0
    assert trade.costs_usd > 0


@pytest.mark.parametrize("on", [True, False])
def test_a_coin_that_injective_does_not_list_is_followed_while_it_is_traded_or_held(on: bool) -> None:
    """If this fails, switching divergence off with a trade open leaves a daemon that does not start to close it."""
    settings = config(strategies={"divergence": {"enabled": on, "symbols": ["IMX"]}})
    world, clock = diverging_world(1), LoopClock(START_MS)
    parts = Parts(
        settings, clock, world.venues(VENUES), {}, Journal.open(None, durable=False), registry.make_forecaster("ewma"),
        ("INJ", "BTC", "IMX"), Decimal(1),
    )  # fmt: skip
    found = asyncio.run(followed_markets(parts.config, parts.sources, parts.symbols))
    assert {key.venue for key in found if key.symbol == "IMX"} == {"binance", "bybit"}
    lost = replace(parts, symbols=("INJ", "BTC", "DOGE"))
    with pytest.raises(ConfigError, match="no market for DOGE"):
        asyncio.run(followed_markets(lost.config, lost.sources, lost.symbols))
    parts.journal.close()
