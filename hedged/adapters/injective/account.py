"""The account, read without any key: positions, collateral, executions, funding payments of one subaccount.

The chain tells the present, the indexer the past. Subaccount 0 trades straight out of the bank balance, so that counts
as collateral too.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import structlog
from pyinjective.proto.cosmos.bank.v1beta1 import query_pb2 as bank_pb2
from pyinjective.proto.cosmos.bank.v1beta1 import query_pb2_grpc as bank_grpc
from pyinjective.proto.exchange import injective_derivative_exchange_rpc_pb2 as indexer_pb2
from pyinjective.proto.exchange import injective_derivative_exchange_rpc_pb2_grpc as indexer_grpc
from pyinjective.proto.injective.exchange.v2 import query_pb2, query_pb2_grpc

from hedged.adapters.injective.address import subaccount_id
from hedged.adapters.injective.asking import asking
from hedged.adapters.injective.data import InjectiveData
from hedged.adapters.injective.payments import read_payment
from hedged.adapters.injective.positions import Holding, read_holding
from hedged.adapters.injective.prints import CATCH_UP_MS, begun_ms
from hedged.adapters.injective.units import coins, coins_from_chain, plain, quote
from hedged.domain.book import Balance, Position
from hedged.domain.clock import MINUTE_MS, Clock
from hedged.domain.funding import FundingPayment
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Execution, Side

log = structlog.get_logger(__name__)

PAGE = 100
MOST_DENOMS = 1_000
LATE_MS = 5 * MINUTE_MS
"""A settlement charged longer after its instant was made up for after a halt."""


@dataclass(frozen=True, slots=True)
class Collateral:
    """USD: `bank` in the owner's bank balance (subaccount 0 only), `deposited` and of it `available`."""

    bank: Decimal
    deposited: Decimal
    available: Decimal


