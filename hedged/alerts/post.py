"""The post: a courier for each target, and the heartbeat, made from the configuration and made anew when it changes."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hedged.alerts.book import Message, Phase
from hedged.alerts.couriers import OUTCOMES, Courier, deliver_within
from hedged.alerts.heartbeat import Heartbeat
from hedged.alerts.targets import Letter, Target, read_heartbeat, read_targets
from hedged.config import AlertsConfig, Config
from hedged.domain.alert import Alert, Severity
from hedged.domain.clock import SECOND_MS, Clock
from hedged.secret import Secret
from hedged.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Addresses:
    """Who is told, and whom the heartbeat reaches."""

    targets: tuple[Target, ...] = ()
    heartbeat: Secret | None = None


def read_addresses(config: AlertsConfig, environ: Mapping[str, str]) -> Addresses:
    """Read all addresses. Raises ConfigError. It may load the library, so off the loop once that runs."""
    return Addresses(read_targets(config, environ), read_heartbeat(config, environ))


@dataclass(slots=True)
class Post:
    """`well`: whether the daemon is ready and its cycles complete; only then the heart beats."""

    clock: Clock
    metrics: Metrics
    well: Callable[[], bool]
    couriers: list[Courier] = field(default_factory=list)
    heartbeat: Heartbeat | None = None

    def open(self, config: AlertsConfig, addresses: Addresses) -> None:
        """Go by these addresses from now on; what is under way to a target that stays goes on."""
        before = {courier.target.name: courier for courier in self.couriers}
        self.couriers = []
        for target in addresses.targets:
            courier = before.get(target.name) or Courier(
                target, self.clock, config.deadline_s, self._counter(target.name)
            )
            courier.target, courier.deadline_s = target, config.deadline_s
            self.couriers.append(courier)
        self.heartbeat = None
        if config.heartbeat is not None and addresses.heartbeat is not None:
            self.heartbeat = Heartbeat(config.heartbeat, addresses.heartbeat, self.well, self._beaten)

    def wants(self, alert: Alert) -> bool:
        """Tell whether anybody is to be told."""
        return any(courier.target.wants(alert) for courier in self.couriers)

    def put(self, message: Message, config: Config) -> None:
        """Hand a message to the courier of everybody who is to be told. Returns at once."""
        letter = _letter(message, config, self.clock.now_ms())
        for courier in self.couriers:
            if courier.target.wants(message.addressed):
                courier.put(letter)

    def start(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Let couriers and heart work, in a group that owns them."""
        tasks = [group.create_task(one.run(), name=f"alerts to {one.target.name}") for one in self.couriers]
        if self.heartbeat is not None:
            tasks.append(group.create_task(self.heartbeat.run(), name="heartbeat"))
        return tasks

    async def finish(self, seconds: float) -> None:
        """Deliver what waits, as far as the time reaches."""
        await deliver_within(self.couriers, seconds)

    def to_json(self) -> dict[str, Any]:
        """Return what waits, for the next life."""
        return {
            courier.target.name: [
                [letter.title, letter.body, int(letter.severity), letter.at_ms] for letter in courier.waiting
            ]
            for courier in self.couriers
            if courier.waiting
        }

    def go_on(self, state: Mapping[str, Any]) -> None:
        """Deliver what an earlier life could not. Raises ValueError, TypeError or AttributeError for no such state."""
        for courier in self.couriers:
            for title, body, severity, at_ms in state.get(courier.target.name, []):
                courier.put(Letter(str(title), str(body), Severity(severity), int(at_ms)))

    def _beaten(self) -> None:
        self.metrics.heartbeat_heard.set(self.clock.now_ms() / SECOND_MS)

    def _counter(self, name: str) -> Callable[[str], None]:
        for outcome in OUTCOMES:  # at 0, from where Prometheus can count the first one
            self.metrics.alert_messages.labels(name, outcome)
        return lambda outcome: self.metrics.alert_messages.labels(name, outcome).inc()


def _letter(message: Message, config: Config, now_ms: int) -> Letter:
    """Write a message: who speaks and how bad it is as the title, the one line as the body."""
    what = "OVER" if message.phase is Phase.CLEARED else message.alert.severity.label.upper()
    mode = config.mode if config.data.source == "venues" else "simulated"
    account = "" if config.account == mode else f" {config.account}"
    return Letter(f"{what}: hedged{account} ({mode})", message.alert.text, message.alert.severity, now_ms)
