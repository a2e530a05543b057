"""Puts the trading side together: key, rights, gas, journal, and the port that the daemon trades through."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pyinjective.composer_v2 import Composer

from hedged.adapters.injective.chain import Chain
from hedged.adapters.injective.data import InjectiveData
from hedged.adapters.injective.fills import Fills
from hedged.adapters.injective.gas import Gas, GasSettings
from hedged.adapters.injective.heights import Heights
from hedged.adapters.injective.keys import TradingKey, load_key
from hedged.adapters.injective.messages import Messages, Trader
from hedged.adapters.injective.network import InjectiveNetwork
from hedged.adapters.injective.orders import Orders
from hedged.adapters.injective.past_positions import PastPositions
from hedged.adapters.injective.preflight import Clearance, clear_for_trading
from hedged.adapters.injective.reads import AccountReader
from hedged.adapters.injective.retries import patiently
from hedged.adapters.injective.trading import InjectiveTrading
from hedged.adapters.injective.transactions import Patience, SendSettings, Transactions
from hedged.config import InjectiveConfig
from hedged.domain.clock import Clock
from hedged.domain.transactions import TxJournal


@dataclass(frozen=True, slots=True)
class Desk:
    """The trading side of one account."""

    trading: InjectiveTrading
    heights: Heights
    trader: Trader

    def see(self, block: Any) -> None:
        """Follow a block of the event stream: its height, and orders that the chain could not execute."""
        self.heights.note(int(block.block_height))
        self.trading.see(block)


def trader_of(key: TradingKey, address: str, subaccount_id: str) -> Trader:
    """Return whose account the key trades: its own, or that of `address`, which then must have granted it the right."""
    return Trader(address, subaccount_id, None if key.address == address else key.address)


def key_of(config: InjectiveConfig, environ: Mapping[str, str]) -> TradingKey:
    """Load the key that the configuration names. Raises ConfigError."""
    return load_key(config.key_file, config.key_env, environ)


async def clear(
    network: InjectiveNetwork, data: InjectiveData, trader: Trader, config: InjectiveConfig, clock: Clock
) -> Clearance:
    """Prove that the key may trade, in every market that is watched, and can pay for it.

    A node that does not answer is asked again. Raises ConfigError, and Retryable after the last try.
    """

    async def ask() -> Clearance:
        return await _clear(network, data, trader, config, clock)

    return await patiently("the key's rights", ask)


async def _clear(
    network: InjectiveNetwork, data: InjectiveData, trader: Trader, config: InjectiveConfig, clock: Clock
) -> Clearance:
    await data.markets()
    markets = {data.tickers[symbol].perpetual.market_id for symbol in data.symbols}
    return await clear_for_trading(
        data.chain.channel, trader, network.chain_id, markets, config.low_inj, clock.now_ms()
    )


def open_desk(
    network: InjectiveNetwork,
    data: InjectiveData,
    reader: AccountReader,
    key: TradingKey,
    trader: Trader,
    config: InjectiveConfig,
    journal: TxJournal,
    clock: Clock,
    leverage: Decimal,
    on_inj: Callable[[Decimal], None] = lambda _: None,
    patience: Patience | None = None,
) -> Desk:
    """Wire the trading side. `leverage`: largest notional ÷ margin of an order. Nothing is asked or sent yet."""
    patience = patience or Patience()
    chain = Chain(network.create_chain_grpc_channel())
    orders = Orders(
        data.chain.channel, network.create_exchange_grpc_channel(), trader.subaccount_id, data.symbol_of
    )
    gas = GasSettings(
        simulate=config.gas == "simulation",
        multiplier=config.gas_multiplier,
        max_price=config.max_gas_price,
        low_inj=config.low_inj,
    )
    heights = Heights(chain, clock, patience.block_age_s)

    async def seen(client_id: str) -> bool:
        return await orders.state(client_id) is not None

    transactions = Transactions(
        chain, key, journal, Gas(chain, key.address, gas, on_inj), heights, clock,
        SendSettings(network.chain_id, config.timeout_blocks, patience), seen,
    )  # fmt: skip
    messages = Messages(Composer(network.string()), trader)
    trading = InjectiveTrading(
        reader,
        data,
        orders,
        messages,
        transactions,
        journal,
        clock,
        leverage,
        patience,
        Fills(trader.subaccount_id),
        PastPositions(data.chain.channel, trader.subaccount_id),
    )
    return Desk(trading, heights, trader)