class InjectiveAccount:
    """The reading half of the `Trading` port. Every method raises Retryable where it gets no answer."""

    venue = INJECTIVE

    def __init__(self, data: InjectiveData, clock: Clock, address: str, subaccount: int) -> None:
        self.address, self.index = address, subaccount
        self.subaccount_id = subaccount_id(address, subaccount)
        self._data, self._clock = data, clock
        self._exchange = query_pb2_grpc.QueryStub(data.chain.channel)
        self._bank = bank_grpc.QueryStub(data.chain.channel)
        self._indexer = indexer_grpc.InjectiveDerivativeExchangeRPCStub(data.indexer.channel)
        self._said: frozenset[str] = frozenset()
        self.holdings: Mapping[str, Holding] = {}
        self.foreign: tuple[str, ...] = ()

    async def positions(self) -> Mapping[str, Position]:
        """Return all positions in perpetuals against a dollar, by symbol.

        `foreign` lists the ids of markets with positions that this program cannot protect (expiry futures, a second
        market of the same coin); they are logged once.
        """
        request = query_pb2.QuerySubaccountPositionsRequest(subaccount_id=self.subaccount_id)
        await self._data.markets()
        with asking("positions"):
            rows = (await self._exchange.SubaccountPositions(request)).state
            # a closed position may be told with quantity 0; one without a quantity is an error, not flat
            held = {row.market_id: read_holding(row.position) for row in rows if row.position.quantity != "0"}
        known = {i: s for i in held if (s := self._data.symbol_of(i)) is not None}
        self.foreign = tuple(sorted(set(held) - set(known)))
        if set(self.foreign) - self._said:
            self._said = frozenset(self.foreign)
            log.warning("positions_not_protected", markets=self.foreign)
        self.holdings = {known[i]: holding for i, holding in held.items() if i in known}
        return {
            symbol: Position(
                SeriesKey(INJECTIVE, symbol), h.quantity, h.entry_price, self._liquidation(symbol, h)
            )
            for symbol, h in sorted(self.holdings.items())
        }

    def _liquidation(self, symbol: str, holding: Holding) -> Decimal | None:
        """Return the mark at which a position is liquidated; None while the market's funding is not known."""
        ticker = self._data.tickers[symbol]
        if ticker.state is None:
            return None
        ratio = ticker.perpetual.market.maintenance_margin_ratio
        return holding.liquidation_price(ratio, ticker.state.cumulative_funding)

    async def balance(self) -> Balance:
        """Return the collateral: coins, plus what all positions would give back at their marks."""
        await self.positions()
        cash = await self.collateral()
        locked = Decimal(0)
        for symbol, holding in self.holdings.items():
            state = self._data.tickers[symbol].state
            if state is not None:
                locked += holding.equity_usd(state.mark, state.cumulative_funding)
        return Balance(INJECTIVE, cash.bank + cash.deposited + locked, cash.bank + cash.available)

    async def collateral(self) -> Collateral:
        """Return the dollars that are not in positions."""
        decimals = {t.perpetual.quote_denom: t.perpetual.quote_decimals for t in self._data.tickers.values()}
        request = query_pb2.QuerySubaccountDepositsRequest(subaccount_id=self.subaccount_id)
        deposited = available = bank = Decimal(0)
        with asking("deposits"):
            for denom, deposit in (await self._exchange.SubaccountDeposits(request)).deposits.items():
                if denom in decimals:
                    deposited += coins_from_chain(deposit.total_balance, decimals[denom])
                    available += coins_from_chain(deposit.available_balance, decimals[denom])
        if self.index == 0:
            asked = bank_pb2.QueryAllBalancesRequest(address=self.address)
            asked.pagination.limit = MOST_DENOMS
            with asking("bank balances"):
                for coin in (await self._bank.AllBalances(asked)).balances:
                    if coin.denom in decimals:
                        bank += coins(coin.amount, decimals[coin.denom])
        return Collateral(bank, deposited, available)

    async def executions(self, since_ms: int) -> Sequence[Execution]:
        """Return executions with ts ≥ since, oldest first."""
        await self._data.markets()

        async def page(skip: int) -> list[Any]:
            request = indexer_pb2.TradesV2Request(
                subaccount_id=self.subaccount_id, start_time=max(since_ms, 0), skip=skip, limit=PAGE
            )
            return list((await self._indexer.TradesV2(request)).trades)

        rows = await _pages_back(page, "trades", lambda row: row.executed_at < since_ms)
        with asking("trades"):
            found = {row.trade_id: e for row in rows if (e := self._execution(row)) is not None}
        return sorted(found.values(), key=lambda e: (e.ts_ms, e.execution_id))

    def _execution(self, row: indexer_pb2.DerivativeTrade) -> Execution | None:
        symbol = self._data.symbol_of(row.market_id)
        if symbol is None:
            return None
        decimals, delta = self._data.tickers[symbol].perpetual.quote_decimals, row.position_delta
        return Execution(
            ts_ms=row.executed_at,
            key=SeriesKey(INJECTIVE, symbol),
            execution_id=row.trade_id,
            client_id=row.cid or None,
            side=Side(delta.trade_direction),
            quantity=plain(delta.execution_quantity),
            price=quote(delta.execution_price, decimals),
            fee_usd=quote(row.fee, decimals),
        )

    async def funding_payments(self, since_ms: int) -> Sequence[FundingPayment]:
        """Return funding paid or received with ts > since, oldest first: exactly what the chain booked.

        What the chain made up for after a halt is told as long as its block came after `since_ms`.
        """
        await self._data.load()

        async def page(skip: int) -> list[Any]:
            request = indexer_pb2.FundingPaymentsRequest(
                subaccount_id=self.subaccount_id, skip=skip, limit=PAGE
            )
            return list((await self._indexer.FundingPayments(request)).payments)

        rows = await _pages_back(page, "funding payments", lambda row: row.timestamp <= since_ms)
        found: dict[tuple[SeriesKey, int], FundingPayment] = {}  # a page that moved on shows a row twice
        with asking("funding payments"):
            for row in rows:
                symbol = self._data.symbol_of(row.market_id)
                if symbol is None:
                    continue
                ticker, holding = self._data.tickers[symbol], self.holdings.get(symbol)
                due_ms = await self._due_ms(symbol, row.timestamp)
                if due_ms is None or (due_ms <= since_ms and row.timestamp - due_ms <= LATE_MS):
                    continue
                payment = read_payment(row, ticker, due_ms, holding.quantity if holding else None)
                if payment is not None:
                    found[payment.settlement.key, payment.settlement.ts_ms] = payment
        return sorted(found.values(), key=lambda p: (p.settlement.ts_ms, p.settlement.key))

    async def _due_ms(self, symbol: str, block_ms: int) -> int | None:
        """Return which settlement a block charged; None while the indexer tells the payment but not the settlement."""
        ticker = self._data.tickers[symbol]
        if (due_ms := ticker.prints.due_of(block_ms)) is not None:
            return due_ms
        await self._data.read_again(symbol)
        if (due_ms := ticker.prints.due_of(block_ms)) is not None:
            return due_ms
        late = self._clock.now_ms() - block_ms > CATCH_UP_MS
        return begun_ms(block_ms, ticker.perpetual.rule.interval_s) if late else None


async def _pages_back(
    page: Callable[[int], Awaitable[list[Any]]], what: str, is_before: Callable[[Any], bool]
) -> list[Any]:
    """Walk the indexer's pages, newest first, until one ends or holds a row that is before what is wanted."""
    rows: list[Any] = []
    while True:
        with asking(what):
            got = await page(len(rows))
        rows += got
        if len(got) < PAGE or any(map(is_before, got)):
            return [row for row in rows if not is_before(row)]
