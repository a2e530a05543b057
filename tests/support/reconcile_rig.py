"""Venues with resting orders, and accounts over them through a journal file that outlives every life."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from fakes import HERE, NOW_MS, OTHER, THERE, FakeVenue, approve, intent

from hedged.backtest.virtual_time import run_virtually
from hedged.config.reconcile import ReconcileConfig
from hedged.domain.clock import MINUTE_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import OrderState, OrderStatus, tag
from hedged.execution.accounts import Accounts, AccountState, Reader
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal

ACCOUNT = "test"
MARKETS = (HERE, THERE, OTHER)


def stranger(number: int = 1) -> str:
    """A client id with the account's tag that no journal of ours knows."""
    return f"{tag(ACCOUNT)}{number:026x}"


class RestingVenue(FakeVenue):
    """Orders may rest; `cancelled` lists what was cancelled. `late`: executions that are not reported yet."""

    def __init__(self, venue: str, quantity: Decimal | int = 0) -> None:
        super().__init__(venue, quantity)
        self.cancelled: list[str] = []
        self.asked_orders = 0

    def rest(self, client_id: str, remaining: str = "1", filled: str = "0") -> None:
        state = OrderState(
            client_id, SeriesKey(self.venue, "BTC"), OrderStatus.OPEN, Decimal(filled), Decimal(remaining)
        )
        self.orders[client_id] = state

    def move(self, signed: str | int) -> None:
        """Change the position without any execution."""
        self.quantities["BTC"] = self.quantities.get("BTC", Decimal(0)) + Decimal(signed)

    async def open_orders(self) -> Sequence[OrderState]:
        self._maybe_fail("open_orders")
        self.asked_orders += 1
        return [state for state in self.orders.values() if state.status is OrderStatus.OPEN]

    async def cancel(self, client_id: str) -> None:
        self._maybe_fail("cancel")
        self.cancelled.append(client_id)
        state = self.orders[client_id]
        self.orders[client_id] = OrderState(
            client_id, state.key, OrderStatus.CANCELLED, state.filled, Decimal(0)
        )


@dataclass
class Life:
    """One life of the accounts."""

    accounts: Accounts
    journal: Journal
    now_ms: int

    async def look(self, minutes: float = 0) -> AccountState:
        """Reconcile, so many minutes later."""
        self.now_ms += round(minutes * MINUTE_MS)
        return await self.accounts.refresh(self.now_ms)

    async def send(self, venue: FakeVenue, key: SeriesKey, signed: str | int) -> str:
        """Journal and claim an order as the executor does, and let it fill; return its client id."""
        approved = approve(intent(key, signed, cycle_ts_ms=self.now_ms))
        await self.journal(JournalStore.record_attempt, approved, self.now_ms)
        await self.journal(JournalStore.record_event, approved.client_id, self.now_ms, "acknowledged", "")
        self.accounts.claim(approved.client_id, approved.intent.purpose, approved.intent.reference_price)
        venue.now_ms = self.now_ms
        await venue.place(approved)
        return approved.client_id


class World:
    """Venues and the journal's file. `life` starts accounts on them."""

    def __init__(self, path: Path, **rules: Any) -> None:
        self.path, self.rules = path, ReconcileConfig.model_validate(rules)
        self.here, self.there = RestingVenue(INJECTIVE, 10), RestingVenue("binance")
        self.reader = Reader()
        self.now_ms = NOW_MS

    def life(self, script: Callable[[Life], Coroutine[Any, Any, None]]) -> None:
        """Run a script in a new life, a minute after the one before."""

        async def main() -> None:
            journal = Journal.open(self.path, durable=False)
            try:
                accounts = Accounts(
                    {INJECTIVE: self.here, "binance": self.there}, journal, self.now_ms, rules=self.rules,
                    account=ACCOUNT, markets=MARKETS, reader=self.reader,
                )  # fmt: skip
                accounts.owned = tuple
                await accounts.load()
                life = Life(accounts, journal, self.now_ms)
                await script(life)
                self.now_ms = life.now_ms + MINUTE_MS
            finally:
                journal.close()

        run_virtually(main)
