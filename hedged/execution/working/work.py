"""One approved intent, worked: it rests at the near touch and follows it, and what is left is taken within the collar.

Its orders come one after another, each only when it is known what the one before has filled.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal

import structlog

from hedged.config import ExecutionConfig
from hedged.domain.approved import ApprovedIntent
from hedged.domain.clock import SECOND_MS, elapsing_ms
from hedged.domain.errors import Retryable
from hedged.domain.market import Market
from hedged.domain.orders import Intent
from hedged.domain.ports import Rests
from hedged.execution.working.attempts import Attempts, How, Told

POLL_S = 1.0  # a resting order is looked at so often
RETAKE_S = 2.0
TOUCH_S = 5.0  # a venue that does not tell its touch within this time cannot tell it
GRACE_S = 30.0  # so much later the venue ends a resting order by itself, should nobody be there to cancel it

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tools:
    """What an intent is worked with. `forbids`: why no order of an intent may live, or be sent with so many USD,
    now; empty where it may.
    """

    attempts: Attempts
    config: ExecutionConfig
    speed: float
    forbids: Callable[[Intent, Decimal], Awaitable[str]]
    room_to_rest: Callable[[], bool]
    hurried: Callable[[], bool]

    def elapsing_ms(self) -> int:
        """Return the time by which waiting is measured."""
        return elapsing_ms(self.speed)

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds of the clock, unless the turn is wanted at once."""
        await self.attempts.pause(seconds / self.speed)


@dataclass(slots=True)
class Work:
    """An approved intent and what comes of it. `quantity`: coins to trade, at most what was approved; `market`: its
    rules, None where they are not known; `attempts`: where its orders are followed.

    `rest_s`: how long it may rest; `takes`: how often it may take; `whole`: once a part is filled what is left is taken
    at once, as another leg waits for it. `missed`: it found too little within its worst price; `why`: what went wrong.
    """

    approved: ApprovedIntent
    quantity: Decimal
    market: Market | None
    attempts: Attempts
    rest_s: float = 0.0
    takes: int = 1
    whole: bool = False
    missed: bool = False
    why: str = ""
    ids: list[str] = field(default_factory=list)

    @property
    def intent(self) -> Intent:
        """What was approved."""
        return self.approved.intent

    @property
    def known(self) -> bool:
        """Whether the outcome of all its orders is known."""
        return not any(client_id in self.attempts.unresolved for client_id in self.ids)

    @property
    def filled(self) -> Decimal:
        """Coins that its orders have filled, as far as known."""
        return sum((self.attempts.filled.get(client_id, Decimal(0)) for client_id in self.ids), Decimal(0))

    @property
    def left(self) -> Decimal:
        """Coins that are still to be traded, zero where they are less than any order."""
        left = max(Decimal(0), self.quantity - self.filled)
        if self.market is None:
            return left
        left = self.market.quantise_quantity(left)
        return left if left * self.intent.reference_price >= self.market.min_notional_usd else Decimal(0)

    @property
    def left_usd(self) -> Decimal:
        """Their size in USD at the reference price."""
        return self.left * self.intent.reference_price


async def work(one: Work, venue: object, tools: Tools) -> None:
    """Trade what is left of an intent: resting first where it may, then taking."""
    if isinstance(venue, Rests) and one.market is not None and one.rest_s > 0:
        await _rest(one, one.market, venue, tools)
    if one.known:
        await _take(one, venue, tools)


async def best(intent: Intent, venue: object) -> tuple[Decimal, Decimal] | None:
    """Return the best price of the intent's own side and of the other one; None where they cannot be told."""
    if not isinstance(venue, Rests):
        return None
    try:
        async with asyncio.timeout(TOUCH_S):
            bid, ask = await venue.touch(intent.key.symbol)
    except (Retryable, TimeoutError):
        return None
    return (bid, ask) if intent.side.sign > 0 else (ask, bid)


async def out_of_reach(intent: Intent, venue: object) -> str:
    """Say that nothing can be taken within the worst price; empty where something can, or the venue does not tell."""
    touch = await best(intent, venue)
    if touch is None or (touch[1] - intent.worst_price) * intent.side.sign <= 0:
        return ""
    price, worst = touch[1].normalize(), intent.worst_price.normalize()
    return f"the best price at {intent.key.venue} is {price:f}, beyond the worst price {worst:f}"


