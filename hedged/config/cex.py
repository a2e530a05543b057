"""Configuration of the centralised exchanges: how each is reached and traded."""

from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from hedged.config.section import Section

CEX_KEY_SETTINGS = (
    "key_file", "key_env", "secret_env", "passphrase_env", "rate_share", "deadline_s", "client_id"
)  # fmt: skip
"""Settings of cex.<venue>: by which it is asked; no decision depends on them."""


class CexVenueConfig(Section):
    """How one centralised exchange is reached and traded. The name in `cex` is the one used in hedge.venues."""

    ccxt_id: str | None = Field(
        None, description="class of ccxt; binance, bybit and okx are known, others default to the name"
    )
    quote: Literal["USDT", "USDC"] = Field("USDT", description="currency that the perpetuals are settled in")
    margin_mode: Literal["isolated"] = Field(
        "isolated", description="set before the first order of a market; cross margin is not supported"
    )
    client_id: str | None = Field(
        None,
        pattern=r"^[0-9A-Za-z_.-]*\{(hex|base32)\}[0-9A-Za-z_.-]*$",
        description="how client order ids are written there: {hex} 32 digits, {base32} 26 characters, with a prefix",
    )
    key_file: Path | None = Field(
        None,
        description="live: file (mode 0600) with `key:`, `secret:` and, where asked for, `passphrase:` lines",
    )
    key_env: str | None = Field(None, description="live: environment variable with the key instead")
    secret_env: str | None = Field(None, description="with key_env: environment variable with the secret")
    passphrase_env: str | None = Field(None, description="with key_env, where asked for: the passphrase's")
    rate_share: Decimal = Field(
        Decimal("0.5"),
        gt=0,
        le=1,
        description="share of ccxt's request rate; data, account and orders each get one",
    )
    deadline_s: float = Field(8.0, gt=0, le=30, description="of every request")
    options: dict[str, Any] = Field(default_factory=dict, description="further options of ccxt")

    @property
    def has_key(self) -> bool:
        """Whether a key is configured."""
        return self.key_file is not None or self.key_env is not None

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.key_file is not None and self.key_env is not None:
            raise ValueError("give key_file or key_env, not both")
        if (self.key_env is None) != (self.secret_env is None):
            raise ValueError("key_env and secret_env go together")
        if self.passphrase_env is not None and self.key_env is None:
            raise ValueError("passphrase_env goes with key_env")
        return self


class CexLoopbackConfig(Section):
    """A local set of exchanges to rehearse on (`hedged sandbox --exchange`): every exchange's host is found there."""

    port: int = Field(gt=0, le=65_535, description="of their requests")
    push_port: int | None = Field(None, gt=0, le=65_535, description="of their streams; none: REST alone")
    ca_file: Path = Field(description="certificate of its throw-away authority, the only one that is trusted")
