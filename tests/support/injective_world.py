"""A sandbox, a plain injective-py client of it, and a funded trader, for tests over the wire."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pyinjective import PrivateKey, Transaction
from pyinjective.async_client_v2 import AsyncClient
from pyinjective.composer_v2 import Composer
from pyinjective.core.broadcaster import MsgBroadcasterWithPk
from pyinjective.core.network import Network
from pyinjective.indexer_client import IndexerClient

from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig
from hedged.sandbox.injective.wire import subaccount_of

KEY = "a" * 63 + "1"
GRANTEE_KEY = "b" * 63 + "2"
E18 = Decimal(10) ** 18
GAS, GAS_PRICE = 400_000, 160_000_000


def address_of(key: str) -> str:
    return PrivateKey.from_hex(key).to_public_key().to_address().to_acc_bech32()


def human(text: str) -> Decimal:
    """Read a number of the chain's gRPC."""
    return Decimal(text) / E18


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
    """Everything a test needs; prices stand still and blocks are made by hand unless asked otherwise."""

    sandbox: InjectiveSandbox
    client: AsyncClient
    indexer: IndexerClient
    composer: Composer
    address: str
    subaccount: str

    @property
    def inj(self) -> str:
        """Id of the INJ market."""
        return self.sandbox.markets["INJ"].market_id

    def broadcaster(self, key: str = KEY, grantee: bool = False) -> MsgBroadcasterWithPk:
        if grantee:
            return MsgBroadcasterWithPk.new_for_grantee_account_using_gas_heuristics(
                network=self.client.network,
                grantee_private_key=key,
                client=self.client,
                composer=self.composer,
            )
        return MsgBroadcasterWithPk.new_using_gas_heuristics(
            network=self.client.network, private_key=key, client=self.client, composer=self.composer
        )

    def _fields(self, side: str, quantity: str, price: str, margin: str | None, **kw: Any) -> dict[str, Any]:
        p, q = Decimal(price), Decimal(quantity)
        defaults = {"market_id": self.inj, "subaccount_id": self.subaccount, "fee_recipient": self.address}
        numbers = {"price": p, "quantity": q, "margin": p * q if margin is None else Decimal(margin)}
        return defaults | numbers | {"order_type": side} | kw

    def order(self, side: str, quantity: str, price: str, margin: str | None = None, **kw: Any) -> Any:
        """An order for a batch."""
        return self.composer.derivative_order(**self._fields(side, quantity, price, margin, **kw))

    def market_order(self, side: str, quantity: str, price: str, margin: str | None = None, **kw: Any) -> Any:
        fields = self._fields(side, quantity, price, margin, **kw)
        return self.composer.msg_create_derivative_market_order(sender=self.address, **fields)

    def limit_order(self, side: str, quantity: str, price: str, margin: str | None = None, **kw: Any) -> Any:
        fields = self._fields(side, quantity, price, margin, **kw)
        return self.composer.msg_create_derivative_limit_order(sender=self.address, **fields)

    async def sign(self, *messages: Any, key: str = KEY, **changed: Any) -> bytes:
        """Sign by hand. `changed`: sequence, number, chain_id, timeout_height, fee_inj, gas."""
        private = PrivateKey.from_hex(key)
        account = await self.client.fetch_account(address_of(key))
        base = account.base_account if account else None
        gas = changed.get("gas", GAS)
        fee = self.composer.coin(amount=changed.get("fee_inj", gas * GAS_PRICE), denom="inj")
        tx = Transaction(
            msgs=messages,
            sequence=changed.get("sequence", base.sequence if base else 0),
            account_num=changed.get("number", base.account_number if base else 0),
            chain_id=changed.get("chain_id", "injective-1"),
            fee=[fee],
            gas=gas,
            timeout_height=changed.get("timeout_height", self.sandbox.chain.height + 10),
        )
        public = private.to_public_key()
        signature = private.sign(tx.get_sign_doc(public).SerializeToString())
        return tx.get_tx_data(signature, public)

    async def broadcast(self, raw: bytes) -> dict[str, Any]:
        """Return the answer of check-tx."""
        return (await self.client.broadcast_tx_sync_mode(raw))["txResponse"]

    async def deliver(self, *messages: Any, key: str = KEY, **changed: Any) -> dict[str, Any]:
        """Sign, broadcast, make a block; return what became of the transaction there."""
        answer = await self.broadcast(await self.sign(*messages, key=key, **changed))
        assert answer["code"] == 0, answer
        await self.sandbox.chain.next_block()
        return (await self.client.fetch_tx(answer["txhash"]))["txResponse"]

    async def position(self) -> dict[str, Any] | None:
        """The trader's INJ position as the chain states it."""
        rows = (await self.client.fetch_chain_subaccount_positions(self.subaccount))["state"]
        return next((row["position"] for row in rows if row["marketId"] == self.inj), None)


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
