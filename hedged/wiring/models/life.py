"""The model's life in the daemon, put together: who follows the registry, who keeps the scores."""

from collections.abc import Callable

from hedged.app import App
from hedged.config import Config
from hedged.domain.clock import Clock
from hedged.domain.lasting import Lasting
from hedged.telemetry.metrics import Metrics
from hedged.wiring.models.follower import ModelFollower
from hedged.wiring.models.scoring import Scoring
from hedged.wiring.models.serving import Served


class ModelLife:
    """What runs beside the cycles for the model's sake. `in_real_time`: else all looks come with every cycle."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        metrics: Metrics,
        app: Callable[[], App | None],
        served: Served,
        *,
        in_real_time: bool,
    ) -> None:
        self.follower = ModelFollower(config, clock, metrics, app, served, in_real_time)
        self.scoring = Scoring(app, metrics, lambda: self.follower.served, in_real_time)

    @property
    def beside(self) -> list[Lasting]:
        """The tasks, each with one owner."""
        return [self.follower, self.scoring]