async def _rest(one: Work, market: Market, venue: object, tools: Tools) -> None:
    due_ms = tools.elapsing_ms() + round(one.rest_s * SECOND_MS)
    stay_ms = round(one.rest_s * SECOND_MS / (tools.config.reprices + 1))
    for _ in range(tools.config.reprices + 1):
        now_ms = tools.elapsing_ms()
        if not one.left or now_ms >= due_ms or tools.hurried() or not tools.room_to_rest():
            return
        price = await _near_touch(one.intent, market, venue)
        if price is None or await tools.forbids(one.intent, one.left_usd):
            return
        told = await _send(one, tools, one.left, price, (due_ms - now_ms) / SECOND_MS + GRACE_S)
        if told.how is How.CROSSED:
            await tools.sleep(POLL_S)
            continue
        if told.how is How.RESTS:
            told = await _watch(one, price, min(now_ms + stay_ms, due_ms), due_ms, venue, tools)
        if told.how is not How.ENDED or (one.whole and one.filled):
            return


async def _watch(one: Work, price: Decimal, stays_ms: int, due_ms: int, venue: object, tools: Tools) -> Told:
    """Watch a resting order until it is filled, its time is up or the touch has left it behind; then end it."""
    client_id = one.ids[-1]
    while (now_ms := tools.elapsing_ms()) < due_ms and not tools.hurried():
        await tools.sleep(min(POLL_S, (due_ms - now_ms) / SECOND_MS))
        told = await tools.attempts.ask(client_id)
        if told.how not in (How.RESTS, How.UNKNOWN):
            return _tell(one, told)
        if (one.whole and told.filled) or await tools.forbids(one.intent, Decimal(0)):
            break
        if tools.elapsing_ms() >= stays_ms and await _left_behind(one.intent, price, venue):
            break
    return _tell(one, await tools.attempts.end(client_id))


async def _take(one: Work, venue: object, tools: Tools) -> None:
    for number in range(one.takes):
        if not one.left:
            return
        if number:
            await tools.sleep(RETAKE_S)
        if why := await tools.forbids(one.intent, one.left_usd):
            one.why = why
            return
        if why := await out_of_reach(one.intent, venue):
            one.why, one.missed = why, True
            log.warning("order_not_sent", market=str(one.intent.key), reason=why)
            continue
        told = await _send(one, tools, one.left, one.intent.worst_price, None)
        one.missed = bool(one.left) and told.how in (How.ENDED, How.REFUSED)
        if told.how in (How.UNKNOWN, How.REFUSED):
            return


async def _send(one: Work, tools: Tools, quantity: Decimal, price: Decimal, lifetime_s: float | None) -> Told:
    """Send the next order of an intent, under an id of its own."""
    number = len(one.ids)
    order = one.approved.attempt(number, quantity, price)
    one.ids.append(order.client_id)
    told = await tools.attempts.send(order, one.approved.client_id, number, lifetime_s)
    return told if told.how is How.RESTS else _tell(one, told)


def _tell(one: Work, told: Told) -> Told:
    """Say what went wrong with an order that has ended, or whose end is not known."""
    one.why = ""
    if told.how is How.UNKNOWN:
        one.why = "the outcome of the order is not known yet"
    elif told.how is How.REFUSED:
        one.why = f"the order was rejected: {told.why}"
    elif told.how is How.NOT_NOW:
        one.why = f"the order was not taken: {told.why}"
    elif told.how is How.ENDED and one.left:
        one.why = f"{one.filled.normalize():f} of {one.quantity.normalize():f} coins were filled"
    return told


async def _near_touch(intent: Intent, market: Market, venue: object) -> Decimal | None:
    """Return the best price of the own side, on the tick; None where it is not told or beyond the worst price."""
    touch = await best(intent, venue)
    if touch is None:
        return None
    price = market.quantise_price(touch[0], towards="down" if intent.side.sign > 0 else "up")
    return price if price > 0 and (price - intent.worst_price) * intent.side.sign <= 0 else None


async def _left_behind(intent: Intent, price: Decimal, venue: object) -> bool:
    """Tell whether others now offer a better price than a resting order's."""
    touch = await best(intent, venue)
    return touch is not None and (touch[0] - price) * intent.side.sign > 0
