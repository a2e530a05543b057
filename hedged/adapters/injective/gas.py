"""Gas: how much a transaction needs, what it costs now, and whether the key can still pay.

The limit comes from injective-py's heuristics or from a simulation; the price from the chain, never above a cap. The
chain charges limit × price whatever is used, so neither is padded more than needed.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import structlog
from pyinjective.core.gas_heuristics_gas_limit_estimator import (
    DERIVATIVE_MARKET_ORDER_CREATION_GAS_LIMIT,
    GasHeuristicsGasLimitEstimator,
)
from pyinjective.proto.cosmos.authz.v1beta1 import tx_pb2 as authz_tx
from pyinjective.proto.cosmos.base.v1beta1 import coin_pb2
from pyinjective.proto.injective.exchange.v2 import tx_pb2 as exchange_tx

from hedged.adapters.injective.chain import INJ, INJ_UNIT, Chain
from hedged.domain.errors import Rejected

ANTE_GAS = 105_000  # what checking signature, fee and sequence takes before the first message
PRICE_AGE_S = 10.0
BALANCE_AGE_S = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class GasSettings:
    """Prices in 1e-18 INJ per unit of gas. `headroom`: offered ÷ base fee. `low_inj`: below it a warning is due."""

    simulate: bool = False
    multiplier: Decimal = Decimal("1.3")
    headroom: Decimal = Decimal("1.2")
    max_price: int = 1_600_000_000
    low_inj: Decimal = Decimal("0.05")


@dataclass(frozen=True, slots=True)
class Fee:
    """What a transaction offers. `amount` in 1e-18 INJ."""

    limit: int
    amount: int

    def coin(self) -> Any:
        """Return the fee as a coin of the transaction."""
        return coin_pb2.Coin(denom=INJ, amount=str(self.amount))


def heuristic_limit(messages: Sequence[Any]) -> int:
    """Return the gas that these messages and their transaction need, by fixed figures per message and order."""
    gas = sum(int(GasHeuristicsGasLimitEstimator.for_message(message=m).gas_limit()) for m in messages)
    return ANTE_GAS + gas + sum(map(_forgotten, messages))


def _forgotten(message: Any) -> int:
    """Return what injective-py 1.16 leaves out: the market orders of a batch, also inside MsgExec, cost it nothing."""
    if isinstance(message, authz_tx.MsgExec):
        wrapped = [m for m in message.msgs if m.type_url.endswith("MsgBatchUpdateOrders")]
        return sum(_forgotten(exchange_tx.MsgBatchUpdateOrders.FromString(m.value)) for m in wrapped)
    if isinstance(message, exchange_tx.MsgBatchUpdateOrders):
        return len(message.derivative_market_orders_to_create) * int(
            DERIVATIVE_MARKET_ORDER_CREATION_GAS_LIMIT
        )
    return 0


class Gas:
    """Price and balance of one key, each asked again when old. `on_balance` hears of every balance that is read."""

    def __init__(
        self,
        chain: Chain,
        payer: str,
        settings: GasSettings,
        on_balance: Callable[[Decimal], None] = lambda _: None,
    ) -> None:
        self.settings = settings
        self._chain = chain
        self._payer = payer
        self._on_balance = on_balance
        self._price: tuple[float, int] | None = None
        self._inj: tuple[float, Decimal] | None = None
        self._warned = False

    async def fee(self, limit: int) -> Fee:
        """Price a gas limit. Raises Rejected when the chain asks more than the cap or the key cannot pay."""
        base = await self._base_price()
        if base > self.settings.max_price:
            self.forget()  # a spike passes: the next order looks anew
            raise Rejected(
                f"gas costs {base} now, more than injective.max_gas_price {self.settings.max_price} allows"
            )
        price = min(math.ceil(base * self.settings.headroom), self.settings.max_price)
        fee = Fee(limit, limit * price)
        await self._must_afford(Decimal(fee.amount) / INJ_UNIT)
        return fee

    def spent(self, fee: Fee) -> None:
        """Note a fee that was paid, so that the balance need not be asked after every order."""
        if self._inj:
            read_s, inj = self._inj
            self._inj = (read_s, inj - Decimal(fee.amount) / INJ_UNIT)

    def forget(self) -> None:
        """Ask for price and balance anew next time: the chain disagreed with what was known."""
        self._price = self._inj = None

    async def _base_price(self) -> int:
        now_s = asyncio.get_running_loop().time()
        if self._price is None or now_s - self._price[0] > PRICE_AGE_S:
            self._price = (now_s, await self._chain.gas_price())
        return self._price[1]

    async def _must_afford(self, fee_inj: Decimal) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._inj is None or now_s - self._inj[0] > BALANCE_AGE_S or self._inj[1] < fee_inj:
            self._inj = (now_s, await self._chain.inj(self._payer))
            self._watch(self._inj[1])
        if self._inj[1] < fee_inj:
            raise Rejected(
                f"{self._payer} holds {self._inj[1]:.6f} INJ and the gas costs {fee_inj:.6f}: send it some INJ"
            )

    def _watch(self, inj: Decimal) -> None:
        self._on_balance(inj)
        low = inj < self.settings.low_inj
        if low and not self._warned:
            log.warning("inj_low", address=self._payer, inj=str(inj), warn_below=str(self.settings.low_inj))
        self._warned = low


async def gas_limit(settings: GasSettings, chain: Chain, messages: Sequence[Any], draft: bytes) -> int:
    """Return the gas limit for messages; `draft` is the transaction signed without a fee, for the simulation.

    A simulation that fails for any other reason than the sequence is what the order itself would fail with.
    """
    if not settings.simulate:
        return heuristic_limit(messages)
    return math.ceil(await chain.simulate(draft) * settings.multiplier)
