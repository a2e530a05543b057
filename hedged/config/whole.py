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

from pydantic import Field, ValidationError, model_validator

from hedged.config.alerts import AlertsConfig
from hedged.config.book import BookConfig, DataConfig
from hedged.config.cex import CEX_KEY_SETTINGS, CexLoopbackConfig, CexVenueConfig
from hedged.config.control import ControlConfig
from hedged.config.cycle import ClockConfig, CycleConfig
from hedged.config.execution import ExecutionConfig
from hedged.config.faults import Invalid, explain
from hedged.config.hedge import CostConfig, HedgeConfig, RiskConfig
from hedged.config.injective import KEY_SETTINGS, InjectiveConfig
from hedged.config.lines import lines_of
from hedged.config.models import ModelsConfig
from hedged.config.outside import OUTSIDE_WIRING, WEBHOOK_EFFECT, OutsideConfig, WebhookConfig
from hedged.config.paper import PaperConfig
from hedged.config.quality import QualityConfig
from hedged.config.reconcile import ReconcileConfig
from hedged.config.recorder import RecorderConfig
from hedged.config.section import Section
from hedged.config.strategies import StrategiesConfig
from hedged.config.yaml_text import read_yaml
from hedged.domain.errors import ConfigError
from hedged.domain.market import Costs

LIVE_ACKNOWLEDGEMENT = "I understand that this trades real money"


LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class TelemetryConfig(Section):
    """Logs and the HTTP page."""

    host: str = Field("127.0.0.1", description="address that the page listens at")
    port: int = Field(9464, ge=0, le=65_535, description="0: any that is free")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the least that is logged"
    )
    log_format: Literal["json", "console"] = Field("json", description="console: for people who look on")
    token_file: Path | None = Field(
        None, description="file (mode 0600) with the token that /api asks for; without one /api refuses"
    )
    token_env: str | None = Field(None, description="environment variable with the token instead")
    names: list[str] = Field(
        default_factory=list,
        description="names with a dot by which this address is asked for, behind a proxy; others are refused",
    )

    @property
    def on_loopback(self) -> bool:
        """Whether this machine alone reaches the page."""
        return self.host in (*LOOPBACK, "::1") or self.host.startswith("127.")


class Config(Section):
    """The whole configuration."""

    mode: Literal["paper", "live"] = Field("paper", description="live trades your accounts")
    live_acknowledgement: str = Field(
        "", description=f"`mode: live` needs it, word for word: {LIVE_ACKNOWLEDGEMENT}"
    )
    account: str = Field("paper", description="a name for this account: part of every client order id")
    state_dir: Path = Field(Path("state"), description="the journal lies here; relative to where it runs")
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
    strategies: StrategiesConfig = StrategiesConfig()
    risk: RiskConfig = RiskConfig()
    execution: ExecutionConfig = ExecutionConfig()
    quality: QualityConfig = QualityConfig()
    reconcile: ReconcileConfig = ReconcileConfig()
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
    alerts: AlertsConfig = AlertsConfig()
    recorder: RecorderConfig = RecorderConfig()
    models: ModelsConfig = ModelsConfig()
    control: ControlConfig = ControlConfig()
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
    def _strategies_have_venues(self) -> Self:
        wanted = self.strategies
        need = 1 if wanted.divergence.single_leg else 2
        if wanted.divergence.enabled and len(self.hedge.venues) < need:
            raise ValueError(
                "strategies.divergence holds a leg at each of two exchanges: name two in hedge.venues, or set "
                "single_leg: true"
            )
        if wanted.cascade_hedge.enabled and not self.hedge.venues:
            raise ValueError(
                "strategies.cascade_hedge needs an exchange to hedge on: name one in hedge.venues"
            )
        held = set(self.book.positions)
        strange = sorted(set(wanted.cascade_hedge.symbols or ()) - held)
        if wanted.cascade_hedge.enabled and self.book.source == "static" and strange:
            raise ValueError(
                f"strategies.cascade_hedge.symbols names {', '.join(strange)}, which book.positions does not hold"
            )
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
                "alerts",
                "recorder",
                "models",
                "control",
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
        text = json.dumps(tree, sort_keys=True, default=_plain)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: Decimal | Path) -> str:
    """Write what JSON has no word for: a number however it was spelt, a path."""
    return str(value.normalize()) if isinstance(value, Decimal) else str(value)


def load_config(path: Path) -> Config:
    """Read a YAML file. Raises ConfigError that names line, key, fault and the nearest known key, of every fault."""
    raw = read_yaml(path)
    if raw is not None and not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected `key: value` lines at the top")
    return with_environment(parse_config(raw or {}, str(path), path), os.environ)


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


def parse_config(raw: dict[str, Any], source: str = "configuration", file: Path | None = None) -> Config:
    """Validate a plain tree. Raises Invalid, a ConfigError, with every fault. `file`: where it was read from."""
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        lines = lines_of(file) if file else {}
        raise Invalid(source, explain(Config, error.errors(), lines)) from None
