"""The account at each exchange, over its own protocol: what is read back is what happened, whoever did it."""

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import pytest
from cex_rig import EVERY, LEVERAGE, VENUES, Rig, rig

from hedged.adapters.cex.preflight import clear_for_trading
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.errors import ConfigError, Rejected, Retryable
from hedged.domain.orders import OrderStatus
from hedged.sandbox.cex.account import Rights, Ticket
from hedged.sandbox.cex.faults import Fault

Script = Callable[[Rig], Coroutine[Any, Any, None]]
READS = {
    "binance": ("/fapi/v3/positionRisk", "/fapi/v3/account", "/fapi/v1/userTrades", "/fapi/v1/income"),
    "bybit": ("/v5/position/list", "/v5/account/wallet-balance", "/v5/execution/list", "/v5/execution/list"),
    "okx": (
        "/api/v5/account/positions",
        "/api/v5/account/balance",
        "/api/v5/trade/fills-history",
        "/api/v5/account/bills-archive",
    ),
    "gate": tuple(
        f"/api/v4/futures/usdt/{path}"
        for path in ("positions", "accounts", "my_trades_timerange", "account_book")
    ),
}


def on(venue: str, script: Script, **options: Any) -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(60),
            rig(venue, **{"symbols": ("BTC",), **options}) as rigged,
        ):
            await script(rigged)

    asyncio.run(main())


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("fault", [Fault.HTML, Fault.EMPTY, Fault.BARE, Fault.ERROR, Fault.RATE_LIMIT])
@pytest.mark.parametrize("venue", EVERY)
def test_a_failed_question_is_unknown_never_flat(venue: str, fault: Fault, which: int) -> None:
    """If this fails, a page of HTML reads as a closed position, and the daemon opens it a second time."""

    async def script(rigged: Rig) -> None:
        rigged.hold("1")
        assert await rigged.trading.positions()
        rigged.faults.add(fault, READS[venue][which])
        side = rigged.trading
        asked = (side.positions, side.balance, side.executions, side.funding_payments)[which]
        with pytest.raises(Retryable):
            await asked(*(() if which < 2 else (rigged.clock.now_ms() - HOUR_MS,)))

    on(venue, script)


@pytest.mark.parametrize("venue", EVERY)
def test_what_was_paid_is_asked_beside_all_that_orders_wait_for(venue: str) -> None:
    """If this fails, a stop waits for seconds until the limiter has got over a request for the funding history."""

    async def script(rigged: Rig) -> None:
        side = rigged.trading
        await side.positions()
        before = [one.last_request_url for one in (side.reader, side.exchange)]
        await side.funding_payments(rigged.clock.now_ms() - HOUR_MS)
        assert [one.last_request_url for one in (side.reader, side.exchange)] == before

    on(venue, script)


@pytest.mark.parametrize("venue", EVERY)
def test_an_exchange_that_is_silent_is_given_up(venue: str) -> None:
    """If this fails, one silent exchange holds up every cycle."""

    async def script(rigged: Rig) -> None:
        await rigged.trading.balance()
        rigged.faults.add(Fault.BLACK_HOLE, READS[venue][0])
        rigged.trading.reader.timeout = 300
        with pytest.raises(Retryable, match="RequestTimeout"):
            await rigged.trading.positions()

    on(venue, script)


@pytest.mark.parametrize("venue", EVERY)
def test_what_the_exchange_closed_itself_is_told_as_an_execution(venue: str) -> None:
    """If this fails, a liquidation or auto-deleveraging shows as a trade that the operator made, or not at all."""

    async def script(rigged: Rig) -> None:
        await rigged.trading.place(rigged.order("0.5"))
        rigged.engine.force_close("BTC", Decimal("0.4"), "adl_autoclose")
        ours, forced = await rigged.trading.executions(0)
        assert ours.client_id is not None
        assert (forced.client_id, forced.signed_quantity) == (None, Decimal("-0.2"))
        assert (await rigged.trading.positions())["BTC"].quantity == Decimal("0.3")

    on(venue, script)


@pytest.mark.parametrize("venue", EVERY)
def test_a_fill_told_twice_counts_once(venue: str) -> None:
    """If this fails, the ledger holds more than was traded."""

    async def script(rigged: Rig) -> None:
        await rigged.trading.place(rigged.order("0.5"))
        rigged.faults.twice = True
        (one,) = await rigged.trading.executions(0)
        assert one.quantity == Decimal("0.5")

    on(venue, script)


@pytest.mark.parametrize("venue", EVERY)
def test_an_order_that_fills_in_part_is_done_and_says_how_much(venue: str) -> None:
    """If this fails, the rest of an order that the book could not fill is taken for filled, or left resting."""

    async def script(rigged: Rig) -> None:
        rigged.engine.depth_share = Decimal("0.01")  # 40 000 USD within 50 bp
        state = await rigged.trading.place(rigged.order("1"))
        assert state.status is OrderStatus.CANCELLED
        assert 0 < state.filled == rigged.held() < 1
        assert state.remaining == 0
        assert not await rigged.trading.open_orders()
        assert sum(e.quantity for e in await rigged.trading.executions(0)) == state.filled

    on(venue, script)


