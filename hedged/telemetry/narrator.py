"""What a cycle tells in the log: settlements that surprised, money that was booked, decisions that changed."""

from collections.abc import Iterable

import structlog

from hedged.config import AlertsConfig
from hedged.cycle import CycleReport
from hedged.domain.bars import Observation
from hedged.domain.clock import SECOND_MS, Clock, iso
from hedged.domain.market import SeriesKey
from hedged.telemetry.deviations import Deviation, Deviations
from hedged.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)


class Narrator:
    """Remembers what it told last, so that nothing is told twice.

    `compared`: how the latest settlement of every series came out beside its forecast, once one was compared.
    """

    def __init__(self, alerts: AlertsConfig, metrics: Metrics, clock: Clock) -> None:
        self._metrics, self._clock = metrics, clock
        self._actions: dict[str, str] = {}
        self._deviations = Deviations(alerts)
        self.compared: dict[SeriesKey, Deviation] = {}

    def reconfigure(self, alerts: AlertsConfig) -> None:
        """Be surprised by other thresholds from now on."""
        self._deviations = Deviations(alerts)

    def tell(self, report: CycleReport, latest: Iterable[Observation]) -> None:
        """Tell of one cycle. `latest`: what is observed of every series."""
        self._tell_deviations(report, latest)
        self._log_payments(report)
        self._log_decisions(report)

    def _tell_deviations(self, report: CycleReport, latest: Iterable[Observation]) -> None:
        """Say which settlements were far from their forecast (requirement A8)."""
        for found in self._deviations.look(report.now_ms, latest, report.forecasts.coming):
            self.compared[found.key] = found
            self._metrics.deviation.labels(*found.key).set(found.bands)
            if found.alarming:
                self._metrics.deviated.labels(*found.key).set(self._clock.now_ms() / SECOND_MS)
                log.warning(
                    "funding_deviates", market=str(found.key), settled=iso(found.ts_ms),
                    rate_8h=f"{found.realised:+.6f}", forecast_8h=f"{found.forecast:+.6f}",
                    bands=f"{found.bands:.1f}",
                )  # fmt: skip

    def _log_payments(self, report: CycleReport) -> None:
        """Log what the venues booked: the money that all of this is about."""
        for payment in report.payments:
            log.info(
                "funding", market=str(payment.settlement.key), settled=iso(payment.settlement.ts_ms),
                received_usd=f"{payment.payment_usd:+.6f}", quantity=f"{payment.quantity.normalize():+f}",
            )  # fmt: skip

    def _log_decisions(self, report: CycleReport) -> None:
        """Log what changed: an action other than before, or anything that traded or was refused."""
        for symbol, body in report.decisions.items():
            action = str(body["action"])
            if action != self._actions.get(symbol) or action not in ("none", "hold", "frozen"):
                log.info("decision", symbol=symbol, action=action, reason=body["reason"])
            self._actions[symbol] = action
