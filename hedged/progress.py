"""How far the daemon is, and what keeps it from being ready or alive."""

from dataclasses import dataclass

from hedged.config import Config
from hedged.cycle import Cycle, CycleReport
from hedged.domain.clock import SECOND_MS


@dataclass(slots=True)
class Progress:
    """How far the daemon is on its way to being ready, and what came of its cycles: the last one, how long it took, how
    many were missed.
    """

    backfilled: float = 0.0
    prepared: bool = False
    prepared_ms: int = 0
    last: CycleReport | None = None
    took_s: float | None = None
    missed: int = 0

    def not_ready(self, cycle: Cycle | None, config: Config, now_ms: int) -> list[str]:
        """Say why the daemon is not ready: empty when data are fresh and every venue is reconciled."""
        if cycle is None or not self.prepared:
            return [f"backfilling {self.backfilled:.0%}"]
        if self.last is None:
            return ["waiting for the first cycle"]
        faults = [f"the forecaster fails: {cycle.model_failed}"] if cycle.model_failed else []
        unknown = self.last.account.unknown
        faults += [f"not reconciled: {venue}: {why}" for venue, why in sorted(unknown.items())]
        limit_s = config.cycle.stale_after_s + config.cycle.interval_s
        ages = cycle.poller.ages_s(now_ms)
        for key in cycle.buffer.keys:
            age_s = ages.get(key)
            if age_s is None or age_s > limit_s:
                faults.append(f"stale: {key} " + ("never seen" if age_s is None else f"{age_s:.0f} s old"))
        return faults

    def not_alive(self, config: Config, now_ms: int) -> list[str]:
        """Say why the daemon should be restarted: empty while cycles complete."""
        if not self.prepared:
            return []
        since_ms = max(self.prepared_ms, self.last.now_ms if self.last else 0)
        late_s = (now_ms - since_ms) / SECOND_MS
        return [f"no cycle for {late_s:.0f} s"] if late_s > 3 * config.cycle.interval_s else []
