"""Orders that rest at the exchanges: what goes out, what is lost on the way, and what is told of them afterwards."""

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from cex_rig import ANOTHER, DONE, EVERY, NOT_DONE, OTHER, SENDS, Rig, rig

from hedged.adapters.cex.preflight import clear_for_trading
from hedged.adapters.cex.resting import RestingCexTrading, kind_for
from hedged.domain.errors import OutcomeUnknown, Rejected, Retryable, WouldTake
from hedged.domain.orders import OrderStatus
from hedged.domain.ports import Rests
from hedged.sandbox.cex.account import Status, Ticket
from hedged.sandbox.cex.binance import Binance
from hedged.sandbox.cex.faults import Fault
from hedged.sandbox.cex.gate import Gate
from hedged.sandbox.cex.okx import Okx

Script = Callable[[Rig], Coroutine[Any, Any, None]]

CANCELS = {
    "binance": ("/fapi/v1/order", "DELETE"),
    "bybit": ("/v5/order/cancel", "POST"),
    "okx": ("/api/v5/trade/cancel-order", "POST"),
    "gate": ("/api/v4/futures/usdt/orders", "DELETE"),
}
HALF = Decimal("0.5")
LONG_S = 600.0
FORGOTTEN_S = 70


def on(venue: str, script: Script, **options: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), rig(venue, **{"symbols": ("BTC",), **options}) as rigged:
            await rigged.trading.positions()
            await script(rigged)

    asyncio.run(main())


def resting(rigged: Rig) -> Any:
    assert isinstance(rigged.trading, Rests)
    return rigged.trading


async def rested(rigged: Rig) -> str:
    """Leave half a coin in the book; return its client id."""
    sent = rigged.order("0.5", slack="-0.01")
    await resting(rigged).rest(sent, LONG_S)
    return sent.client_id


def alive(rigged: Rig) -> list[Any]:
    return list(rigged.engine.account.alive())


