"""The whole daemon where its venues tell what does not agree: it opens nothing more, says why, and goes on safely."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from worlds import config, dear, run, tables, world_of

from hedged.app import App
from hedged.backtest.runner import RunResult
from hedged.cycle import CycleReport
from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Execution, Side, tag
from hedged.risk.kill import KillLevel

THERE = SeriesKey("bybit", "INJ")


class Run:
    """A run of the daemon, into which a test reaches once, after so many hours."""

    def __init__(self, hours: float, at_h: float, happen: Callable[[App, CycleReport], None]) -> None:
        self.reports: list[CycleReport] = []
        self.at_ms = 0
        self._at_h, self._happen = at_h, happen
        self.app: App
        settings = config(risk={"max_orders_per_hour": 100})
        self.result: RunResult = run(
            world_of(dear(tables(1))),
            settings,
            hours / 24,
            on_cycle=self._on_cycle,
            on_prepare=self._on_prepare,
        )

    def _on_prepare(self, app: App) -> None:
        self.app = app

    def _on_cycle(self, report: CycleReport) -> None:
        self.reports.append(report)
        if not self.at_ms and report.now_ms - self.reports[0].now_ms >= self._at_h * HOUR_MS:
            self.at_ms = report.now_ms
            self._happen(self.app, report)

    @property
    def accounts(self) -> Any:
        return self.app.cycle.desk.accounts


def test_a_run_agrees_with_itself_to_the_last_coin_and_cent() -> None:
    """If this fails, a plain day freezes a market, or a payment or a fill is counted otherwise than it was made."""
    ran = Run(24, 99, lambda app, report: None)
    assert len(ran.result.fills) > 2
    assert len(ran.result.payments) > 20
    assert not [report.account.frozen for report in ran.reports if report.account.frozen]
    assert not ran.accounts.checks.ledger.open
    assert ran.accounts.checks._asked_hour[INJECTIVE] > 0
    for key, quantity in ran.accounts.attributed.items():
        held = ran.app.parts.trading[key.venue]._ledger.holdings[key.symbol]  # type: ignore[attr-defined]
        assert held.now - held.quantity[0] * (key.venue == INJECTIVE) == quantity


def test_a_leg_that_vanishes_freezes_its_market_and_is_then_no_hedge() -> None:
    """If this fails, the daemon goes on opening beside a leg that its exchange does not show, or counts on it."""

    def vanish(app: App, report: CycleReport) -> None:
        held = report.account.attributed[THERE]
        assert held
        paper: Any = app.parts.trading["bybit"]
        paper._ledger.holdings["INJ"].change(report.now_ms, -held, Decimal(5))

    ran = Run(8, 3, vanish)
    after = [report for report in ran.reports if report.now_ms > ran.at_ms]
    frozen = [report for report in after if THERE in report.account.frozen]
    assert frozen
    assert any("differs by" in report.decisions["INJ"]["reason"] for report in frozen), [
        report.decisions["INJ"]["reason"] for report in frozen
    ]
    until_ms = frozen[-1].now_ms
    assert not [
        fill
        for fill in ran.result.fills
        if fill.key == THERE and ran.at_ms + 30 * MINUTE_MS < fill.execution.ts_ms < until_ms
    ]
    assert not after[-1].account.frozen
    paper: Any = ran.app.parts.trading["bybit"]
    assert after[-1].account.attributed[THERE] == paper._ledger.holdings["INJ"].now


def test_a_second_daemon_on_the_account_halts_the_first() -> None:
    """If this fails, two daemons with one account name undo each other's hedges."""

    def intrude(app: App, report: CycleReport) -> None:
        paper: Any = app.parts.trading["bybit"]
        client_id = f"{tag(app.parts.config.account)}{7:026x}"
        ts_ms = report.now_ms + MINUTE_MS
        paper._ledger.holdings["INJ"].change(ts_ms, Decimal(-10), Decimal(5))
        paper._ledger.executions.append(
            Execution(ts_ms, THERE, "intruder", client_id, Side.SELL, Decimal(10), Decimal(5), Decimal(0))
        )

    ran = Run(6, 3, intrude)
    assert ran.app.cycle.desk.kill is KillLevel.REDUCE_ONLY
    after = [report for report in ran.reports if report.now_ms > ran.at_ms]
    assert all(THERE in report.account.frozen for report in after)
    for fill in ran.result.fills:
        if fill.execution.ts_ms > ran.at_ms + 16 * MINUTE_MS:
            assert fill.purpose.value in ("hedge_close", "relocate", "own_restore", "stop"), fill
