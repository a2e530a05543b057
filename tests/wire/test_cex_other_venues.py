"""Exchanges of which the adapter knows nothing but what ccxt says: what docs/cex.md promises of them.

Gate and Bitget are two, over their own protocols; Binance's protocol stands in for a third, without what is known
of Binance.
"""

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest
import yaml
from cex_rig import ANOTHER, OTHER, Rig, rig

from hedged.adapters.cex import account, preflight
from hedged.adapters.cex.abilities import WATCHED_BY, must_tell, why_not_traded
from hedged.adapters.cex.exchanges import Profile, profile_of, usual_profile
from hedged.adapters.cex.keys import ApiKey
from hedged.adapters.cex.preflight import clear_for_trading
from hedged.config import parse_config
from hedged.config.cex import CexVenueConfig
from hedged.domain.bars import Field
from hedged.domain.clock import DAY_MS, SECOND_MS
from hedged.domain.errors import ConfigError, OutcomeUnknown, Rejected, Retryable
from hedged.domain.orders import OrderStatus
from hedged.sandbox.cex.account import Ticket
from hedged.sandbox.cex.faults import Fault
from hedged.sandbox.cex.gate import Gate
from hedged.wiring.cex_venues import unproven

Script = Callable[[Rig], Coroutine[Any, Any, None]]
FORGOTTEN_S = 70
"""Gate knows a finished order by its client id for a minute."""


def on(script: Script, venue: str = OTHER, **options: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), rig(venue, **{"symbols": ("BTC",), **options}) as rigged:
            await script(rigged)

    asyncio.run(main())


def test_an_order_that_its_client_id_no_longer_finds_is_found_by_its_fills() -> None:
    """If this fails, an order that filled is called absent once its client id is forgotten, and sent twice."""

    async def script(rigged: Rig) -> None:
        await rigged.trading.positions()
        rigged.faults.add(Fault.LOST_ACK, rigged.protocol.order_path, "POST")
        rigged.trading.exchange.timeout = 300
        sent = rigged.order("0.5")
        with pytest.raises(OutcomeUnknown):
            await rigged.trading.place(sent)
        rigged.clock.skip(FORGOTTEN_S)
        state = await rigged.trading.lookup(sent.client_id)
        assert state is not None
        assert state.filled == rigged.held() == Decimal("0.5")
        rigged.trading._sent.clear()  # what dies with the process
        rigged.clock.skip(3 * 86_400)
        assert await rigged.trading.lookup(sent.client_id) == state
        rigged.faults.add(Fault.ERROR, "my_trades")
        with pytest.raises(Retryable):
            await rigged.trading.lookup(sent.client_id)

    on(script)


def test_a_fill_at_the_beginning_of_a_slow_send_is_found() -> None:
    """If this fails, an order that filled while its answer took seconds is called absent, and sent twice."""

    async def script(rigged: Rig) -> None:
        await rigged.trading.positions()
        rigged.faults.add(Fault.LOST_ACK, rigged.protocol.order_path, "POST")
        rigged.trading.exchange.timeout = 300
        place = rigged.engine.place

        def slowly(ticket: Any) -> Any:
            placed = place(ticket)
            rigged.clock.skip(60)
            return placed

        rigged.engine.place, sent = slowly, rigged.order("0.5")
        with pytest.raises(OutcomeUnknown):
            await rigged.trading.place(sent)
        rigged.clock.skip(FORGOTTEN_S)
        state = await rigged.trading.lookup(sent.client_id)
        assert state is not None
        assert state.filled == rigged.held() == Decimal("0.5")

    on(script)


def test_an_order_that_filled_nothing_is_absent_in_the_end() -> None:
    """If this fails, an order without effect blocks its market for ever."""

    async def script(rigged: Rig) -> None:
        await rigged.trading.place(rigged.order("0.2"))
        missed = rigged.order("0.5").client_id
        theirs = rigged.trading.orders.ids.theirs(missed)
        low = rigged.engine.book("BTC")[0][0][0] - 1_000
        rigged.engine.place(Ticket("BTC", 1, Decimal("0.5"), low, "IOC", False, theirs))
        state = await rigged.trading.lookup(missed)
        assert state is not None
        assert (state.status, state.filled) == (OrderStatus.CANCELLED, 0)
        rigged.clock.skip(FORGOTTEN_S)
        assert await rigged.trading.lookup(missed) is None

    on(script)


