"""Configuration: one frozen tree, read from YAML; an unknown key is refused with a suggestion.

Every default is the one the design asks for; a comment beside it says where it comes from.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from hedged.config_cex import CEX_KEY_SETTINGS, CexLoopbackConfig, CexVenueConfig
from hedged.config_outside import OUTSIDE_WIRING, WEBHOOK_EFFECT, OutsideConfig, WebhookConfig
from hedged.config_recorder import RecorderConfig
from hedged.config_section import Section as _Section
from hedged.config_section import explain_fault
from hedged.domain.clock import Clock, FastClock, SystemClock
from hedged.domain.errors import ConfigError
from hedged.domain.market import Costs

LIVE_ACKNOWLEDGEMENT = "I understand that this trades real money"


class PositionConfig(_Section):
    """One of the trader's own positions on Injective. USD are turned into coins at the first price seen."""

    usd: Decimal | None = Field(None, description="signed notional in USD, > 0 long")
    quantity: Decimal | None = Field(None, description="signed quantity in coins, > 0 long")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.usd is None) == (self.quantity is None):
            raise ValueError("give either usd or quantity")
        if not (self.usd or self.quantity):
            raise ValueError("a position is not zero: leave the symbol out")
        return self


class BookConfig(_Section):
    """Whose positions are protected."""

    source: Literal["static", "injective"] = Field(
        "static", description="static: as written here; injective: read from the chain, no key needed"
    )
    address: str | None = Field(None, description="source injective: the account, inj1…")
    subaccount: int = Field(0, ge=0, lt=2**32, description="source injective: index of the subaccount")
    positions: dict[str, PositionConfig] = Field(default_factory=dict)
    equity_usd: Decimal | None = Field(
        None, gt=0, description="default: a third of the book's gross notional"
    )
    protect: list[str] | None = Field(None, description="symbols to protect; default: all held")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.source == "injective" and (self.address is None or self.positions):
            raise ValueError("source: injective needs address, and reads the positions itself")
        if self.source == "static" and self.address is not None:
            raise ValueError("address is read with source: injective only")
        return self

    @model_validator(mode="after")
    def _protects_what_is_held(self) -> Self:
        if self.source != "static":
            return self  # what is held is known later, and changes
        foreign = sorted(set(self.protect or ()) - set(self.positions))
        if foreign:
            raise ValueError(f"protect names {', '.join(foreign)}, which positions does not hold")
        return self


class DataConfig(_Section):
    """Where market data come from."""

    source: Literal["simulator", "venues"] = Field(
        "simulator", description="venues: the real ones, live (so far Injective)"
    )
    seed: int = 7


KEY_SETTINGS = ("key_file", "key_env", "gas", "gas_multiplier", "max_gas_price", "low_inj", "timeout_blocks")
"""Settings of injective: by which orders are sent; no decision depends on them."""


class NodeConfig(_Section):
    """One Injective node: HOST:PORT of its three services."""

    chain_grpc: str
    indexer_grpc: str
    chain_stream: str
    tls: bool | None = Field(None, description="default: plain text on loopback, TLS elsewhere")


class InjectiveConfig(_Section):
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


LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class ClockConfig(_Section):
    """How fast time passes; other than as it does only on a local chain that says so itself (`hedged sandbox --speed`).

    Periods of decisions, bars, horizons and ages count in this time; deadlines of requests do not.
    """

    speed: float = Field(1.0, ge=1, le=3_600, description="seconds of the chain per second of the wall clock")
    from_ms: int = Field(
        0, ge=0, description="instant at which the wall clock and this one agree, ms since 1970"
    )

    def make(self) -> Clock:
        """Return the clock."""
        return SystemClock() if self.speed == 1 else FastClock(SystemClock(), self.speed, self.from_ms)


class CycleConfig(_Section):
    """When the daemon looks, and how much of the past it keeps."""

    interval_s: int = Field(900, ge=30, le=3_600, description="a decision every 15 minutes, aligned to UTC")
    bar_s: int = Field(900, ge=60, le=3_600)
    history_days: int = Field(90, ge=7, le=400)
    guard_interval_s: float = Field(5.0, gt=0)
    stale_after_s: int = Field(1_800, ge=60, description="a mark older than this decides nothing")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if 3_600 % self.bar_s:
            raise ValueError("bar_s must divide an hour")
        if max(self.interval_s, self.bar_s) % min(self.interval_s, self.bar_s):
            raise ValueError(
                "interval_s must be a multiple or a divisor of bar_s, or cycles miss the bars' ends"
            )
        return self


