"""A daemon that is killed again and again while it trades: the real `hedged run` on local venues.

The sandbox lives in this process, so that a kill can fall exactly where it hurts: when the exchange has taken an order
and not answered yet, when a transaction has reached the node, between the journal's commit and the send. What is true
is read from the venues themselves and compared with the daemon's journal.
"""

import asyncio
import re
import signal
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from crash_lives import Breeder, Life, breeder

from hedged.config import LIVE_ACKNOWLEDGEMENT
from hedged.sandbox.cex.exchanges import Hall
from hedged.sandbox.cex.rehearsal import exchanges_beside
from hedged.sandbox.injective.rehearsal import address_of, prepare, throwaway_key
from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig
from hedged.sandbox.injective.wire import subaccount_of

BEST_AT = {"INJ": "binance", "BTC": "bybit", "ETH": "injective"}
"""Where each coin is best hedged: at an exchange, or by cutting it on the chain."""
VENUES = ("binance", "bybit")
HELD_USD = Decimal(80_000)
SPEED = 240.0
CHAIN = SandboxConfig(symbols=tuple(BEST_AT), block_time_s=0.1, speed=SPEED, history_hours=480, tide_h=10_000)
SHARES = (Decimal("0.55"), Decimal("0.7"), Decimal("0.85"), Decimal(1))
"""What the operator makes of the own positions, so that the hedge has to follow. More than the largest cut stays."""
LOOK_S = 0.002
PROOF_S = 1.0
OURS = re.compile(r"[0-9a-f]{32}")


class Moment(StrEnum):
    """When a life ends."""

    JOURNALLED = "an order is in the journal"
    TAKEN = "a venue has it, and has not answered"
    RESTS = "it rests in a book"
    IN_BLOCK = "it has been filled, and nobody has told yet"
    ANSWERED = "the answer is in the journal"
    ANYTIME = "whenever"


@dataclass
class Death:
    """One life's end: when it was meant to be, whether that came, and which of its own orders were open then.

    `unsent`: of those, how many no venue had.
    """

    moment: Moment
    came: bool
    unresolved: int
    unsent: int
    lived_s: float