def test_an_end_that_nobody_has_a_word_for_is_an_end_once_it_must_have_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If this fails, an order that ended in a way of its own blocks its market for ever, or is over too soon."""

    async def script(rigged: Rig) -> None:
        sent = rigged.order("0.5")
        await rigged.trading.place(sent)
        parse = type(rigged.trading.exchange).parse_order
        monkeypatch.setattr(
            type(rigged.trading.exchange),
            "parse_order",
            lambda *asked: parse(*asked) | {"status": "reduce_out", "filled": 4_000},
        )
        with pytest.raises(Retryable):
            await rigged.trading.lookup(sent.client_id)
        rigged.trading._proof_ms = 0
        state = await rigged.trading.lookup(sent.client_id)
        assert state is not None
        assert (state.status, state.filled) == (OrderStatus.CANCELLED, Decimal("0.4"))

    on(script)


def test_a_fill_without_an_order_may_be_the_one_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, an order is called absent although a fill that nobody owns stands in the account."""
    read = Gate._trade
    monkeypatch.setattr(Gate, "_trade", lambda self, trade: read(self, trade) | {"text": "", "order_id": "7"})

    async def script(rigged: Rig) -> None:
        await rigged.trading.place(rigged.order("0.2"))
        rigged.clock.skip(600)
        unseen = rigged.order("0.5").client_id
        with pytest.raises(OutcomeUnknown, match="fills without their order"):
            await rigged.trading.lookup(unseen)
        (fill,) = await rigged.trading.executions(0)
        assert fill.client_id is None

    on(script)


def test_cancelling_touches_no_order_of_others() -> None:
    """If this fails, a cancellation without an id of the exchange's takes away what its owner left resting."""

    async def script(rigged: Rig) -> None:
        await rigged.trading.positions()
        low = rigged.engine.book("BTC")[0][0][0] - 1_000
        rigged.engine.place(Ticket("BTC", 1, Decimal("0.5"), low, "GTC", False, "t-mine"))
        with pytest.raises(OutcomeUnknown):  # it could still arrive
            await rigged.trading.cancel("a" * 32)
        rigged.clock.skip(60)
        await rigged.trading.cancel("a" * 32)
        (left,) = await rigged.trading.open_orders()
        assert left.client_id == "t-mine"

    on(script)


def test_long_histories_are_read_whole() -> None:
    """If this fails, what an exchange cuts off the old end of an answer is funding and trading that never was."""

    async def script(rigged: Rig) -> None:
        rigged.hold("1")
        now_ms = rigged.clock.now_ms()
        told = await rigged.data.settlements(now_ms - 40 * DAY_MS, now_ms)
        true = rigged.engine.paths["BTC"].prints(now_ms - 40 * DAY_MS, now_ms)
        assert [one.ts_ms for one in told] == [one.ts_ms for one in true]
        for n in range(130):
            side = 1 if n % 2 else -1
            rigged.engine.place(Ticket("BTC", side, Decimal("0.01"), None, "IOC", False, f"t-{n}"))
            rigged.clock.skip(7)
        fills = await rigged.trading.executions(now_ms)
        assert len(fills) == len(rigged.engine.account.trades) == 130
        rigged.clock.skip(80 * 3_600)
        payments = await rigged.trading.funding_payments(now_ms)
        true = rigged.engine.paths["BTC"].prints(now_ms, rigged.clock.now_ms())
        assert [one.settlement.ts_ms for one in payments] == [one.ts_ms for one in true]
        assert len(payments) > 70

    on(script, hourly=True, history_days=40)


def test_payments_of_a_week_are_reached_although_the_end_is_not_cared_for() -> None:
    """If this fails, a daemon that stood still for some days never knows again what it paid."""

    async def script(rigged: Rig) -> None:
        rigged.hold("1")
        since_ms = rigged.clock.now_ms()
        rigged.clock.skip(150 * 3_600)
        assert len(await rigged.trading.funding_payments(since_ms)) == 150

    on(script, hourly=True, history_days=8)