class CostConfig(_Section):
    """What trading costs at a venue, in basis points of notional. A negative fee is a rebate."""

    maker_bp: Decimal
    taker_bp: Decimal
    half_spread_bp: Decimal = Decimal(1)
    depth_usd: Decimal = Field(Decimal(2_000_000), gt=0, description="resting within 50 bp, one side")

    def to_costs(self) -> Costs:
        """Convert to fractions."""
        bp = Decimal(10_000)
        return Costs(self.maker_bp / bp, self.taker_bp / bp, self.half_spread_bp / bp, self.depth_usd)


class HedgeConfig(_Section):
    """How much hedging is wanted, and of which kind."""

    venues: list[str] = Field(default_factory=lambda: ["binance", "bybit"])
    cap: Decimal = Field(
        Decimal("0.40"), ge=0, le=1, description="share of the own position (requirement A9)"
    )
    allow_own_cut: bool = Field(
        True, description="may the own position be made smaller (layer 1, relocation)?"
    )
    horizon_h: int = Field(24, ge=1, le=240)
    forecaster: str = Field("ensemble", description="ensemble, nowcast, ewma or persistence")
    model: Path | None = Field(
        None, description="directory of a trained model; none: the one that is shipped"
    )
    confidence_knots: list[tuple[float, float]] = Field(
        default_factory=lambda: [(0.50, 0.25), (0.80, 0.60)],
        description="(hedge confidence, share of the full-Kelly size); linear between, flat above (requirement C5)",
    )
    delta_band: Decimal = Field(
        Decimal("0.10"),
        ge=0,
        le=1,
        description="largest change of the price exposure, as share of the own position",
    )
    min_change: Decimal = Field(
        Decimal("0.02"),
        ge=0,
        le=1,
        description="smallest change worth an order, as share of the own position",
    )
    equity_at_risk: Decimal = Field(
        Decimal("0.02"), gt=0, le=1, description="95 % loss over the horizon ÷ equity"
    )
    capital_rate_per_year: Decimal = Field(Decimal("0.05"), ge=0, description="charge on margin tied up")
    collateral_share: Decimal = Field(
        Decimal("0.25"), gt=0, le=1, description="paper: idle margin at each hedge venue ÷ equity"
    )

    @model_validator(mode="after")
    def _venues_are_others(self) -> Self:
        if "injective" in self.venues or len(set(self.venues)) != len(self.venues):
            raise ValueError("venues lists hedge venues other than injective, each once")
        return self

    @model_validator(mode="after")
    def _horizon_is_forecast(self) -> Self:
        if self.forecaster == "ensemble" and self.horizon_h not in (24, 120):
            raise ValueError("horizon_h is 24 or 120 with the ensemble; other horizons need forecaster: ewma")
        return self

    @model_validator(mode="after")
    def _knots_ascend(self) -> Self:
        if not self.confidence_knots or self.confidence_knots != sorted(self.confidence_knots):
            raise ValueError("confidence_knots must ascend")
        if not all(0 <= number <= 1 for knot in self.confidence_knots for number in knot):
            raise ValueError("confidence_knots are shares: numbers from 0 to 1")
        return self


class RiskConfig(_Section):
    """Limits of the gate, and the distance from liquidation that bounds the plan's leverage."""

    max_leverage: Decimal = Field(
        Decimal(3), gt=0, le=10, description="of hedge legs (2–5 by requirement C8)"
    )
    min_liquidation_distance: Decimal = Field(Decimal("0.15"), gt=0, lt=1)
    liquidation_cushion: Decimal = Field(Decimal("0.03"), ge=0, description="true prices differ 2–3 % (E10)")
    max_orders_per_hour: int = Field(60, ge=1)
    max_notional_per_hour_usd: Decimal | None = Field(
        None, gt=0, description="default: the book's gross notional"
    )
    depth_share: Decimal = Field(Decimal("0.25"), gt=0, le=1, description="largest order ÷ resting depth")
    price_collar_bp: Decimal = Field(
        Decimal(30), gt=0, description="worst price of a taker order from the mark"
    )


class PaperConfig(_Section):
    """The paper venue."""

    latency_ms: int = Field(200, ge=0, description="decision to fill (requirement C7)")


