"""What the batch engine can play. What it cannot it refuses, rather than play something else."""

from hedged.config import Config
from hedged.domain.clock import DAY_MS, SECOND_MS
from hedged.domain.errors import ConfigError
from hedged.domain.market import INJECTIVE
from hedged.execution.working.attempts import DEADLINE_S

USE_DAEMON = "use --engine daemon for it"


def check_supported(config: Config) -> None:
    """Raise ConfigError, saying what to do, for a configuration that the batch engine does not play."""
    strategies, cycle = config.strategies, config.cycle
    beside = [name for name in ("cascade_hedge", "divergence") if getattr(strategies, name).enabled]
    if beside or not strategies.funding_hedge.enabled:
        what = f"strategies.{beside[0]}.enabled" if beside else "strategies.funding_hedge.enabled: false"
        raise ConfigError(f"the batch engine plays the funding hedge alone, not {what}: {USE_DAEMON}")
    if cycle.interval_s != cycle.bar_s:
        raise ConfigError(
            f"the batch engine decides at every bar: cycle.interval_s {cycle.interval_s} and cycle.bar_s "
            f"{cycle.bar_s} must be equal, or {USE_DAEMON}"
        )
    if DAY_MS % (cycle.bar_s * SECOND_MS) or config.clock.speed != 1:
        raise ConfigError(
            f"the batch engine's bars divide a day, and its clock runs as time does: {USE_DAEMON}"
        )
    for venue in (INJECTIVE, *config.hedge.venues):
        if config.paper.latency_of(venue).p95_ms >= DEADLINE_S * SECOND_MS:
            raise ConfigError(
                f"the batch engine knows the outcome of every order, and one that takes {DEADLINE_S:g} s has none: "
                f"make paper.latency of {venue} shorter, or {USE_DAEMON}"
            )
