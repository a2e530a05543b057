"""How Injective is reached, and by which key orders are sent."""

from decimal import Decimal
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from hedged.config.address import is_near
from hedged.config.section import Section

KEY_SETTINGS = ("key_file", "key_env", "gas", "gas_multiplier", "max_gas_price", "low_inj", "timeout_blocks")
"""Settings of injective: by which orders are sent; no decision depends on them."""


class NodeConfig(Section):
    """One Injective node: HOST:PORT of its three services."""

    chain_grpc: str = Field(description="host:port of the node")
    indexer_grpc: str = Field(description="host:port of the indexer")
    chain_stream: str = Field(description="host:port of the node's stream of events")
    tls: bool | None = Field(
        None, description="default: plain text on loopback, TLS elsewhere; false: in one's own network alone"
    )

    @model_validator(mode="after")
    def _is_plain_at_home_alone(self) -> Self:
        hosts = [one.rpartition(":")[0] for one in (self.chain_grpc, self.indexer_grpc, self.chain_stream)]
        if self.tls is False and not all(map(is_near, hosts)):
            raise ValueError(
                "tls: false lets anybody on the way change balances and orders: for loopback, private addresses and "
                "bare names alone"
            )
        return self


class InjectiveConfig(Section):
    """How Injective is reached."""

    network: Literal["mainnet", "testnet", "custom"] = Field(
        "mainnet", description="mainnet and testnet: the public nodes that injective-py knows"
    )
    nodes: list[NodeConfig] = Field(
        default_factory=list,
        description="one's own nodes, tried first and in this order; custom: these alone",
    )
    chain_id: str | None = Field(None, description="needed with network: custom")
    deadline_s: float = Field(5.0, gt=0, le=60, description="of every request")
    key_file: Path | None = Field(
        None, description="live: file (mode 0600) with the trading key, 64 hex digits or a mnemonic"
    )
    key_env: str | None = Field(None, description="live: environment variable with the trading key instead")
    gas: Literal["heuristics", "simulation"] = Field(
        "heuristics", description="how a transaction's gas is estimated"
    )
    gas_multiplier: Decimal = Field(
        Decimal("1.3"), ge=1, le=5, description="simulation: limit ÷ gas simulated"
    )
    max_gas_price: int = Field(
        1_600_000_000,
        gt=0,
        description="10⁻¹⁸ INJ per gas; ten times what is usual, above it nothing is sent",
    )
    low_inj: Decimal = Field(Decimal("0.05"), ge=0, description="warn when less INJ is left for gas")
    timeout_blocks: int = Field(20, ge=3, le=200, description="blocks after which a transaction is void")

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.key_file is not None and self.key_env is not None:
            raise ValueError("give key_file or key_env, not both")
        return self

    @model_validator(mode="after")
    def _custom_is_told(self) -> Self:
        if self.network == "custom" and not (self.nodes and self.chain_id):
            raise ValueError("network: custom needs nodes and chain_id")
        if self.network != "custom" and self.chain_id is not None:
            raise ValueError(f"chain_id is known for {self.network}: leave it out")
        return self