@pytest.mark.parametrize("venue", VENUES)
def test_the_order_on_the_wire_is_bounded_and_isolated(venue: str) -> None:
    """If this fails, an order rests, fills at any price, or risks the whole account's collateral."""

    async def script(rigged: Rig) -> None:
        sent = rigged.order("0.1", coin="INJ", slack="0.01")
        with pytest.raises(Rejected, match="below the minimum"):
            await rigged.trading.place(sent)
        sent = rigged.order("10", coin="INJ", slack="0.01")
        await rigged.trading.place(sent)
        (order,) = rigged.engine.account.orders.values()
        ticket = order.ticket
        assert (ticket.quantity, ticket.price, ticket.tif) == (10, sent.intent.worst_price, "IOC")
        assert (ticket.client_id, ticket.reduce_only) == (sent.client_id, False)
        chosen = rigged.engine.account.chosen("INJ")
        assert chosen.leverage == LEVERAGE
        assert chosen.isolated or venue == "bybit"  # there it is the whole account's mode
        await rigged.trading.place(rigged.order("-10", coin="INJ", slack="0.01", reduce_only=True))
        assert list(rigged.engine.account.orders.values())[-1].ticket.reduce_only

    on(venue, script, symbols=("BTC", "INJ"))


@pytest.mark.parametrize("venue", VENUES)
def test_many_fills_and_payments_are_read_page_by_page(venue: str) -> None:
    """If this fails, what comes after the first page was never traded and never paid."""

    async def script(rigged: Rig) -> None:
        await rigged.data.listed()
        theirs, mark = rigged.engine.account, rigged.engine.mark("BTC")
        tick = rigged.engine.instruments["BTC"].tick
        worst = (mark * Decimal("1.05") / tick).to_integral_value() * tick
        theirs.chosen("BTC").leverage = 100
        for n in range(130):
            rigged.engine.place(Ticket("BTC", 1, Decimal("0.001"), worst, "IOC", False, f"hand{n}"))
            rigged.clock.skip(1 if n % 10 else 2 * 3_600)  # some of them at one instant, all within some days
        await rigged.data.snapshot()
        traded = await rigged.trading.executions(rigged.clock.now_ms() - 3 * DAY_MS)
        assert len(traded) == 130
        assert all(one.client_id is None for one in traded)
        paid = await rigged.trading.funding_payments(rigged.clock.now_ms() - 3 * DAY_MS)
        booked = [one for one in theirs.income if one.kind == "funding"]
        assert [p.settlement.ts_ms for p in paid] == [one.ts_ms for one in booked]
        assert len(paid) >= 24
        for told, truth in zip(paid, booked, strict=True):
            assert (told.quantity, told.payment_usd) == (truth.quantity, truth.amount)

    on(venue, script, hourly=True, prepare=lambda protocol: setattr(protocol, "per_minute", 10**9))


@pytest.mark.parametrize("venue", VENUES)
def test_a_key_with_its_rights_is_cleared_and_its_fees_are_known(venue: str) -> None:
    """If this fails, a sound account cannot be traded, or is reckoned with fees that it does not pay."""

    async def script(rigged: Rig) -> None:
        found = await clear_for_trading(rigged.trading)
        assert "100000.00 USD of collateral, 100000.00 free" in found.lines
        assert not [warning for warning in found.warnings if "withdraw" in warning]
        costs, listed = (await rigged.data.markets())["BTC"].costs, rigged.engine.instruments["BTC"]
        assert (costs.maker_fee, costs.taker_fee) == (listed.maker, listed.taker)

    on(venue, script)


def rights(**changes: Any) -> Callable[[Any], None]:
    return lambda protocol: setattr(protocol.exchange.account, "rights", Rights(**changes))


@pytest.mark.parametrize(
    ("venue", "prepare", "why"),
    [
        *((venue, rights(trade=False), "may not trade") for venue in VENUES),
        ("binance", rights(dual_side=True), "hedge mode: switch it to one-way mode"),
        ("okx", rights(dual_side=True), "long/short mode: switch it to net mode"),
        ("okx", rights(level=1), "spot mode, which trades no swaps"),
        ("binance", lambda protocol: setattr(protocol, "multi_assets", True), "multi-assets mode"),
        ("bybit", lambda protocol: setattr(protocol, "margin_mode", "REGULAR_MARGIN"), "REGULAR_MARGIN"),
        *((venue, lambda protocol: setattr(protocol.faults, "skew_ms", 90_000), "set it") for venue in VENUES),
    ],
)  # fmt: skip
def test_an_account_that_cannot_be_traded_is_refused(
    venue: str, prepare: Callable[[Any], None], why: str
) -> None:
    """If this fails, the first order of a live daemon tells what should have been known at its start."""

    async def script(rigged: Rig) -> None:
        with pytest.raises(ConfigError, match=why):
            await clear_for_trading(rigged.trading)

    on(venue, script, prepare=prepare)


