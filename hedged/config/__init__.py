"""The configuration: sections in files of their own, the whole tree and how it is read in `whole.py`."""

from hedged.config.alerts import AlertsConfig, AlertTargetConfig, HeartbeatConfig
from hedged.config.book import BookConfig, DataConfig, PositionConfig
from hedged.config.cex import CexLoopbackConfig, CexVenueConfig
from hedged.config.control import ControlConfig
from hedged.config.cycle import ClockConfig, CycleConfig
from hedged.config.execution import ExecutionConfig
from hedged.config.hedge import CostConfig, HedgeConfig, RiskConfig
from hedged.config.injective import InjectiveConfig, NodeConfig
from hedged.config.outside import CoinGeckoConfig, CoinGlassConfig, OutsideConfig, StatusConfig, WebhookConfig
from hedged.config.paper import LatencyConfig, PaperConfig
from hedged.config.quality import QualityConfig
from hedged.config.reconcile import ReconcileConfig
from hedged.config.recorder import RecorderConfig
from hedged.config.strategies import CascadeHedgeConfig, DivergenceConfig, StrategiesConfig
from hedged.config.whole import (
    LIVE_ACKNOWLEDGEMENT,
    Config,
    TelemetryConfig,
    load_config,
    parse_config,
    with_environment,
)

__all__ = [
    "LIVE_ACKNOWLEDGEMENT", "AlertTargetConfig", "AlertsConfig", "BookConfig", "CascadeHedgeConfig",
    "CexLoopbackConfig", "CexVenueConfig", "ClockConfig", "CoinGeckoConfig", "CoinGlassConfig", "Config",
    "ControlConfig", "CostConfig", "CycleConfig", "DataConfig", "DivergenceConfig", "ExecutionConfig",
    "HeartbeatConfig", "HedgeConfig", "InjectiveConfig", "LatencyConfig", "NodeConfig", "OutsideConfig", "PaperConfig",
    "PositionConfig", "QualityConfig", "ReconcileConfig", "RecorderConfig", "RiskConfig", "StatusConfig",
    "StrategiesConfig", "TelemetryConfig", "WebhookConfig", "load_config", "parse_config", "with_environment",
]  # fmt: skip
