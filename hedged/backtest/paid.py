"""Funding payments as columns: an object is made of a payment only where somebody asks for it."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import overload

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.domain.funding import FundingPayment, FundingRate, Settlement, funding_payment
from hedged.domain.market import SeriesKey, decimal_of


class Paid(Sequence[FundingPayment]):
    """What was paid in `markets`, in the order in which it was added. A payment takes 40 bytes.

    Rates, intervals and prices come from floats (`decimal_of`), so they are kept as such; every quantity that was ever
    held is kept once, exactly. What is made of a row is what was paid, to the last digit.
    """

    def __init__(self, markets: Sequence[SeriesKey]) -> None:
        self.markets = tuple(markets)
        self.quantities: list[Decimal] = []
        self._number: dict[Decimal, int] = {}
        self._row = {key: i for i, key in enumerate(self.markets)}
        self._ts_ms, self._market, self._quantity = array("q"), array("i"), array("i")
        self._rate, self._hours, self._price = array("d"), array("d"), array("d")

    def add(
        self, market: int, ts_ms: int, quantity: Decimal, rate: float, hours: float, price: float
    ) -> None:
        """Add a payment in one of the markets, by its number."""
        number = self._number.get(quantity)
        if number is None:
            number = self._number[quantity] = len(self.quantities)
            self.quantities.append(quantity)
        self._ts_ms.append(ts_ms)
        self._market.append(market)
        self._quantity.append(number)
        self._rate.append(rate)
        self._hours.append(hours)
        self._price.append(price)

    def extend(self, payments: Iterable[FundingPayment]) -> None:
        """Add payments that are objects already."""
        for one in payments:
            s = one.settlement
            numbers = (float(s.rate.rate), float(s.rate.interval_h), float(s.price))
            self.add(self._row[s.key], s.ts_ms, one.quantity, *numbers)

    def frame(self) -> pl.DataFrame:
        """Return the payments as columns, in floats: `payment_usd` > 0 was received."""
        rate, hours, price = self.numbers
        quantity = np.array([float(q) for q in self.quantities])[self.quantity]
        names = [(str(key.venue), key.symbol) for key in self.markets]
        venue, symbol = (pl.Series([name[i] for name in names], dtype=pl.String) for i in range(2))
        return pl.DataFrame({
            "ts_ms": self.ts_ms, "venue": venue.gather(self.market), "symbol": symbol.gather(self.market),
            "quantity": quantity, "rate": rate, "interval_hours": hours, "price": price,
            "payment_usd": -quantity * rate * price,
        })  # fmt: skip

    def beside(self, own: Mapping[str, Decimal], since: int) -> list[FundingPayment]:
        """Return the payments from row `since` on, but for those on nothing else than the own quantity of a symbol."""
        owned = [own.get(key.symbol) for key in self.markets]
        quantities, number, market = self.quantities, self._quantity, self._market
        return [self._made(i) for i in range(since, len(self)) if quantities[number[i]] != owned[market[i]]]

    @classmethod
    def together(cls, parts: Sequence["Paid"]) -> "Paid":
        """Return the payments of several venues by instant and market."""
        whole = cls(sorted(key for part in parts for key in part.markets))
        for part in parts:
            markets = np.array([whole._row[key] for key in part.markets], dtype=np.int32)
            quantities = [whole._number.setdefault(q, len(whole._number)) for q in part.quantities]
            whole._market.frombytes(markets[part.market].tobytes())
            whole._quantity.frombytes(np.array(quantities, dtype=np.int32)[part.quantity].tobytes())
            for name in ("_ts_ms", "_rate", "_hours", "_price"):
                getattr(whole, name).extend(getattr(part, name))
        whole.quantities = list(whole._number)
        order = np.lexsort((whole.market, whole.ts_ms))
        for name in ("_ts_ms", "_market", "_quantity", "_rate", "_hours", "_price"):
            column = getattr(whole, name)
            setattr(whole, name, array(column.typecode, np.asarray(column)[order].tobytes()))
        return whole

    @property
    def ts_ms(self) -> NDArray[np.int64]:
        """Instants of the settlements."""
        return np.array(self._ts_ms, dtype=np.int64)

    @property
    def market(self) -> NDArray[np.int32]:
        """Numbers of the markets."""
        return np.array(self._market, dtype=np.int32)

    @property
    def quantity(self) -> NDArray[np.int32]:
        """Numbers of the quantities on which was paid."""
        return np.array(self._quantity, dtype=np.int32)

    @property
    def numbers(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Rates per interval, intervals in hours, prices."""
        rate, hours, price = (np.array(x, dtype=np.float64) for x in (self._rate, self._hours, self._price))
        return rate, hours, price

    def __len__(self) -> int:
        return len(self._ts_ms)

    @overload
    def __getitem__(self, at: int) -> FundingPayment: ...
    @overload
    def __getitem__(self, at: slice) -> list[FundingPayment]: ...
    def __getitem__(self, at: int | slice) -> FundingPayment | list[FundingPayment]:
        """Make the payment, or the payments, of these rows."""
        if isinstance(at, slice):
            return [self._made(i) for i in range(*at.indices(len(self)))]
        return self._made(range(len(self))[at])

    def __iter__(self) -> Iterator[FundingPayment]:
        return (self._made(i) for i in range(len(self)))

    def _made(self, i: int) -> FundingPayment:
        key = self.markets[self._market[i]]
        rate = FundingRate(key.venue, decimal_of(self._rate[i]), decimal_of(self._hours[i]))
        settlement = Settlement(key, self._ts_ms[i], rate, decimal_of(self._price[i]))
        return funding_payment(self.quantities[self._quantity[i]], settlement)
