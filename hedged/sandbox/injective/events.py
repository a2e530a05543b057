"""What a block did: the facts from which the chain stream is sent and the indexer's history is kept."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum

from hedged.sandbox.injective.book import Order
from hedged.sandbox.injective.funding import Settled
from hedged.sandbox.injective.positions import Position


class Update(IntEnum):
    """What happened to an order, as in the stream's protobuf enum."""

    BOOKED = 1
    MATCHED = 2
    CANCELLED = 3


class Execution(IntEnum):
    """How a trade came about, as in the chain's protobuf enum."""

    MARKET = 1
    LIMIT_FILL = 2
    RESTING = 3
    NEW = 4
    LIQUIDATION = 5

    @property
    def chain_name(self) -> str:
        """As the chain stream spells it."""
        names = {
            1: "Market",
            2: "LimitFill",
            3: "LimitMatchRestingOrder",
            4: "LimitMatchNewOrder",
            5: "MarketLiquidation",
        }
        return names[self]

    @property
    def indexer_name(self) -> str:
        """As the indexer spells it."""
        return self.chain_name[0].lower() + self.chain_name[1:]


@dataclass(frozen=True, slots=True)
class Trade:
    """One side of an execution. `fee` < 0 is a rebate; money in USDT."""

    trade_id: str
    ts_ms: int
    market_id: str
    symbol: str
    subaccount_id: str
    order_hash: str
    cid: str
    fee_recipient: str
    is_buy: bool
    execution: Execution
    quantity: Decimal
    price: Decimal
    margin: Decimal
    fee: Decimal
    payout: Decimal
    pnl: Decimal
    is_maker: bool
    by_house: bool


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """An order was booked, matched or cancelled; `fillable` is what was left then."""

    status: Update
    order: Order
    fillable: Decimal


@dataclass(frozen=True, slots=True)
class OrderFailure:
    """A single order failed although its transaction did not."""

    account: str
    order_hash: str
    cid: str
    code: int


@dataclass(frozen=True, slots=True)
class FundingUpdate:
    """The accumulators moved, by a trade (`settled` None) or by a settlement."""

    market_id: str
    symbol: str
    cumulative_funding: Decimal
    cumulative_price: Decimal
    last_s: int
    settled: Settled | None


@dataclass(frozen=True, slots=True)
class FundingPaid:
    """What a settlement did to one position. `amount` > 0 was received, USDT."""

    market_id: str
    symbol: str
    subaccount_id: str
    ts_ms: int
    quantity: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class TxSummary:
    """One transaction of a block. `messages`: short names, e.g. MsgBatchUpdateOrders. `code` 0 = executed."""

    tx_hash: str
    signer: str
    messages: tuple[str, ...]
    codespace: str
    code: int
    log: str


@dataclass(slots=True)
class BlockEvents:
    """Everything that one block did. Positions are snapshots, None where one was closed."""

    height: int
    time_ms: int
    transactions: list[TxSummary] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    orders: list[OrderUpdate] = field(default_factory=list)
    failures: list[OrderFailure] = field(default_factory=list)
    funding: list[FundingUpdate] = field(default_factory=list)
    payments: list[FundingPaid] = field(default_factory=list)
    positions: dict[tuple[str, str], Position | None] = field(default_factory=dict)
    """By (market, subaccount)."""
    marks: dict[str, Decimal] = field(default_factory=dict)
    """By symbol, where the oracle moved."""
    bank: dict[str, dict[str, int]] = field(default_factory=dict)
    deposits: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    """By subaccount: available, total; smallest units."""
    gas_price: int = 0