@dataclass
class Stage:
    """The venues, the daemon's configuration, and what was done to it."""

    chain: InjectiveSandbox
    hall: Hall
    config: Path
    log: Path
    subaccount: str
    breeder: Breeder
    deaths: list[Death] = field(default_factory=list)
    moved: Counter[str] = field(default_factory=Counter)
    began: dict[str, Decimal] = field(default_factory=dict)
    rested: set[str] = field(default_factory=set)
    on_order: Callable[[], None] = lambda: None

    # --- the operator ---------------------------------------------------------------------------------------------

    def trade_by_hand(self, coin: str, share: Decimal) -> None:
        """Make the own position on the chain so many times what it was at first."""
        wanted = int(self.began[coin] * (share - 1))
        position = self.chain.markets[coin].positions[self.subaccount]
        position.quantity += wanted - self.moved[coin]
        self.moved[coin] = wanted

    # --- what is true ---------------------------------------------------------------------------------------------

    @property
    def exchanges(self) -> dict[str, Any]:
        return {venue: self.hall.protocols[venue].exchange for venue in VENUES}

    def orders(self) -> list[str]:
        """Client ids of all orders that the venues ever took, each as often as it was taken."""
        there = [
            _ours(order.ticket.client_id)
            for exchange in self.exchanges.values()
            for order in exchange.account.orders.values()
        ]
        here = [
            record.order.cid for record in self.chain.chain.state.history.orders.values() if record.order.cid
        ]
        return [client_id for client_id in (*there, *here) if client_id]

    def alive(self) -> list[str]:
        """Client ids of the account's orders that rest now."""
        here = [
            record.order.cid for record in self.chain.chain.state.history.orders.values()
            if record.order.subaccount_id == self.subaccount and record.state in ("booked", "partial_filled")
        ]  # fmt: skip
        there = [o for exchange in self.exchanges.values() for o in exchange.account.alive()]
        return [_ours(order.ticket.client_id) for order in there] + here

    def filled(self) -> dict[tuple[str, str], Decimal]:
        """Signed coins that our orders filled, by venue and coin."""
        sums: Counter[tuple[str, str]] = Counter()
        for venue, exchange in self.exchanges.items():
            for trade in exchange.account.trades:
                sums[venue, trade.coin] += trade.sign * trade.quantity  # type: ignore[assignment]
        for trade in self.chain.chain.state.history.trades:
            if trade.subaccount_id == self.subaccount:
                sums["injective", trade.symbol] += (1 if trade.is_buy else -1) * trade.quantity  # type: ignore[assignment]
        return {key: Decimal(quantity) for key, quantity in sums.items() if quantity}

    def held(self) -> dict[tuple[str, str], Decimal]:
        """Signed coins by which the positions differ from what the operator alone would hold."""
        found = {}
        for coin in self.chain.config.symbols:
            for venue, exchange in self.exchanges.items():
                found[venue, coin] = exchange.account.position(coin).quantity
            position = self.chain.markets[coin].positions[self.subaccount]
            found["injective", coin] = position.signed_quantity - self.began[coin] - self.moved[coin]
        return {key: quantity for key, quantity in found.items() if quantity}

    def paid(self) -> dict[str, list[tuple[int, Decimal]]]:
        """Funding payments (ms, USD) that the venues booked, by venue."""
        found = {
            venue: [(one.ts_ms, one.amount) for one in exchange.account.income if one.kind == "funding"]
            for venue, exchange in self.exchanges.items()
        }
        payments = self.chain.chain.state.history.payments
        here = [(p.ts_ms, p.amount) for p in payments if p.subaccount_id == self.subaccount]
        return found | {"injective": here}

    # --- what the daemon knows ------------------------------------------------------------------------------------

    @property
    def journal(self) -> Path:
        return self.config.parent / "state" / "journal.sqlite"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Read the journal, as another process may; nothing while there is none yet."""
        try:
            with closing(sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True)) as db:
                return db.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []

    def decided(self) -> int:
        """How many cycles were decided."""
        found = self.rows("SELECT count(DISTINCT ts_ms) FROM decisions")
        return int(found[0][0]) if found else 0

    def parents(self) -> dict[str, str]:
        """The first order of each order's intent."""
        return dict(self.rows("SELECT client_id, parent FROM intents"))

    def journalled(self) -> dict[tuple[str, str], Decimal]:
        """Signed coins of the executions in the journal that belong to its intents."""
        sums: dict[tuple[str, str], Decimal] = {}
        for venue, coin, side, quantity in self.rows(
            "SELECT e.venue, e.symbol, e.side, e.quantity FROM executions e JOIN intents i USING (client_id)"
        ):
            signed = Decimal(quantity) * (1 if side == "buy" else -1)
            sums[venue, coin] = sums.get((venue, coin), Decimal(0)) + signed
        return {key: quantity for key, quantity in sums.items() if quantity}


UNRESOLVED = (
    "SELECT client_id FROM intents WHERE client_id NOT IN"
    " (SELECT client_id FROM order_events WHERE event IN ('acknowledged', 'rejected', 'absent'))"
)


def _ours(client_id: str) -> str:
    found = OURS.search(client_id)
    return found[0] if found else ""


@asynccontextmanager
async def crash_stage(out: Path) -> AsyncIterator[Stage]:
    """Run the venues: longs pay on the chain, and a short earns at the exchange where a coin is best hedged."""
    halls: list[Hall] = []

    def opened(hall: Hall) -> None:
        halls.append(hall)
        for venue in VENUES:
            for coin, best in BEST_AT.items():
                path = hall.protocols[venue].exchange.paths[coin]
                path.premium_mean, path.premium_swing = (0.004 if venue == best else -0.004), 0.0
                path.intervals = [(0, 1)]

    async with AsyncExitStack() as stack:
        chain = await stack.enter_async_context(InjectiveSandbox(CHAIN))
        more = await stack.enter_async_context(exchanges_beside(VENUES, 0, 7, opened)(chain, out))
        told = prepare(chain, dict.fromkeys(CHAIN.symbols, HELD_USD), out, 7, *more)
        await chain.chain.next_block()
        tree = yaml.safe_load(told.config_file.read_text())
        tree |= {"mode": "live", "live_acknowledgement": LIVE_ACKNOWLEDGEMENT}
        tree["hedge"] |= {"forecaster": "persistence"}
        tree["cycle"] = {"interval_s": 90, "bar_s": 900, "history_days": 7, "guard_interval_s": 30}
        tree["risk"] = {
            "price_collar_bp": 90, "max_orders_per_hour": 100_000, "max_notional_per_hour_usd": 10**12,
            "settlement_guard_s": 0,
        }  # fmt: skip
        tree["execution"] = {"rest_s": 120}  # half a true second, for all orders of a decision
        tree["injective"]["timeout_blocks"] = 6  # what was never sent is proven dead within a second
        tree["quality"] = {"rate_evidence": 1_000, "sign_premium": 0.9}  # these rates are made up
        tree["telemetry"] = {"port": 0}
        config = out / "crash.yaml"
        config.write_text(yaml.safe_dump(tree))
        subaccount = subaccount_of(address_of(throwaway_key(7, "operator")))
        log = out / "daemon.log"
        bred = await stack.enter_async_context(breeder(config, log, round(PROOF_S * SPEED * 1_000)))
        made = Stage(chain, halls[0], config, log, subaccount, bred)
        made.began = {c: chain.markets[c].positions[subaccount].signed_quantity for c in CHAIN.symbols}
        for exchange in made.exchanges.values():
            exchange.on_order = lambda _: made.on_order()
        yield made


