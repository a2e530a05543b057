"""Responses that exchanges really gave decode to the right units: coins, rates per hour, the coming settlement."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from hedged.adapters.cex.account import _bybit as read_bybit_balance
from hedged.adapters.cex.exchanges import PROFILES, make_exchange
from hedged.adapters.cex.keys import ApiKey
from hedged.adapters.cex.markets import Perpetual, read_markets
from hedged.adapters.cex.orders import Orders
from hedged.adapters.cex.prints import due_ms
from hedged.adapters.cex.rates import _rate, hours_of
from hedged.config.cex import CexVenueConfig
from hedged.domain.bars import Field
from hedged.domain.clock import SystemClock
from hedged.domain.market import Costs
from hedged.domain.orders import OrderStatus
from hedged.sandbox.cex.exchanges import Hall

Recorded = Callable[[str], Any]
COSTS = Costs(Decimal(0), Decimal(0), Decimal("0.0001"), Decimal(1_000))
HALL = Hall(SystemClock())


def listed(venue: str) -> tuple[Any, dict[str, Perpetual]]:
    """A ccxt exchange that knows BTC, ETH and INJ as the sandbox lists them."""

    async def make() -> Any:
        return make_exchange(PROFILES[venue], CexVenueConfig(), None, SystemClock())  # type: ignore[arg-type]

    exchange, protocol = asyncio.run(make()), HALL.protocols[venue]
    rows = [protocol._listing(one) for one in protocol.exchange.instruments.values()]  # type: ignore[attr-defined]
    if venue == "bybit":

        async def told(_: Any) -> Any:
            return {"retCode": 0, "result": {"category": "linear", "list": rows}}

        exchange.publicGetV5MarketInstrumentsInfo = told
        exchange.set_markets(asyncio.run(exchange.fetch_future_markets({"category": "linear"})))
    else:
        exchange.set_markets([exchange.parse_market(row) for row in rows])
    perpetuals = read_markets(venue, exchange.markets.values(), "USDT", COSTS, Decimal(3))
    return exchange, perpetuals


def read_order(venue: str, raw: Any, symbol: str = "BTC") -> Any:
    exchange, perpetuals = listed(venue)
    orders = Orders(venue, exchange, PROFILES[venue], ApiKey(venue, "k", "s"), "USDT", 1.0)
    return orders.read(exchange.parse_order(raw), "c" * 32, perpetuals[symbol])


def test_the_running_rate_of_binance(recorded_cex: Recorded) -> None:
    """If this fails, a rate of eight hours is taken for one of an hour, or the coming settlement for the last."""
    exchange, _ = listed("binance")
    row = exchange.parse_funding_rate(recorded_cex("binance__parse_funding_rate__1"))
    rate = _rate(row, PROFILES["binance"], row["markPrice"], row["indexPrice"], None)
    assert rate.values[Field.FUNDING_ESTIMATE] == pytest.approx(0.00063521 / 8)
    assert (rate.values[Field.MARK], rate.values[Field.INDEX]) == (45802.81129892, 45745.47701915)
    assert (rate.next_ms, rate.interval_h) == (1_621_267_200_000, 8.0)
    assert _rate(row, PROFILES["binance"], None, None, 4.0).values == {
        Field.FUNDING_ESTIMATE: pytest.approx(0.00063521 / 4)
    }


def test_an_adjusted_interval_of_binance(recorded_cex: Recorded) -> None:
    """If this fails, every coin is thought to settle every eight hours."""
    exchange, _ = listed("binance")
    assert hours_of(exchange.parse_funding_rate(recorded_cex("binance__parse_funding_rate__2"))) == 4.0


def test_the_running_rate_of_okx(recorded_cex: Recorded) -> None:
    """If this fails, the interval of OKX is not what its two timestamps say."""
    exchange, _ = listed("okx")
    row = exchange.parse_funding_rate(recorded_cex("okx__parse_funding_rate__2"))
    rate = _rate(row, PROFILES["okx"], None, None, None)
    assert rate.values[Field.FUNDING_ESTIMATE] == pytest.approx(0.0001875391284828 / 8)
    assert rate.values[Field.PREMIUM] == pytest.approx(0.0001233824646391)
    assert (rate.next_ms, rate.interval_h) == (1_700_726_400_000, 8.0)


def test_the_running_rate_and_open_interest_of_bybit(recorded_cex: Recorded) -> None:
    """If this fails, open interest of Bybit is in another unit than that of the others."""
    exchange, _ = listed("bybit")
    (raw,) = recorded_cex("bybit__fetch_funding_rates__1")["result"]["list"]
    row = exchange.parse_funding_rate(raw)
    rate = _rate(row, PROFILES["bybit"], row["markPrice"], row["indexPrice"], None)
    assert rate.values[Field.OPEN_INTEREST] == 48_069.549
    assert rate.values[Field.FUNDING_ESTIMATE] == pytest.approx(0.0001 / 8)
    assert rate.next_ms == 1_663_689_600_000


def test_open_interest_of_okx_is_in_contracts(recorded_cex: Recorded) -> None:
    """If this fails, OKX's open interest is a hundred times what it is."""
    exchange, perpetuals = listed("okx")
    (raw,) = recorded_cex("okx__fetch_open_interest__1")["data"]
    told = exchange.parse_open_interest(raw)
    assert perpetuals["BTC"].coins(told["openInterestAmount"]) == Decimal(raw["oiCcy"]) == Decimal("21254.19")


