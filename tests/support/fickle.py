"""A venue at which orders rest and whose every answer is drawn: lost, late, refused, or true while it fills beneath."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from fakes import FakeVenue

from hedged.domain.approved import ApprovedIntent
from hedged.domain.errors import OutcomeUnknown, Rejected, Retryable, WouldTake
from hedged.domain.orders import OrderState, OrderStatus, Side

Draw = Callable[[str, Sequence[str]], str]
"""Answer to a question with so many answers; the first one is what a venue without faults does."""

HANG_S = 30.0  # longer than any deadline


def calm(question: str, answers: Sequence[str]) -> str:
    """Nothing goes wrong."""
    del question
    return answers[0]


class FickleVenue(FakeVenue):
    """`draw` decides every answer; `bid` and `ask` are the touch. It notices by itself what must never happen."""

    def __init__(self, venue: str, quantity: Decimal | int = 0, draw: Draw = calm) -> None:
        super().__init__(venue, quantity)
        self.draw = draw
        self.bid, self.ask = Decimal("99.9"), Decimal("100.1")
        self.sent: dict[str, tuple[ApprovedIntent, str]] = {}
        self.cancels = 0
        self.watch_send: Callable[[ApprovedIntent, str], None] = lambda *_: None

    @property
    def open(self) -> list[OrderState]:
        return [state for state in self.orders.values() if state.status is OrderStatus.OPEN]

    async def touch(self, symbol: str) -> tuple[Decimal, Decimal]:
        del symbol
        answer = self.draw("touch", ("ok", "up", "down", "unknown", "hang"))
        if answer == "hang":
            await asyncio.sleep(HANG_S)
        if answer in ("unknown", "hang"):
            raise Retryable("crossed")
        step = {"up": Decimal("0.1"), "down": Decimal("-0.1")}.get(answer, Decimal(0))
        self.bid, self.ask = self.bid + step, self.ask + step
        return self.bid, self.ask

    async def place(self, approved: ApprovedIntent) -> OrderState:
        return await self._receive(approved, "take")

    async def rest(self, approved: ApprovedIntent, lifetime_s: float) -> OrderState:
        assert lifetime_s > 0
        return await self._receive(approved, "rest")

    async def _receive(self, approved: ApprovedIntent, kind: str) -> OrderState:
        client_id, order = approved.client_id, approved.intent
        self.watch_send(approved, kind)
        assert client_id not in self.sent, "an order was sent twice"
        assert not [s for s in self.open if s.key == order.key], "two live orders of one market"
        self.sent[client_id] = (approved, kind)
        self.placed.append(approved)
        answer = self.draw(
            kind, ("ok", "lost before", "lost after", "hang before", "hang after", "busy", "no", "crosses")
        )
        if answer in ("busy", "no", "crosses"):
            crosses = WouldTake("it would take") if kind == "rest" else Rejected("no")
            raise {"busy": Retryable("429"), "no": Rejected("no"), "crosses": crosses}[answer]
        if answer.endswith("before"):
            await self._lose(answer)
        state = OrderState(client_id, order.key, OrderStatus.OPEN, Decimal(0), order.quantity)
        self.orders[client_id] = state
        if kind == "take":
            self._fill(client_id, self.draw("fills", ("all", "half", "none")))
            self._end(client_id)
        if answer.endswith("after"):
            await self._lose(answer)
        return self.orders[client_id]

    async def lookup(self, client_id: str) -> OrderState | None:
        self._live(client_id)
        answer = self.draw("lookup", ("ok", "busy", "hang", "not proven"))
        if answer == "busy":
            raise Retryable("503")
        if answer != "ok":
            await self._lose(answer)
        return self.orders.get(client_id)

    async def cancel(self, client_id: str) -> None:
        self.cancels += 1
        self._live(client_id)
        answer = self.draw("cancel", ("ok", "lost before", "lost after", "hang before", "busy", "no"))
        if answer == "busy":
            raise Retryable("503")
        if answer == "no":
            raise Rejected("no such order")
        if answer.endswith("before"):
            await self._lose(answer)
        if client_id in self.orders:
            self._end(client_id)
        if answer.endswith("after"):
            await self._lose(answer)

    async def open_orders(self) -> Sequence[OrderState]:
        return self.open

    async def _lose(self, answer: str) -> None:
        if answer.startswith("hang"):
            await asyncio.sleep(HANG_S)
        raise OutcomeUnknown(answer)

    def _live(self, client_id: str) -> None:
        """Somebody may have traded against a resting order since the last look."""
        if client_id in self.orders and self.orders[client_id].status is OrderStatus.OPEN:
            self._fill(client_id, self.draw("between", ("none", "half", "all")))

    def _fill(self, client_id: str, part: str) -> None:
        state, (approved, _) = self.orders[client_id], self.sent[client_id]
        coins = {
            "all": state.remaining,
            "half": (state.remaining / 2).quantize(Decimal("0.001")),
            "none": Decimal(0),
        }[part]
        if not coins:
            return
        price = str(approved.intent.worst_price)
        sign = approved.intent.side.sign
        self.trade(approved.intent.key.symbol, sign * coins, client_id, price)
        left = state.remaining - coins
        status = OrderStatus.OPEN if left else OrderStatus.FILLED
        self.orders[client_id] = replace(state, filled=state.filled + coins, remaining=left, status=status)

    def _end(self, client_id: str) -> None:
        state = self.orders[client_id]
        if state.status is OrderStatus.OPEN:
            self.orders[client_id] = replace(state, status=OrderStatus.CANCELLED, remaining=Decimal(0))

    def traded(self, symbol: str, side: Side) -> Decimal:
        """Coins that own orders have filled on one side."""
        mine = (e for e in self.trades if e.key.symbol == symbol and e.side is side and e.client_id)
        return sum((e.quantity for e in mine), Decimal(0))