@asynccontextmanager
async def daemon(stage: Stage) -> AsyncIterator[Life]:
    """Run `hedged run`; whatever is left of it at the end is killed."""
    life = await stage.breeder.bear()
    try:
        yield life
    finally:
        life.send(signal.SIGKILL)
        await life.ended()


async def live_and_die(stage: Stage, moment: Moment, rng: np.random.Generator, patience_s: float) -> Death:
    """Run one life and kill it when its moment has come for the first or second time, or its time is up."""
    loop, state = asyncio.get_running_loop(), stage.chain.chain.state
    left, seen = int(rng.integers(1, 3)), _seen(stage, moment)
    earlier = set(stage.parents())
    began_s, came = loop.time(), False
    until_s = began_s + (rng.uniform(0.0, 1.5) if moment is Moment.ANYTIME else patience_s)
    async with daemon(stage) as life:

        def passes() -> None:
            nonlocal left, came
            left -= 1
            if not left and life.returncode is None:
                came = True
                life.send(signal.SIGKILL)

        stage.on_order = passes if moment is Moment.TAKEN else lambda: None
        waiting = len(state.mempool)
        while life.returncode is None and not came and loop.time() < until_s:
            await asyncio.sleep(LOOK_S)
            now = _seen(stage, moment)
            if now > seen or (moment is Moment.TAKEN and len(state.mempool) > waiting):
                passes()
            seen, waiting = now, len(state.mempool)
        assert came or life.returncode is None, f"the daemon ended by itself: {tail(stage)}"
    stage.on_order = lambda: None
    open_ = [client_id for (client_id,) in stage.rows(UNRESOLVED) if client_id not in earlier]
    venue = stage.orders() + [c for tx in state.mempool for c in _in_transaction(stage, tx)]
    death = Death(
        moment,
        came or moment is Moment.ANYTIME,
        len(open_),
        sum(one not in venue for one in open_),
        loop.time() - began_s,
    )
    stage.deaths.append(death)
    return death


def _seen(stage: Stage, moment: Moment) -> int:
    """Count what a moment waits for."""
    if moment is Moment.JOURNALLED:
        return len(stage.rows("SELECT 1 FROM intents"))
    if moment is Moment.RESTS:
        resting = {
            client_id for (client_id,) in stage.rows("SELECT client_id FROM intents WHERE kind = 'rest'")
        }
        stage.rested |= resting & set(stage.alive())
        return len(stage.rested)
    if moment is Moment.ANSWERED:
        return len(stage.rows("SELECT 1 FROM order_events WHERE event NOT IN ('attempt', 'inherited')"))
    if moment is Moment.IN_BLOCK:
        return sum(t.subaccount_id == stage.subaccount for t in stage.chain.chain.state.history.trades)
    return 0


def _in_transaction(stage: Stage, tx: Any) -> list[str]:
    query = f"SELECT client_id FROM transaction_orders WHERE tx_hash = '{tx.tx_hash}'"
    return [client_id for (client_id,) in stage.rows(query)]


def tail(stage: Stage) -> str:
    """The end of the daemon's log."""
    return stage.log.read_text()[-2_000:]
