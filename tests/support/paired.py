"""A desk on venues whose answers a test draws: decisions of two legs, and what is left of them."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from fakes import HASHES, HERE, OTHER, THERE
from fickle import FickleVenue
from guarded import PROTECTED_USD, Life, Rig

from hedged.config import Config, parse_config
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Purpose
from hedged.execution.desk import Traded
from hedged.strategy.snapshot import DesiredPosition

Hedge = Mapping[SeriesKey, tuple[int | Decimal | str, Purpose]]


class PairRig(Rig):
    """Venues at which orders take at once, unless a test says otherwise; nothing is drawn until it asks for it."""

    def __init__(self, path: Path, **execution: Any) -> None:
        super().__init__(path)
        self.execution = {"rest_s": 0} | execution
        fickle = (FickleVenue(INJECTIVE, 10), FickleVenue("binance"), FickleVenue("bybit"))
        self.venues = {v.venue: v for v in fickle}
        self.here, self.there, self.other = fickle

    def config(self) -> Config:
        tree = {
            "book": {"positions": {"BTC": {"quantity": 10}}},
            "account": "test",
            "execution": self.execution,
        }
        return parse_config(tree)

    def truth(self) -> dict[SeriesKey, Decimal]:
        """What the venues really hold for the daemon."""
        held = {HERE: self.here.quantities["BTC"] - 10, THERE: self.there.quantities.get("BTC", Decimal(0)),
                OTHER: self.other.quantities.get("BTC", Decimal(0))}  # fmt: skip
        return {key: q for key, q in held.items() if q}


async def later(life: Life, seconds: float = 5.0) -> None:
    """Let time pass, without a look at the stops."""
    await asyncio.sleep(seconds)
    for venue in life.venues.values():
        venue.now_ms = life.clock.now_ms()


async def trade(life: Life, hedge: Hedge) -> Traded:
    """Let a cycle want this."""
    desk = life.desk
    async with desk.busy:
        now_ms = life.clock.now_ms()
        await desk.executor.resolve()
        account = await desk.accounts.refresh(now_ms)
        desk.stops.plan({"BTC": PROTECTED_USD})
        desired = [DesiredPosition(key, Decimal(q), why, "") for key, (q, why) in hedge.items()]
        marks = life.prices.fresh_marks(now_ms, 0)
        facts = desk.gate_facts.reductions(now_ms, account, marks, desk.markets, desk.executor, desk.kill)
        facts = replace(
            facts, sigma={"BTC": 0.001}, basis_sigma=dict.fromkeys(desk.markets, 0.0001), closed={},
            forecast_by=dict.fromkeys(desk.markets, "ewma"), forecast_made_ms=now_ms,
        )  # fmt: skip
        return await desk.trade(now_ms, desired, account, facts, HASHES)
