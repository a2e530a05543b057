"""The sandbox seen by a plain injective-py client: it reads, signs and trades as on the real chain."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pyinjective import PrivateKey
from pyinjective.async_client_v2 import AsyncClient
from pyinjective.composer_v2 import Composer
from pyinjective.core.broadcaster import MsgBroadcasterWithPk
from pyinjective.core.network import Network
from pyinjective.indexer_client import IndexerClient

from hedged.sandbox.injective.ledger import USDT
from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig
from hedged.sandbox.injective.wire import subaccount_of

KEY = "a" * 63 + "1"
OTHER_KEY = "b" * 63 + "2"
E18 = Decimal(10) ** 18


def address_of(key: str) -> str:
    return PrivateKey.from_hex(key).to_public_key().to_address().to_acc_bech32()


def network_of(sandbox: InjectiveSandbox) -> Network:
    at = sandbox.endpoints
    return Network.custom(
        lcd_endpoint=at.lcd,
        tm_websocket_endpoint=at.tendermint,
        grpc_endpoint=at.chain_grpc,
        grpc_exchange_endpoint=at.indexer_grpc,
        grpc_explorer_endpoint=at.indexer_grpc,
        chain_stream_endpoint=at.chain_stream,
        chain_id="injective-1",
        env="local",
        official_tokens_list_url=at.tokens,
    )


@dataclass
class World:
    """A sandbox, a client of it, and a funded trader."""

    sandbox: InjectiveSandbox
    client: AsyncClient
    indexer: IndexerClient
    composer: Composer
    address: str
    subaccount: str

    def broadcaster(self, key: str = KEY) -> MsgBroadcasterWithPk:
        return MsgBroadcasterWithPk.new_using_gas_heuristics(
            network=self.client.network, private_key=key, client=self.client, composer=self.composer
        )

    def market_order(self, side: str, quantity: str, price: str, margin: str | None = None, **kw: Any) -> Any:
        p, q = Decimal(price), Decimal(quantity)
        return self.composer.msg_create_derivative_market_order(
            market_id=self.sandbox.markets["INJ"].market_id,
            sender=kw.pop("sender", self.address),
            subaccount_id=kw.pop("subaccount", self.subaccount),
            fee_recipient=self.address,
            price=p,
            quantity=q,
            margin=p * q if margin is None else Decimal(margin),
            order_type=side,
            **kw,
        )

    async def send(self, *messages: Any, key: str = KEY) -> dict[str, Any]:
        """Broadcast with fresh sequence and timeout height, make a block, return the delivered result."""
        await self.client.fetch_account(address_of(key))
        await self.client.sync_timeout_height()
        answer = await self.broadcaster(key).broadcast(list(messages))
        assert answer["txResponse"]["code"] == 0, answer
        await self.sandbox.chain.next_block()
        return (await self.client.fetch_tx(answer["txResponse"]["txhash"]))["txResponse"]


@asynccontextmanager
async def world(**config: Any) -> AsyncIterator[World]:
    settings = {"block_time_s": None, "moving": False, "symbols": ("INJ", "BTC")} | config
    async with InjectiveSandbox(SandboxConfig(**settings)) as sandbox:
        network = network_of(sandbox)
        client, indexer = AsyncClient(network), IndexerClient(network)
        address = address_of(KEY)
        sandbox.chain.fund(address, inj=10, usdt=10_000)
        try:
            yield World(sandbox, client, indexer, Composer(network="local"), address, subaccount_of(address))
        finally:
            await client.close_chain_channel()
            await client.close_chain_stream_channel()
            await client.exchange_channel.close()
            await client.explorer_channel.close()


def test_markets_carry_human_values_on_the_chain_and_scaled_ones_in_the_indexer() -> None:
    """If this fails, an adapter tested here would read prices off by a power of ten on the real chain."""

    async def scenario() -> None:
        async with world() as w:
            full = (
                await w.client.fetch_chain_derivative_markets(status="Active", with_mid_price_and_tob=True)
            )["markets"]
            inj = next(m for m in full if m["market"]["ticker"] == "INJ/USDT PERP")
            assert Decimal(inj["markPrice"]) / E18 == 14
            assert Decimal(inj["market"]["minPriceTickSize"]) / E18 == Decimal("0.001")
            assert Decimal(inj["midPriceAndTob"]["bestSellPrice"]) / E18 > 14
            info = inj["perpetualInfo"]["marketInfo"]
            assert Decimal(info["hourlyFundingRateCap"]) / E18 == Decimal("0.000625")
            assert int(info["fundingInterval"]) == 3_600
            indexed = (await w.indexer.fetch_derivative_market(inj["market"]["marketId"]))["market"]
            assert indexed["minPriceTickSize"] == "1000"
            assert len(await w.client.all_derivative_markets()) == 2

    asyncio.run(scenario())


def test_a_market_order_is_accepted_filled_at_the_blocks_end_and_told_everywhere() -> None:
    """If this fails, check-tx, delivery, position, indexer history and bank balance no longer tell one story."""

    async def scenario() -> None:
        async with world() as w:
            before = int((await w.client.fetch_bank_balance(w.address, USDT))["balance"]["amount"])
            result = await w.send(w.market_order("BUY", "10", "14.1", cid="first"))
            assert result["code"] == 0
            market_id = w.sandbox.markets["INJ"].market_id
            rows = (await w.client.fetch_chain_subaccount_positions(w.subaccount))["state"]
            position = rows[0]["position"]
            assert position["isLong"] is True
            assert Decimal(position["quantity"]) / E18 == 10
            entry = Decimal(position["entryPrice"]) / E18
            assert Decimal("14") < entry < Decimal("14.1")
            history = await w.indexer.fetch_derivative_orders_history(market_ids=[market_id], cid="first")
            assert [o["state"] for o in history["orders"]] == ["filled"]
            trades = (await w.indexer.fetch_derivative_trades(market_ids=[market_id], cid="first"))["trades"]
            assert Decimal(trades[0]["positionDelta"]["executionPrice"]) == entry.scaleb(6)
            fee = Decimal(trades[0]["fee"]).scaleb(-6)
            assert fee == entry * 10 * Decimal("0.0005")
            after = int((await w.client.fetch_bank_balance(w.address, USDT))["balance"]["amount"])
            margin = Decimal(position["margin"]) / E18
            assert abs(Decimal(before - after).scaleb(-6) - margin - fee) <= Decimal("0.000001")

    asyncio.run(scenario())