@pytest.mark.parametrize(
    ("venue", "words"),
    [
        ("binance", ("timeInForce=GTX", "type=LIMIT", "reduceOnly=false")),
        ("bybit", ('"timeInForce":"PostOnly"', '"orderType":"Limit"', '"reduceOnly":false')),
        ("okx", ('"ordType":"post_only"', '"tdMode":"isolated"', '"reduceOnly":false')),
        ("gate", ('"tif":"poc"',)),
        ("bitget", ('"force":"post_only"', '"marginMode":"isolated"')),
    ],
)
def test_it_goes_out_as_post_only_and_under_isolated_margin(
    venue: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, an order that should wait takes, or goes out under cross margin."""

    async def script(rigged: Rig) -> None:
        sent: list[str] = []
        fetch = rigged.trading.exchange.fetch

        async def watched(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            sent.extend([str(body)] if method == "POST" else [])
            return await fetch(url, method, headers, body)

        monkeypatch.setattr(rigged.trading.exchange, "fetch", watched)
        client_id = await rested(rigged)
        (order,) = alive(rigged)
        assert (order.ticket.tif, order.ticket.client_id) == (
            "PO",
            rigged.trading.orders.ids.theirs(client_id),
        )
        assert venue == "bybit" or rigged.engine.account.chosen("BTC").isolated  # there it is the account's
        assert [word for word in words if word not in sent[-1].replace(" ", "")] == []
        assert "ioc" not in sent[-1].lower()

    on(venue, script)


@pytest.mark.parametrize("fault", DONE)
@pytest.mark.parametrize("venue", EVERY)
def test_an_order_whose_answer_is_lost_is_looked_up_and_rests_once(venue: str, fault: Fault) -> None:
    """If this fails, an order rests that nobody knows of, or two of them do; also after a restart."""

    async def script(rigged: Rig) -> None:
        sent = rigged.order("0.5", slack="-0.01")
        rigged.faults.add(fault, SENDS[venue], "POST")
        with pytest.raises(OutcomeUnknown):
            await resting(rigged).rest(sent, LONG_S)
        for _ in range(2):
            state = await rigged.trading.lookup(sent.client_id)
            assert state is not None
            assert (state.status, state.remaining) == (OrderStatus.OPEN, HALF)
            rigged.trading._sent.clear()  # what dies with the process
        assert len(rigged.engine.account.orders) == 1
        await rigged.trading.cancel(sent.client_id)
        assert not alive(rigged)

    on(venue, script, deadline_s=2.0)


@pytest.mark.parametrize("fault", [one for one in NOT_DONE if one is not Fault.BLACK_HOLE])
@pytest.mark.parametrize("venue", EVERY)
def test_an_order_that_never_arrived_is_absent_only_when_it_cannot_arrive_any_more(
    venue: str, fault: Fault
) -> None:
    """If this fails, an order under way is declared dead, or cancelled in vain, and rests unseen afterwards."""

    async def script(rigged: Rig) -> None:
        sent = rigged.order("0.5", slack="-0.01")
        rigged.faults.add(fault, SENDS[venue], "POST")
        with pytest.raises(OutcomeUnknown):
            await resting(rigged).rest(sent, LONG_S)
        with pytest.raises(OutcomeUnknown):
            await rigged.trading.cancel(sent.client_id)
        rigged.clock.skip(rigged.proof_s - 1)
        with pytest.raises(OutcomeUnknown):
            await rigged.trading.lookup(sent.client_id)
        rigged.clock.skip(2)
        assert await rigged.trading.lookup(sent.client_id) is None
        await rigged.trading.cancel(sent.client_id)
        assert not rigged.engine.account.orders

    on(venue, script, deadline_s=2.0)


@pytest.mark.parametrize("fault", [Fault.LOST_ACK, Fault.ERROR_AFTER, Fault.HTML_AFTER])
@pytest.mark.parametrize("venue", EVERY)
def test_a_cancellation_whose_answer_is_lost_is_looked_up(venue: str, fault: Fault) -> None:
    """If this fails, a cancelled order is believed to rest, or its loss is reported as a success that is not known."""

    async def script(rigged: Rig) -> None:
        client_id = await rested(rigged)
        rigged.faults.add(fault, *CANCELS[venue])
        with pytest.raises(OutcomeUnknown):
            await rigged.trading.cancel(client_id)
        state = await rigged.trading.lookup(client_id)
        assert state is not None
        assert (state.status, state.filled) == (OrderStatus.CANCELLED, 0)
        await rigged.trading.cancel(client_id)

    on(venue, script, deadline_s=2.0)


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.EMPTY, Fault.RATE_LIMIT])
@pytest.mark.parametrize("venue", EVERY)
def test_a_cancellation_that_did_not_arrive_leaves_an_order_that_is_told(venue: str, fault: Fault) -> None:
    """If this fails, an order is believed cancelled and fills."""

    async def script(rigged: Rig) -> None:
        client_id = await rested(rigged)
        rigged.faults.add(fault, *CANCELS[venue])
        with pytest.raises((OutcomeUnknown, Retryable)):
            await rigged.trading.cancel(client_id)
        state = await rigged.trading.lookup(client_id)
        assert state is not None
        assert state.status is OrderStatus.OPEN
        await rigged.trading.cancel(client_id)
        assert not alive(rigged)

    on(venue, script, deadline_s=2.0)


@pytest.mark.parametrize("venue", [*EVERY, ANOTHER])
def test_a_cancellation_is_over_when_the_order_has_ended(venue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, an acknowledged cancellation counts as done, and what fills until it works is filled twice."""

    async def script(rigged: Rig) -> None:
        client_id = await rested(rigged)
        (order,) = alive(rigged)
        monkeypatch.setattr(rigged.engine, "cancel", lambda _: None)  # taken, and worked off a little later

        def end() -> None:
            order.filled, order.status = Decimal("0.1"), Status.CANCELLED

        asyncio.get_running_loop().call_later(0.3, end)
        await rigged.trading.cancel(client_id)
        state = await rigged.trading.lookup(client_id)
        assert state is not None
        assert (state.status, state.filled) == (OrderStatus.CANCELLED, Decimal("0.1"))

    on(venue, script)


def test_an_order_that_shows_before_it_is_cancelled_for_taking(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, an order that is gone the next moment is told as resting (OKX shows it as live first)."""
    told = Okx._told
    shown: list[str] = []

    def live_first(self: Okx, order: Any) -> dict[str, Any]:
        row = told(self, order)
        if order.would_take and not shown:
            shown.append(row["state"])
            return row | {"state": "live", "cancelSource": ""}
        return row

    monkeypatch.setattr(Okx, "_told", live_first)

    async def script(rigged: Rig) -> None:
        with pytest.raises(WouldTake, match="cancelSource 31"):
            await resting(rigged).rest(rigged.order("0.5", slack="0.01"), LONG_S)
        assert shown == ["canceled"]

    on("okx", script)


@pytest.mark.parametrize("venue", EVERY)
def test_an_order_that_filled_before_it_was_looked_at_is_told_as_filled(venue: str) -> None:
    """If this fails, an order that filled within a moment reads as one that would take, and is made again."""

    async def script(rigged: Rig) -> None:
        sent = rigged.order("0.5", slack="-0.01")
        rigged.engine.on_order = lambda _: asyncio.get_running_loop().call_soon(meet)

        def meet() -> None:
            rigged.engine.on_order = lambda _: None
            rigged.sweep(sent.intent.worst_price, 1, HALF)

        state = await resting(rigged).rest(sent, LONG_S)
        assert (state.status, state.filled) == (OrderStatus.FILLED, HALF)

    on(venue, script)


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("venue", EVERY)
def test_what_an_order_filled_outlasts_its_cancellation_and_a_restart(venue: str, restarted: bool) -> None:
    """If this fails, a part that filled is lost where the exchange forgets an order that has ended (Gate: 60 s)."""

    async def script(rigged: Rig) -> None:
        client_id = await rested(rigged)
        rigged.sweep(alive(rigged)[0].ticket.price, 1, Decimal("0.2"))
        rigged.clock.skip(3_600)
        await rigged.trading.cancel(client_id)
        filled = rigged.held()
        assert filled >= Decimal("0.2")
        rigged.clock.skip(FORGOTTEN_S)
        if restarted:
            rigged.trading._sent.clear()
        state = await rigged.trading.lookup(client_id)
        assert state is not None
        assert state.filled == filled
        assert state.status is not OrderStatus.OPEN

    on(venue, script)


def test_an_order_that_no_word_fits_is_not_ended_while_it_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, an order in a state that nobody has a word for counts as ended, and fills afterwards."""

    async def script(rigged: Rig) -> None:
        client_id = await rested(rigged)
        kind = type(rigged.trading.exchange)
        parse = kind.parse_order
        monkeypatch.setattr(kind, "parse_order", lambda *asked: parse(*asked) | {"status": "suspended"})
        rigged.clock.skip(rigged.proof_s)
        with pytest.raises(Retryable):
            await rigged.trading.lookup(client_id)
        monkeypatch.undo()
        await rigged.trading.cancel(client_id)

    on(OTHER, script)


def test_an_order_that_is_not_found_by_name_is_not_absent_while_it_rests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If this fails, an exchange that does not look among the resting orders makes one of ours disappear."""
    find = Gate._found
    monkeypatch.setattr(
        Gate, "_found", lambda self, named: find(self, named if named.isdecimal() else "none")
    )

    async def script(rigged: Rig) -> None:
        sent = rigged.order("0.5", slack="-0.01")
        with pytest.raises(OutcomeUnknown, match="not found yet"):
            await resting(rigged).rest(sent, LONG_S)
        rigged.clock.skip(rigged.proof_s)
        state = await rigged.trading.lookup(sent.client_id)
        assert state is not None
        assert (state.status, state.remaining) == (OrderStatus.OPEN, HALF)

    on(OTHER, script)


def test_a_fee_in_a_coin_without_a_price_is_estimated_as_the_makers(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, an order that waited for the maker's fee is booked at the taker's."""
    told = Binance._trade
    monkeypatch.setattr(Binance, "_trade", lambda self, one: told(self, one) | {"commissionAsset": "XYZ"})

    async def script(rigged: Rig) -> None:
        await rested(rigged)
        rigged.sweep(alive(rigged)[0].ticket.price, 1, HALF)
        await rigged.trading.place(rigged.order("-0.2"))
        made, taken = await rigged.trading.executions(0)
        costs = (await rigged.data.markets())["BTC"].costs
        assert made.fee_usd == made.quantity * made.price * costs.maker_fee
        assert taken.fee_usd == taken.quantity * taken.price * costs.taker_fee

    on("binance", script)


@pytest.mark.parametrize("venue", EVERY)
def test_an_order_that_has_nothing_left_to_reduce_is_told_as_ended(venue: str) -> None:
    """If this fails, an order that the exchange took away, because the position is gone, is waited for for ever."""

    async def script(rigged: Rig) -> None:
        rigged.hold("0.5")
        sent = rigged.order("-0.5", slack="-0.01", reduce_only=True)
        assert (await resting(rigged).rest(sent, LONG_S)).status is OrderStatus.OPEN
        await rigged.trading.place(rigged.order("-0.5", reduce_only=True))
        state = await rigged.trading.lookup(sent.client_id)
        assert state is not None
        assert (state.status, state.filled, rigged.held()) == (OrderStatus.CANCELLED, 0, 0)

    on(venue, script)


@pytest.mark.parametrize("venue", EVERY)
def test_open_orders_are_told_whole(venue: str) -> None:
    """If this fails, orders beyond the first page tie up margin and fill, and nobody has heard of them."""

    async def script(rigged: Rig) -> None:
        client_id = await rested(rigged)
        price = rigged.engine.book("BTC")[0][0][0] - 1_000
        for n in range(230):
            rigged.engine.place(Ticket("BTC", 1, Decimal("0.001"), price, "GTC", False, f"t-mine{n}"))
        found = await rigged.trading.open_orders()
        assert len({one.client_id for one in found}) == len(found) == 231
        assert client_id in {one.client_id for one in found}
        await rigged.trading.cancel(client_id)
        assert len(alive(rigged)) == 230

    on(venue, script)


def test_open_orders_that_cannot_be_told_whole_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, the first page of an exchange that cuts its answers passes for everything that rests."""
    page = Gate._orders

    async def first(self: Gate, params: Any) -> Any:
        return await page(self, {**params, "offset": "0"})

    monkeypatch.setattr(Gate, "_orders", first)

    async def script(rigged: Rig) -> None:
        price = rigged.engine.book("BTC")[0][0][0] - 1_000
        for n in range(130):
            rigged.engine.place(Ticket("BTC", 1, Decimal("0.001"), price, "GTC", False, f"t-mine{n}"))
        with pytest.raises(Retryable, match="100 resting orders, and those beyond"):
            await rigged.trading.open_orders()

    on(OTHER, script)


@pytest.mark.parametrize(("bid", "ask"), [("0", "100"), ("100", "0"), ("101", "100"), ("100", "100")])
def test_a_book_that_is_crossed_or_one_sided_has_no_touch(bid: str, ask: str) -> None:
    """If this fails, an order is priced by a book that is not one."""

    async def script(rigged: Rig) -> None:
        await resting(rigged).touch("BTC")
        rigged.data.put_touch("BTC", rigged.clock.now_ms(), Decimal(bid), Decimal(ask))
        with pytest.raises(Retryable, match="best bid is"):
            await resting(rigged).touch("BTC")
        rigged.clock.skip(3)  # what is old is asked for anew
        assert (await resting(rigged).touch("BTC"))[0] > 0
        with pytest.raises(Retryable, match="lists no NOPE"):
            await resting(rigged).touch("NOPE")

    on("binance", script)


def test_a_market_in_which_an_order_rests_is_traded_on_after_a_restart() -> None:
    """If this fails, OKX refuses every order after a restart: leverage cannot be set beside an open order (59000)."""

    async def script(rigged: Rig) -> None:
        await rested(rigged)
        rigged.trading._leverage._done.clear()  # what dies with the process
        assert (await rigged.trading.place(rigged.order("0.1"))).filled == Decimal("0.1")

    on("okx", script)


@pytest.mark.parametrize("venue", [*EVERY, ANOTHER])
def test_a_check_says_whether_orders_can_rest(venue: str) -> None:
    """If this fails, the daemon waits for a maker's fee where no order can rest, or never tries where one can."""

    async def script(rigged: Rig) -> None:
        assert isinstance(rigged.trading, RestingCexTrading)
        if venue in (OTHER, ANOTHER):
            assert "orders that rest are post-only" in (await clear_for_trading(rigged.trading)).lines
        assert rigged.trading.cannot_rest == ""

    on(venue, script)


def test_an_exchange_that_loses_the_word_gets_no_order_that_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, an order meant to wait goes out without the word for it, and takes."""

    async def script(rigged: Rig) -> None:
        kind = type(rigged.trading.exchange)

        async def plain(self: Any, symbol: str, how: str, side: str, amount: Any, price: Any, p: Any) -> Any:
            left = p if p["timeInForce"] == "IOC" else p | {"timeInForce": "GTC"}
            return await super(kind, self).create_order(symbol, how, side, amount, price, left)

        monkeypatch.setattr(kind, "create_order", plain, raising=False)
        lines = (await clear_for_trading(rigged.trading)).lines
        assert "no order rests there: ccxt does not send post-only orders as such" in lines
        with pytest.raises(Rejected, match="does not send post-only orders"):
            await resting(rigged).rest(rigged.order("0.5", slack="-0.01"), LONG_S)
        assert not rigged.engine.account.orders

    on(OTHER, script)


def test_an_exchange_without_post_only_orders_has_none_that_rest() -> None:
    """If this fails, a venue is asked for something that ccxt does not know how to say there."""

    def knows(told: dict[str, Any]) -> bool:
        features = {"swap": {"linear": {"createOrder": {"timeInForce": told}}}}
        return issubclass(kind_for(SimpleNamespace(features=features)), RestingCexTrading)

    assert knows({"PO": True})
    assert not knows({"PO": False})
    assert not knows({})