def test_two_positions_in_one_market_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, the short side of an account in hedge mode overwrites the long one."""

    read = Gate._positions

    async def both(self: Gate, params: Any) -> Any:
        (long, *rest) = await read(self, params)
        return [long | {"mode": "dual_long"}, long | {"mode": "dual_short", "size": "-3000"}, *rest]

    monkeypatch.setattr(Gate, "_positions", both)

    async def script(rigged: Rig) -> None:
        rigged.hold("1")
        with pytest.raises(Retryable, match="hedge mode"):
            await rigged.trading.positions()

    on(script)


def test_isolated_margin_is_chosen_by_leverage_and_a_crossed_position_left_alone() -> None:
    """If this fails, a hedge is opened under cross margin, or somebody's position is moved to isolated margin."""

    async def script(rigged: Rig) -> None:
        await rigged.trading.place(rigged.order("0.5"))
        chosen = rigged.engine.account.chosen("BTC")
        assert (chosen.leverage, chosen.isolated) == (3, True)
        rigged.hold("1", "ETH")
        rigged.engine.account.chosen("ETH").isolated = False
        with pytest.raises(Rejected, match="ETH is held under cross margin"):
            await rigged.trading.place(rigged.order("0.5", coin="ETH"))
        assert not rigged.engine.account.chosen("ETH").isolated

    on(script, symbols=("BTC", "ETH"))


@pytest.mark.parametrize(
    ("label", "status", "means"),
    [
        ("SOMETHING_NEW", 400, OutcomeUnknown),
        ("RISK_LIMIT_EXCEEDED", 400, OutcomeUnknown),
        ("SERVER_ERROR", 500, OutcomeUnknown),
        ("TOO_BUSY", 400, OutcomeUnknown),
        ("INSUFFICIENT_AVAILABLE", 400, Rejected),
        ("TOO_MANY_REQUESTS", 429, Retryable),
    ],
)
def test_a_code_that_nobody_knows_leaves_the_outcome_open(label: str, status: int, means: type) -> None:
    """If this fails, an order that an unknown answer hides is taken for refused, and sent once more."""

    async def script(rigged: Rig) -> None:
        await rigged.trading.place(rigged.order("0.1"))
        error = ccxt.BaseError()
        try:
            rigged.trading.exchange.handle_errors(
                status, "", "", "POST", {}, f'{{"label": "{label}"}}', {"label": label}, {}, None
            )
        except ccxt.BaseError as raised:
            error = raised

        async def fails(*_: Any) -> Any:
            raise error

        rigged.trading.exchange.create_order = fails
        with pytest.raises(means):
            await rigged.trading.place(rigged.order("0.1"))

    on(script)


def test_a_second_order_of_one_client_id_is_looked_up() -> None:
    """If this fails, an exchange that says it has this order already is understood to have refused it."""

    async def script(rigged: Rig) -> None:
        await rigged.trading.place(rigged.order("0.1"))

        async def twice(*_: Any) -> Any:
            raise ccxt.DuplicateOrderId("it exists")

        rigged.trading.exchange.create_order = twice
        with pytest.raises(OutcomeUnknown):
            await rigged.trading.place(rigged.order("0.1"))

    on(script)


def test_an_exchange_is_cleared_without_sending_anything() -> None:
    """If this fails, `hedged check` trades, or lets an exchange pass that nothing was found out about."""

    async def script(rigged: Rig) -> None:
        found = await clear_for_trading(rigged.trading)
        assert "orders are IOC, reduce-only, and found by their client id" in found.lines
        said = " ".join(found.warnings)
        for warning in ("one-way mode is not known", "cannot withdraw", "never proven with this exchange"):
            assert warning in said
        assert {method for method, _ in rigged.protocol.asked} == {"GET"}
        markets = await rigged.data.markets()
        assert markets["BTC"].costs.taker_fee == Decimal("0.0005")
        state = await rigged.trading.place(rigged.order("0.1"))  # nothing is held back any more
        assert state.filled == Decimal("0.1")

    on(script)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("{hex}", "up to 28 characters"),
        ("{base32}", "would not carry the client id"),
        ("x-{base32}", "would not carry the client id"),
    ],
)
def test_a_client_id_that_does_not_fit_is_named_before_any_order(written: str, why: str) -> None:
    """If this fails, every order is refused, or the daemon does not know its own fills again."""

    async def script(rigged: Rig) -> None:
        with pytest.raises(ConfigError, match=f"cex.gate can be watched, not traded: .*{why}"):
            await clear_for_trading(rigged.trading)
        assert {method for method, _ in rigged.protocol.asked} == {"GET"}

    on(script, client_id=written)


async def resting(self: Any, symbol: str, kind: str, side: str, amount: Any, price: Any, params: Any) -> Any:
    left = {name: value for name, value in params.items() if name != "timeInForce"}
    return await super(type(self), self).create_order(symbol, kind, side, amount, price, left)