@pytest.mark.parametrize("venue", VENUES)
def test_a_key_that_may_withdraw_and_an_empty_account_are_pointed_out(venue: str) -> None:
    """If this fails, a stolen key takes the money, or the operator wonders why nothing is hedged."""

    def prepare(protocol: Any) -> None:
        protocol.exchange.account.rights = Rights(withdraw=True)
        protocol.exchange.account.cash = Decimal(0)

    async def script(rigged: Rig) -> None:
        said = " ".join((await clear_for_trading(rigged.trading)).warnings)
        assert "MORE THAN TRADE" in said
        assert "no collateral is free" in said

    on(venue, script, prepare=prepare)


@pytest.mark.parametrize("venue", VENUES)
def test_a_position_says_where_it_is_liquidated(venue: str) -> None:
    """If this fails, the gate adds to a leg that is about to be liquidated, or trusts a clock nobody compared."""

    async def script(rigged: Rig) -> None:
        rigged.hold("-1")
        told = (await rigged.trading.positions())["BTC"]
        assert told.liquidation_price is not None
        assert float(told.liquidation_price) == pytest.approx(
            float(rigged.engine.liquidation("BTC")), rel=1e-3
        )
        assert told.liquidation_price > told.entry_price
        assert rigged.trading.clock_offset_ms is not None
        assert abs(rigged.trading.clock_offset_ms) < 5_000
        rigged.trading.offset.doubt()
        assert rigged.trading.clock_offset_ms is None

    on(venue, script)


@pytest.mark.parametrize("venue", EVERY)
def test_a_wrong_key_is_named_and_never_shown(venue: str) -> None:
    """If this fails, the operator does not learn which key is wrong, or the log learns the key."""

    async def script(rigged: Rig) -> None:
        rigged.trading.reader.secret = "wrong-secret"
        with pytest.raises(ConfigError, match=f"cex.{venue}: the exchange does not take the key") as refused:
            await clear_for_trading(rigged.trading)
        for part in ("sandbox-key", "sandbox-secret", "sandbox-passphrase", "signature="):
            assert part not in str(refused.value)
            assert part not in repr(rigged.trading.key)

    on(venue, script)


@pytest.mark.parametrize("venue", ["bybit", "okx"])
def test_positions_of_an_account_in_hedge_mode_are_unknown(venue: str) -> None:
    """If this fails, a long and a short of one market are added up wrongly."""

    async def script(rigged: Rig) -> None:
        rigged.hold("1")
        with pytest.raises(Retryable, match="hedge mode"):
            await rigged.trading.positions()

    on(venue, script, prepare=rights(dual_side=True))


def test_a_cross_position_of_binance_is_not_moved_to_isolated_margin(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """If this fails, an order goes out under another margin mode than the risk was reckoned with."""

    async def script(rigged: Rig) -> None:
        rigged.hold("1")
        rigged.engine.account.chosen("BTC").isolated = False
        with pytest.raises(Rejected, match="margin mode of BTC cannot be set"):
            await rigged.trading.place(rigged.order("0.5"))
        assert not rigged.engine.account.orders

    on("binance", script)


@pytest.mark.parametrize("venue", EVERY)
def test_resting_orders_are_told_and_cancelled_by_client_id(venue: str) -> None:
    """If this fails, an order that someone left resting is overlooked, or cannot be taken away."""

    async def script(rigged: Rig) -> None:
        await rigged.trading.positions()
        price = rigged.engine.book("BTC")[0][0][0] - 1_000
        client_id = "a" * 32
        theirs = rigged.trading.orders.ids.theirs(client_id)
        rigged.engine.place(Ticket("BTC", 1, Decimal("0.5"), price, "GTC", False, theirs))
        (resting,) = await rigged.trading.open_orders()
        assert (resting.client_id, resting.status, resting.remaining) == (
            client_id,
            OrderStatus.OPEN,
            Decimal("0.5"),
        )
        assert await rigged.trading.lookup(client_id) == resting
        await rigged.trading.cancel(client_id)
        assert not await rigged.trading.open_orders()
        await rigged.trading.cancel(client_id)

    on(venue, script)


@pytest.mark.parametrize("venue", EVERY)
def test_a_closing_order_waits_for_nothing_that_it_can_do_without(venue: str) -> None:
    """If this fails, a hedge cannot be closed because a book, a margin mode or a price is not to be had."""

    async def script(rigged: Rig) -> None:
        rigged.hold("1")
        await rigged.trading.positions()
        for path in (
            "leverage",
            "marginType",
            "account/info",
            "depth",
            "orderbook",
            "books",
            "order_book",
            "Index",
            "tickers",
        ):
            rigged.faults.add(Fault.ERROR, path, times=1_000)
        state = await rigged.trading.place(rigged.order("-1", reduce_only=True))
        assert state.filled == 1
        assert rigged.held() == 0
        with pytest.raises((Rejected, Retryable)):
            await rigged.trading.place(rigged.order("0.5"))

    on(venue, script)
