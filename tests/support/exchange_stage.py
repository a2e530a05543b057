"""The daemon as `hedged run` wires it, on a local Injective and local exchanges, ready for a test to step it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from hedged.app import App, Parts
from hedged.config import LIVE_ACKNOWLEDGEMENT, Config, parse_config
from hedged.domain.clock import SystemClock
from hedged.domain.ports import Trading
from hedged.execution.journal.thread import Journal
from hedged.forecast.registry import make_forecaster
from hedged.sandbox.cex.exchanges import Hall
from hedged.sandbox.cex.rehearsal import exchanges_beside
from hedged.sandbox.injective.rehearsal import prepare
from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig
from hedged.wiring.cex_venues import exchange_keys
from hedged.wiring.live_account import live_key, open_live_account
from hedged.wiring.paper_account import open_paper_account
from hedged.wiring.real_venues import RealVenues, connect

VENUES = ("binance", "bybit", "okx")
EVERY = (*VENUES, "gate")
CHAIN = SandboxConfig(symbols=("INJ",), block_time_s=0.1, history_hours=480)
HELD_USD = Decimal(80_000)


@dataclass
class Stage:
    """Injective and the exchanges, and a configuration that finds them."""

    chain: InjectiveSandbox
    hall: Hall
    tree: dict[str, Any]

    def config(self, **changes: Any) -> Config:
        return parse_config({**self.tree, **changes})

    def held(self, venue: str) -> Decimal:
        return self.hall.protocols[venue].exchange.account.position("INJ").quantity


def dear(hall: Hall) -> None:
    """Make longs pay a lot at every exchange: a short there earns it."""
    for protocol in hall.protocols.values():
        for path in protocol.exchange.paths.values():
            path.premium_mean = 0.006


@asynccontextmanager
async def stage(
    out: Path, venues: tuple[str, ...], on_open: Callable[[Hall], None] = dear
) -> AsyncIterator[Stage]:
    found: list[Hall] = []

    def opened(hall: Hall) -> None:
        found.append(hall)
        on_open(hall)

    async with AsyncExitStack() as stack:
        chain = await stack.enter_async_context(InjectiveSandbox(CHAIN))
        more = await stack.enter_async_context(exchanges_beside(venues, 0, 7, opened)(chain, out))
        told = prepare(chain, {"INJ": HELD_USD}, out, 7, *more)
        await chain.chain.next_block()
        tree = yaml.safe_load(told.config_file.read_text())
        tree["hedge"] |= {"forecaster": "persistence", "allow_own_cut": False}
        tree["cycle"] = {"history_days": 20}
        tree["risk"] = {"price_collar_bp": 90}  # the mark stands far from the index here
        yield Stage(chain, found[0], tree)


@asynccontextmanager
async def living(
    config: Config, clock: SystemClock, journal: Journal | None = None
) -> AsyncIterator[tuple[App, Journal]]:
    """Open the account that the mode asks for and prepare the daemon on it, data kept current beside it."""
    journal = journal or Journal.open(None, durable=False)
    real = connect(config, clock, np.random.default_rng(7))
    try:
        venues, symbols, equity = await _account(config, real, journal, clock)
        data = asyncio.create_task(real.run())
        try:
            forecaster = make_forecaster("persistence", None, real.coming)
            app = App(Parts(config, clock, real.sources, venues, journal, forecaster, symbols, equity))
            await app.prepare()
            yield app, journal
        finally:
            data.cancel()
            await asyncio.wait([data])
    finally:
        await real.close()
        journal.close()


async def _account(
    config: Config, real: RealVenues, journal: Journal, clock: SystemClock
) -> tuple[dict[str, Trading], tuple[str, ...], Decimal]:
    if config.mode == "live":
        key = live_key(config, {})
        assert key is not None
        live = await open_live_account(
            config, real, key, journal, clock, exchange_keys=exchange_keys(config, {})
        )
        return live.venues, live.symbols, live.equity_usd
    paper = await open_paper_account(config, real.sources, journal, clock, real.book)
    await real.watch(paper.symbols)
    return paper.venues, paper.symbols, paper.equity_usd


LIVE = {"mode": "live", "live_acknowledgement": LIVE_ACKNOWLEDGEMENT}