def test_a_funding_payment_booked_late_belongs_to_its_hour(recorded_cex: Recorded) -> None:
    """If this fails, a payment that OKX books seconds after the hour belongs to no settlement."""
    assert due_ms(int(recorded_cex("okx__fetch_funding_history__1")["ts"])) == 1_636_387_200_000


@pytest.mark.parametrize("number", [3, 9, 17, 19])
def test_orders_of_binance(recorded_cex: Recorded, number: int) -> None:
    """If this fails, what became of an order is read wrongly."""
    raw = recorded_cex(f"binance__parse_order__{number}")
    state = read_order("binance", raw)
    wanted = {"NEW": OrderStatus.OPEN, "FILLED": OrderStatus.FILLED}.get(raw["status"], OrderStatus.CANCELLED)
    assert (state.status, state.filled) == (wanted, Decimal(raw["executedQty"]))


def test_a_filled_order_of_bybit(recorded_cex: Recorded) -> None:
    """If this fails, what became of an order is read wrongly."""
    state = read_order("bybit", recorded_cex("bybit__parse_order__2"))
    assert (state.status, state.filled, state.remaining) == (OrderStatus.FILLED, Decimal("0.001"), 0)


@pytest.mark.parametrize(
    ("venue", "name"),
    [("bybit", "bybit__create_order__1"), ("okx", "okx__parse_order__1"), ("okx", "okx__parse_order__2")],
)
def test_an_answer_of_ids_alone_says_nothing_of_the_fill(
    recorded_cex: Recorded, venue: str, name: str
) -> None:
    """If this fails, an acknowledged order counts as filled, or as unfilled."""
    raw = recorded_cex(name)
    assert read_order(venue, raw.get("result", raw)) is None


def test_a_position_of_bybit(recorded_cex: Recorded) -> None:
    """If this fails, a position has the wrong size or side."""
    exchange, _ = listed("bybit")
    (raw,) = recorded_cex("bybit__fetch_positions__1")["result"]["list"]
    row = exchange.parse_position(raw)
    assert (row["symbol"], row["side"], row["contracts"], row["entryPrice"]) == (
        "ETH/USDT:USDT",
        "long",
        0.5,
        1073.85,
    )
    assert not row["hedged"]


def test_a_position_of_okx_in_two_sided_mode_is_seen_as_such(recorded_cex: Recorded) -> None:
    """If this fails, long and short of one market are added up."""
    exchange, _ = listed("okx")
    row = exchange.parse_position(recorded_cex("okx__parse_position__1"))
    assert (row["symbol"], row["side"], row["contracts"], row["hedged"]) == (
        "BTC/USDT:USDT",
        "long",
        1.0,
        True,
    )


def test_a_balance_of_bybit(recorded_cex: Recorded) -> None:
    """If this fails, collateral is what other coins are worth, or nothing."""
    raw = recorded_cex("bybit__fetch_balance__3")
    coins = {row["coin"]: row for row in raw["result"]["list"][0]["coin"]}
    name, row = next(iter(coins.items()))
    total, free = read_bybit_balance({"info": raw}, name)
    assert total == Decimal(row["equity"])
    assert free <= Decimal(row["walletBalance"])
    assert read_bybit_balance({"info": raw}, "NOTHERE") == (0, 0)


def test_the_sandbox_speaks_as_the_exchanges_do(recorded_cex: Recorded) -> None:
    """If this fails, what works on the sandbox may not work at the exchange."""
    binance, bybit, okx = (HALL.protocols[venue] for venue in ("binance", "bybit", "okx"))
    listing = binance._listing(binance.exchange.instruments["BTC"])  # type: ignore[attr-defined]
    pairs = [
        (binance._premium("BTC"), recorded_cex("binance__parse_funding_rate__1")),  # type: ignore[attr-defined]
        (okx._rate("BTC"), recorded_cex("okx__parse_funding_rate__2")),  # type: ignore[attr-defined]
        (listing, recorded_cex("binance__fetch_markets__1")["symbols"][0]),
    ]
    for served, true in pairs:
        assert set(true) - set(served) == set()
    ticker = recorded_cex("bybit__fetch_funding_rates__1")["result"]["list"][0]
    known = {
        "symbol",
        "markPrice",
        "indexPrice",
        "openInterest",
        "fundingRate",
        "nextFundingTime",
        "lastPrice",
    }
    assert known <= set(ticker) & set(bybit._ticker("BTC"))  # type: ignore[attr-defined]
