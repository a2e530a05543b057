"""What hedging is worth for one's own book: the funding ahead, what was paid, what every change costs, what was best.

The daemon's own parts are put together on simulated orders and one cycle is run: nothing is sent anywhere, and the
journal is thrown away. The month that is past is read from the same window.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from hedged.adapters.simulated import SimulatedMarkets
from hedged.app import App, Parts
from hedged.config import Config
from hedged.domain.clock import HOUR_MS, Clock
from hedged.domain.errors import Retryable
from hedged.domain.market import INJECTIVE, Market, SeriesKey
from hedged.domain.ports import MarketData
from hedged.execution.journal.thread import Journal
from hedged.features.resample import HourlyGrid, hourly
from hedged.forecast.registry import make_forecaster
from hedged.strategy.foresight import Past, best_past
from hedged.strategy.funding_hedge import planner_settings
from hedged.strategy.outlook import MONTH_H, SpanOutlook, outlook
from hedged.strategy.state import LegCosts
from hedged.wiring.last_month import Kept, read_kept, trained_until_ms
from hedged.wiring.models.serving import model_path
from hedged.wiring.paper_account import open_paper_account

if TYPE_CHECKING:
    from hedged.wiring.real_venues import RealVenues


@dataclass(frozen=True, slots=True)
class Economics:
    """USD, > 0 received. `own_usd`: signed notional by symbol; `spans`: the funding ahead, nothing hedged; `past`: by
    symbol the last month at today's notional; `kept`: by symbol what the planner would have kept of it, or in words why
    that cannot be told; `trained_on`: whether its model was trained on some of these hours; `charged`: what the chain
    really charged in it, None where it was not asked; `legs`: by symbol every change there is, as in a decision's
    details; `reasons`: what the daemon would do now.
    """

    now_ms: int
    source: str
    own_usd: Mapping[str, float]
    spans: tuple[SpanOutlook, ...]
    past: Mapping[str, Past]
    kept: Mapping[str, Kept] | str
    trained_on: bool
    charged: Mapping[str, float] | None
    legs: Mapping[str, list[dict[str, Any]]]
    reasons: Mapping[str, str]
    cap: float
    delta_band: float
    horizon_h: int
    unpriced: tuple[str, ...]

    @property
    def days(self) -> float:
        """Days of the last month of which the funding is known, of the market that is known best."""
        return max((past.hours for past in self.past.values()), default=0) / 24

    @property
    def months(self) -> dict[str, float | None]:
        """Funding of a month by what it rests on; None where it is not known."""
        ahead = [span.own_book.times(MONTH_H / span.hours) for span in self.spans if span.own]
        told = {
            f"at the rates of the last {self.days:.0f} days": _monthly(self.past, "funding_usd"),
            "as forecast": ahead[-1].mean if ahead else None,
        }
        if self.charged:
            told["really charged in the last one"] = sum(self.charged.values())
        return told

    @property
    def attainable_usd(self) -> float | None:
        """What perfect foresight would have saved in a month like the last after costs."""
        return _monthly(self.past, "saved_usd")

    @property
    def kept_usd(self) -> float | None:
        """What the planner would have kept in a month like the last after costs; None where it cannot be told."""
        return None if isinstance(self.kept, str) else _monthly(self.kept, "net_usd")


def _monthly(past: Mapping[str, Past] | Mapping[str, Kept], name: str) -> float | None:
    """Sum over markets, each carried on from the hours that are known of it to a month; None where none is known."""
    known = [getattr(one, name) * MONTH_H / one.hours for one in past.values() if one.hours]
    return sum(known) if known else None


async def read_economics(
    config: Config, clock: Clock, on_share: Callable[[float], None] = lambda _: None
) -> Economics:
    """Read the book and the window, forecast once, walk through the last month: `on_share` is told how far.

    Raises ConfigError or Retryable as a start of the daemon does.
    """
    async with AsyncExitStack() as cleanup:
        journal = Journal.open(None, durable=False)
        cleanup.callback(journal.close)
        real, sources = _sources(config, clock)
        if real is not None:
            cleanup.push_async_callback(real.close)
        account = await open_paper_account(config, sources, journal, clock, real.book if real else None)
        if real is not None:
            await real.watch(account.symbols)
        forecaster = make_forecaster(
            config.hedge.forecaster, model_path(config), real.coming if real else None
        )
        app = App(
            Parts(
                config,
                clock,
                sources,
                account.venues,
                journal,
                forecaster,
                account.symbols,
                account.equity_usd,
            )
        )
        async with asyncio.TaskGroup() as group:
            feeds = [group.create_task(real.run(), name="feeds")] if real else []
            await app.prepare()
            report = await app.cycle.run(clock.now_ms())
            charged = await _charged(real, report.now_ms)
            for task in feeds:
                task.cancel()
        grid = hourly(app.cycle.buffer.window())
        kept = await asyncio.get_running_loop().run_in_executor(
            None, read_kept, config, account.equity_usd, grid, app.cycle.desk.markets, report, on_share
        )
        marks = {key.symbol: mark for key, mark in report.marks.items() if key.venue == INJECTIVE}
        own_usd = {s: float(q * marks[s]) for s, q in report.account.own.items() if q and s in marks}
        return Economics(
            now_ms=report.now_ms,
            source=config.book.source,
            own_usd=own_usd,
            spans=outlook(report.forecasts, own_usd, {}),
            kept=kept,
            trained_on=len(grid.times_ms) > 0 and trained_until_ms(config) > grid.last(MONTH_H).times_ms[0],
            past=_past(config, account.equity_usd, grid, app.cycle.desk.markets, own_usd),
            charged=charged,
            legs={s: body["detail"].body().get("legs", []) for s, body in report.decisions.items()},
            reasons={s: str(body["reason"]) for s, body in report.decisions.items()},
            cap=float(config.hedge.cap),
            delta_band=float(config.hedge.delta_band),
            horizon_h=config.hedge.horizon_h,
            unpriced=tuple(sorted(s for s, q in report.account.own.items() if q and s not in marks)),
        )


def _sources(config: Config, clock: Clock) -> "tuple[RealVenues | None, Mapping[str, MarketData]]":
    if config.data.source != "venues":
        return None, dict(SimulatedMarkets(config.data.seed, config.cycle.history_days).venues())
    # the SDK takes half a second to import: not for those who run without
    from hedged.wiring.real_venues import connect

    real = connect(config, clock, np.random.default_rng())
    return real, real.sources


async def _charged(real: "RealVenues | None", now_ms: int) -> dict[str, float] | None:
    """Return what the chain charged the account in the last month, by symbol; None where it does not tell."""
    if real is None or real.book is None:
        return None
    try:
        payments = await real.book.account.funding_payments(now_ms - MONTH_H * HOUR_MS)
    except Retryable:
        return None
    total: dict[str, Decimal] = {}
    for payment in payments:
        symbol = payment.settlement.key.symbol
        total[symbol] = total.get(symbol, Decimal(0)) + payment.payment_usd
    return {symbol: float(usd) for symbol, usd in sorted(total.items())}


def _past(
    config: Config,
    equity_usd: Decimal,
    grid: HourlyGrid,
    markets: Mapping[SeriesKey, Market],
    own_usd: Mapping[str, float],
) -> dict[str, Past]:
    settings = planner_settings(config.hedge, config.risk, equity_usd)
    row, month = grid.row, grid.last(MONTH_H)
    found = {}
    for symbol, usd in sorted(own_usd.items()):
        keys = [k for k in markets if k.symbol == symbol and k in row]
        paid = {k.venue: month.paid[row[k]] for k in keys}
        if INJECTIVE in paid:
            found[symbol] = best_past(
                usd, paid, {k.venue: LegCosts.of(markets[k].costs) for k in keys}, settings
            )
    return found
