"""What the push protocols tell of a market: a value, so that an engine, a recording or a test may be behind it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from hedged.sandbox.cex.engine import Exchange


@dataclass(frozen=True, slots=True)
class Quote:
    """One market now. Quantities and open interest (one side) in coins; `rate` per interval; `contract`: its coins.

    `ends_ms`: when it is going to be delisted.
    """

    mark: Decimal
    index: Decimal
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal
    open_interest: Decimal
    rate: Decimal
    premium: Decimal
    interval_h: int
    next_ms: int
    contract: Decimal = Decimal(1)
    ends_ms: int | None = None


NAMES = {"binance": "{}USDT", "bybit": "{}USDT", "okx": "{}-USDT-SWAP"}
"""What each venue that has streams here calls a coin's perpetual."""


def pushed(venue: str, exchange: Exchange) -> Callable[[], Mapping[str, Quote]]:
    """Return what a push server asks for all markets of an exchange at every tick."""
    names = {coin: NAMES[venue].format(coin) for coin in exchange.instruments}
    return lambda: quotes_of(exchange, names)


def quotes_of(exchange: Exchange, names: Mapping[str, str]) -> dict[str, Quote]:
    """Tell an exchange's markets now, by the names that `names` gives its coins."""
    exchange.advance()
    now_ms = exchange.now_ms
    found = {}
    for coin, name in names.items():
        if exchange.delisted(coin):
            continue
        path, (bids, asks) = exchange.paths[coin], exchange.book(coin)
        found[name] = Quote(
            mark=path.mark(now_ms),
            index=path.index(now_ms),
            bid=bids[0][0],
            bid_quantity=bids[0][1],
            ask=asks[0][0],
            ask_quantity=asks[0][1],
            open_interest=path.open_interest(now_ms),
            rate=path.estimate(now_ms),
            premium=Decimal(str(path.premium(now_ms))),
            interval_h=path.interval_h(now_ms),
            next_ms=path.next_settlement_ms(now_ms),
            contract=exchange.instruments[coin].contract,
            ends_ms=exchange.ends.get(coin),
        )
    return found