class TelemetryConfig(_Section):
    """Logs and the HTTP page."""

    host: str = "127.0.0.1"
    port: int = Field(9464, ge=0, le=65_535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"


class Config(_Section):
    """The whole configuration."""

    mode: Literal["paper", "live"] = "paper"
    live_acknowledgement: str = ""
    account: str = "paper"
    state_dir: Path = Path("state")
    book: BookConfig = BookConfig()
    data: DataConfig = DataConfig()
    injective: InjectiveConfig = InjectiveConfig()
    cex: dict[str, CexVenueConfig] = Field(
        default_factory=dict, description="by venue; one that is not named has the defaults"
    )
    cex_loopback: CexLoopbackConfig | None = Field(None, description="a local set of exchanges alone")
    clock: ClockConfig = ClockConfig()
    cycle: CycleConfig = CycleConfig()
    hedge: HedgeConfig = HedgeConfig()
    risk: RiskConfig = RiskConfig()
    paper: PaperConfig = PaperConfig()
    costs: dict[str, CostConfig] = Field(
        default_factory=lambda: {
            "injective": CostConfig(
                maker_bp=Decimal("-0.5"), taker_bp=Decimal(5), depth_usd=Decimal(500_000)
            ),
            "cex": CostConfig(maker_bp=Decimal(2), taker_bp=Decimal(5)),
        },
        description="by venue; `cex` stands for every venue that is not named",
    )
    outside: OutsideConfig = OutsideConfig()
    webhook: WebhookConfig = WebhookConfig()
    recorder: RecorderConfig = RecorderConfig()
    telemetry: TelemetryConfig = TelemetryConfig()

    @model_validator(mode="after")
    def _live_is_deliberate(self) -> Self:
        if self.mode == "live" and self.live_acknowledgement != LIVE_ACKNOWLEDGEMENT:
            raise ValueError(f"mode: live needs live_acknowledgement: {LIVE_ACKNOWLEDGEMENT!r}")
        if self.book.source == "injective" and self.data.source != "venues":
            raise ValueError("book.source: injective needs data.source: venues")
        if self.outside.on and self.data.source != "venues":
            raise ValueError("outside is about the real venues: it needs data.source: venues")
        missing = {"injective", "cex"} - set(self.costs)
        if missing:
            raise ValueError(f"costs lack {', '.join(sorted(missing))}")
        return self

    @model_validator(mode="after")
    def _exchanges_are_others(self) -> Self:
        if "injective" in self.cex:
            raise ValueError("cex: Injective is none; it has a section of its own")
        return self

    @model_validator(mode="after")
    def _time_is_true(self) -> Self:
        hosts = {
            address.rpartition(":")[0]
            for node in self.injective.nodes
            for address in (node.chain_grpc, node.indexer_grpc, node.chain_stream)
        }
        local = self.injective.network == "custom" and hosts <= set(LOOPBACK)
        if self.clock.speed != 1 and not (local and self.data.source == "venues"):
            raise ValueError("clock.speed is for a local chain: every node of network: custom on loopback")
        return self

    def costs_of(self, venue: str) -> Costs:
        """Return the assumed costs of a venue."""
        return self.costs.get(venue, self.costs["cex"]).to_costs()

    def cex_of(self, venue: str) -> CexVenueConfig:
        """Return how a centralised exchange is reached."""
        return self.cex.get(venue, CexVenueConfig())

    @property
    def hash(self) -> str:
        """Identify everything that can change a decision (not where logs go or state is kept).

        The order of keys and the spelling of a number (0.4 or 0.40) do not count.
        """
        whole = dict.fromkeys(
            (
                "telemetry",
                "state_dir",
                "live_acknowledgement",
                "clock",
                "cex_loopback",
                "webhook",
                "recorder",
            ),
            True,
        )
        parts: dict[str, Any] = {
            "injective": {"nodes", "deadline_s", *KEY_SETTINGS},
            "outside": OUTSIDE_WIRING,
            "cex": {venue: set(CEX_KEY_SETTINGS) for venue in self.cex},
        }
        tree = self.model_dump(exclude={**whole, **parts})
        tree["webhook"] = self.webhook.model_dump(include=WEBHOOK_EFFECT) if self.webhook.on else None
        tree["outside"]["on"] = [self.outside.coinglass.on, self.outside.coingecko.on]
        text = json.dumps(tree, sort_keys=True, default=lambda number: str(number.normalize()))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_config(path: Path) -> Config:
    """Read a YAML file. Raises ConfigError that names the key, the fault and the nearest known key."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if raw is not None and not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected `key: value` lines at the top")
    return with_environment(parse_config(raw or {}, str(path)), os.environ)


def with_environment(config: Config, environ: Mapping[str, str]) -> Config:
    """Apply HEDGED_LISTEN=HOST:PORT, by which a container makes its page reachable. Raises ConfigError."""
    listen = environ.get("HEDGED_LISTEN")
    if not listen:
        return config
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ConfigError(f"HEDGED_LISTEN={listen!r}: expected HOST:PORT, e.g. 0.0.0.0:9464")
    telemetry = config.telemetry.model_copy(update={"host": host, "port": int(port)})
    return config.model_copy(update={"telemetry": telemetry})


def parse_config(raw: dict[str, Any], source: str = "configuration") -> Config:
    """Validate a plain tree. Raises ConfigError with one line per fault."""
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        faults = [explain_fault(fault["loc"], fault["type"], fault["msg"]) for fault in error.errors()]
        raise ConfigError(f"{source}: " + "; ".join(faults)) from None
