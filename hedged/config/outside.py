"""Configuration of what comes from outside the venues: CoinGlass, CoinGecko, venue status, signals by webhook.

Everything here is off until it is asked for: a source by its key, the status by the venues it is asked of, the webhook
by its secret.
"""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from hedged.config.address import encrypted
from hedged.config.section import Section
from hedged.domain.clock import HOUR_MS, SECOND_MS
from hedged.domain.signals import SignalBounds
from hedged.domain.venue_events import Lead

Encrypted = Annotated[str, AfterValidator(encrypted)]
StatusVenue = Literal["binance", "bybit", "okx"]
HOSTS = {
    "binance": "https://api.binance.com",
    "binance_futures": "https://fapi.binance.com",
    "bybit": "https://api.bybit.com",
    "okx": "https://www.okx.com",
}


class _Polled(Section):
    """Something that is asked again and again over HTTP."""

    period_s: int = Field(900, ge=30, le=86_400, description="asked this often")
    per_minute: int = Field(20, ge=1, le=600, description="most requests a minute")
    deadline_s: float = Field(10.0, gt=0, le=60, description="of every request")


class _Keyed(_Polled):
    """A source that wants a key, and is off without one."""

    key_file: Path | None = Field(None, description="file (mode 0600) with the API key")
    key_env: str | None = Field(None, description="environment variable with the API key instead")

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.key_file is not None and self.key_env is not None:
            raise ValueError("give key_file or key_env, not both")
        return self

    @property
    def on(self) -> bool:
        """Whether it is asked at all."""
        return self.key_file is not None or self.key_env is not None


class CoinGlassConfig(_Keyed):
    """CoinGlass, API v4: open interest, liquidations, long/short ratio."""

    url: Encrypted = Field("https://open-api-v4.coinglass.com", description="where it is asked")
    interval: Literal["15m", "30m", "1h", "4h"] = Field(
        "4h", description="of liquidations and ratio: Hobbyist 4h, Startup 30m, from Standard on 15m"
    )
    exchanges: dict[str, str] = Field(
        default_factory=lambda: {"binance": "Binance", "bybit": "Bybit", "okx": "OKX"},
        description="venue → the name it has at CoinGlass",
    )


class CoinGeckoConfig(_Keyed):
    """CoinGecko: volume of the venues' perpetuals."""

    plan: Literal["demo", "pro"] = Field("demo", description="of your key")
    url: Encrypted | None = Field(None, description="default: by plan")
    exchanges: dict[str, str] = Field(
        default_factory=lambda: {"binance": "binance_futures", "bybit": "bybit", "okx": "okex_swap"},
        description="venue → id of its derivatives exchange at CoinGecko",
    )


class StatusConfig(_Polled):
    """Maintenance, halts and delistings as the venues announce them; no key is needed."""

    venues: list[StatusVenue] = Field(default_factory=list, description="asked of these; none: off")
    period_s: int = Field(300, ge=30, le=86_400, description="asked this often")
    maintenance_lead_s: int = Field(
        1_800, ge=0, le=86_400, description="nothing is opened this long before a maintenance"
    )
    delisting_lead_h: int = Field(
        72, ge=0, le=720, description="nothing is opened this long before a delisting"
    )
    hosts: dict[str, Encrypted] = Field(
        default_factory=lambda: dict(HOSTS), description="where to ask instead; the others stay as they are"
    )

    @field_validator("hosts")
    @classmethod
    def _all_hosts(cls, hosts: dict[str, str]) -> dict[str, str]:
        foreign = sorted(set(hosts) - set(HOSTS))
        if foreign:
            raise ValueError(f"{', '.join(foreign)}: expected {', '.join(HOSTS)}")
        return HOSTS | hosts

    @property
    def lead(self) -> Lead:
        """The leads in ms."""
        return Lead(self.maintenance_lead_s * SECOND_MS, self.delisting_lead_h * HOUR_MS)


class OutsideConfig(Section):
    """Sources outside the venues. One that fails takes nothing with it but its own fields."""

    coinglass: CoinGlassConfig = CoinGlassConfig()
    coingecko: CoinGeckoConfig = CoinGeckoConfig()
    status: StatusConfig = StatusConfig()

    @property
    def on(self) -> bool:
        """Whether anything is asked at all."""
        return self.coinglass.on or self.coingecko.on or bool(self.status.venues)


OUTSIDE_WIRING = {
    "coinglass": {"url", "key_file", "key_env", "period_s", "per_minute", "deadline_s"},
    "coingecko": {"url", "key_file", "key_env", "period_s", "per_minute", "deadline_s"},
    "status": {"hosts", "period_s", "per_minute", "deadline_s"},
}
"""Settings of outside: how a source is reached; what it says is data, not configuration."""


class WebhookConfig(Section):
    """Signals in: POST /webhook/tradingview on an address of its own, so that the status page stays where it is."""

    host: str = Field("127.0.0.1", description="address that signals come to")
    port: int = Field(9465, ge=0, le=65_535, description="0: any that is free")
    secret_file: Path | None = Field(
        None, description="file (mode 0600) with the secret; off without a secret"
    )
    secret_env: str | None = Field(None, description="environment variable with the secret instead")
    allow_from: list[str] = Field(
        default_factory=list,
        description="addresses or networks that may post; default: any that has the secret",
    )
    behind_proxy: bool = Field(
        False, description="the sender is the last address of X-Forwarded-For, set by one's own proxy"
    )
    max_age_s: int = Field(300, ge=10, le=3_600, description="a signal older or newer than this is refused")
    per_minute: int = Field(12, ge=1, le=120, description="most signals accepted a minute")
    max_ttl_s: int = Field(14_400, ge=60, le=86_400, description="longest that a signal may be in force")
    least: float = Field(0.5, ge=0, le=1, description="hedge_less at strength 1 multiplies increases by this")
    most: float = Field(1.25, ge=1, le=2, description="hedge_more at strength 1 multiplies increases by this")

    @field_validator("allow_from")
    @classmethod
    def _are_networks(cls, networks: list[str]) -> list[str]:
        for network in networks:
            ip_network(network)  # raises ValueError that names it
        return networks

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if self.secret_file is not None and self.secret_env is not None:
            raise ValueError("give secret_file or secret_env, not both")
        return self

    @property
    def on(self) -> bool:
        """Whether it listens at all."""
        return self.secret_file is not None or self.secret_env is not None

    @property
    def bounds(self) -> SignalBounds:
        """What a signal may do at most."""
        return SignalBounds(self.least, self.most)


WEBHOOK_EFFECT = {"least", "most", "max_ttl_s"}
"""The settings of webhook: that a decision depends on; all others say who may post, where, and how often."""