async def enlarging(
    self: Any, symbol: str, kind: str, side: str, amount: Any, price: Any, params: Any
) -> Any:
    left = {name: value for name, value in params.items() if name != "reduceOnly"}
    return await super(type(self), self).create_order(symbol, kind, side, amount, price, left)


async def crossed(self: Any, symbol: str, kind: str, side: str, amount: Any, price: Any, params: Any) -> Any:
    return await super(type(self), self).create_order(
        symbol, kind, side, amount, price, {**params, "mode": "crossed"}
    )


async def of_nobody(self: Any, order_id: str, symbol: str, params: Any = None) -> Any:
    raise ccxt.BadRequest("an order id is needed")


async def always_found(self: Any, order_id: str, symbol: str, params: Any = None) -> Any:
    return {"id": "1", "status": "closed", "amount": 1, "filled": 1}


async def whatever(self: Any, order_id: str, symbol: str, params: Any = None) -> Any:
    return await super(type(self), self).fetch_order("no-such-order", symbol)


@pytest.mark.parametrize(
    ("method", "instead", "why"),
    [
        ("create_order", resting, "an order could rest"),
        ("create_order", crossed, "under cross margin"),
        ("create_order", enlarging, "does not send reduce-only orders"),
        ("fetch_order", of_nobody, "cannot be asked for by client id: BadRequest: an order id is needed"),
        ("fetch_order", always_found, "some order when asked for one that never was"),
        ("fetch_order", whatever, "does not pass a client id on"),
    ],
)
def test_an_exchange_that_cannot_keep_a_rule_about_money_is_watched_alone(
    method: str, instead: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, an order rests, turns a position around, or cannot be found again, at an exchange nobody tried."""

    async def script(rigged: Rig) -> None:
        monkeypatch.setattr(type(rigged.trading.exchange), method, instead, raising=False)
        with pytest.raises(ConfigError, match=f"watched, not traded: .*{why}"):
            await clear_for_trading(rigged.trading)
        assert not rigged.engine.account.orders

    on(script)


@pytest.mark.parametrize(
    ("ccxt_id", "why"),
    [
        ("hyperliquid", "signed with privateKey, walletAddress"),
        ("krakenfutures", "lacks fetchTime"),
        ("hashkey", "lacks fetchFundingHistory"),
        ("bitget", "key lacks its passphrase"),
        ("gate", None),
        ("htx", None),
    ],
)
def test_what_ccxt_lacks_is_named(ccxt_id: str, why: str | None) -> None:
    """If this fails, the operator learns from an outage that an exchange could never have been traded."""
    found = why_not_traded(usual_profile(ccxt_id), ApiKey("any", "key", "secret"))
    assert (found is None) if why is None else (why in str(found))


@pytest.mark.parametrize(
    ("ccxt_id", "lacks"), [("mexc", "fetchFundingRates"), ("hyperliquid", "fetchMarkOHLCV"), ("gate", None)]
)
def test_an_exchange_whose_funding_cannot_be_followed_is_refused(ccxt_id: str, lacks: str | None) -> None:
    """If this fails, the daemon starts with a venue that it will never hear of."""
    if lacks is None:
        must_tell("any", usual_profile(ccxt_id))
        return
    with pytest.raises(ConfigError, match=f"cex.any: ccxt's {ccxt_id} lacks {lacks}"):
        must_tell("any", usual_profile(ccxt_id))


def test_the_configuration_says_what_may_be_done_with_each() -> None:
    """If this fails, `hedged check` is silent about an exchange that nobody tried."""
    tree = {"data": {"source": "venues"}, "hedge": {"venues": ["binance", "gate", "kraken"]}}
    tree["cex"] = {"kraken": {"ccxt_id": "hashkey"}}
    with pytest.raises(ConfigError, match="ccxt's hashkey lacks fetchMarkOHLCV"):
        unproven(parse_config(tree))
    tree["cex"] = {"kraken": {"ccxt_id": "krakenfutures"}}
    told = unproven(parse_config(tree))
    assert set(told) == {"gate", "kraken"}
    assert told["gate"].startswith("watched and traded by what ccxt says of it")
    assert "watched, not traded (ccxt's krakenfutures lacks fetchTime" in told["kraken"]


def test_one_exchange_under_the_address_of_a_region_is_that_exchange() -> None:
    """If this fails, OKX and Bybit of Europe, or an account under a name of its own, are strangers and not traded."""
    for ccxt_id, family in (("myokx", "okx"), ("bybiteu", "bybit"), ("binanceusdm", "binanceusdm")):
        found = profile_of("mine", CexVenueConfig(ccxt_id=ccxt_id))
        assert (found.ccxt_id, found.family) == (ccxt_id, family)
    assert not profile_of("gate", CexVenueConfig()).family

    async def script(rigged: Rig) -> None:
        assert "key may trade; net mode, futures mode" in (await clear_for_trading(rigged.trading)).lines
        assert (await rigged.trading.place(rigged.order("0.5"))).filled == rigged.held() == Decimal("0.5")

    on(script, "okx", ccxt_id="myokx")


def test_binance_is_traded_also_by_what_ccxt_says_of_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, what holds for one exchange that nobody knows holds for Gate alone."""
    monkeypatch.setattr(preflight, "RIGHTS", {})
    monkeypatch.setattr(account, "READERS", {})

    async def script(rigged: Rig) -> None:
        found = await clear_for_trading(rigged.trading)
        assert "orders are IOC, reduce-only, and found by their client id" in found.lines
        state = await rigged.trading.place(rigged.order("0.5"))
        assert state == await rigged.trading.lookup(state.client_id)
        assert state.filled == (await rigged.trading.positions())["BTC"].quantity == Decimal("0.5")
        (fill,) = await rigged.trading.executions(0)
        assert (fill.client_id, fill.key.venue) == (state.client_id, "elsewhere")
        rigged.clock.skip(2 * 3_600)
        assert len(await rigged.trading.funding_payments(0)) == 2

    plain = Profile("binanceusdm", options={"defaultType": "swap"})
    on(script, "elsewhere", served="binance", profile=plain, hourly=True)


def test_open_interest_is_told_from_its_history_where_nothing_else_tells_it() -> None:
    """If this fails, details of such an exchange fail each minute, or count contracts as coins."""

    async def script(rigged: Rig) -> None:
        await rigged.data.markets()
        await rigged.data.details()
        now_ms = rigged.clock.now_ms()
        bar_ms = now_ms // (300 * SECOND_MS) * 300 * SECOND_MS
        found = rigged.data.board.observation("BTC", now_ms).values[Field.OPEN_INTEREST]
        assert found == pytest.approx(float(rigged.engine.paths["BTC"].open_interest(bar_ms)))

    on(script)


def test_bitget_is_cleared_and_its_orders_go_out_under_isolated_margin() -> None:
    """If this fails, an exchange that takes the margin mode with every order opens hedges under cross margin."""

    async def script(rigged: Rig) -> None:
        found = await clear_for_trading(rigged.trading)
        assert "orders are IOC, reduce-only, and found by their client id" in found.lines
        assert (await rigged.trading.place(rigged.order("0.5"))).filled == rigged.held() == Decimal("0.5")
        assert rigged.engine.account.chosen("BTC").isolated

    on(script, ANOTHER)


def test_settlements_that_page_numbers_alone_tell_are_read_whole() -> None:
    """If this fails, an exchange without a start and an end tells a hundred settlements, and they count as all."""

    async def script(rigged: Rig) -> None:
        now_ms = rigged.clock.now_ms()
        told = await rigged.data.settlements(now_ms - 9 * DAY_MS, now_ms)
        true = rigged.engine.paths["BTC"].prints(now_ms - 9 * DAY_MS, now_ms)
        assert [one.ts_ms for one in told] == [one.ts_ms for one in true]
        assert len(told) > 200
        before = len(rigged.protocol.asked)
        rigged.clock.skip(30)
        await rigged.data.settlements(now_ms - DAY_MS, now_ms)
        assert "history-fund-rate" not in str(list(rigged.protocol.asked)[before:])  # nothing has fallen due

    on(script, ANOTHER, hourly=True, history_days=9)


def test_the_page_shows_a_configuration_that_loads_and_names_what_is_asked_for() -> None:
    """If this fails, docs/cex.md sends the operator after settings or methods that there are not."""
    page = (Path(__file__).parents[2] / "docs" / "cex.md").read_text().partition("## Another exchange")[2]
    tree = yaml.safe_load(page.partition("```yaml")[2].partition("```")[0])
    config = parse_config({"data": {"source": "venues"}, **tree})
    assert set(unproven(config)) == {"gate"}
    assert all(f"`{method}`" in page for method in WATCHED_BY)
