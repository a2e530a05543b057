"""The model's life in the daemon, put together: who follows the registry, keeps the scores, trains and competes."""

from collections.abc import Callable, Collection

from hedged.app import App
from hedged.config import Config
from hedged.domain.clock import Clock
from hedged.domain.lasting import Lasting
from hedged.domain.market import SeriesKey
from hedged.telemetry.metrics import Metrics
from hedged.wiring.models.contests import Contests
from hedged.wiring.models.follower import ModelFollower
from hedged.wiring.models.retraining import Retraining
from hedged.wiring.models.scoring import Scoring
from hedged.wiring.models.serving import Served
from hedged.wiring.models.shadows import Shadows


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
        self.retraining = Retraining(config, clock, metrics, app, in_real_time=in_real_time)
        self.contests = Contests(
            config, clock, metrics, lambda: self.scoring.book, lambda: _keys(app()), lambda: self.follower.served,
            in_real_time,
        )  # fmt: skip
        self.shadows = Shadows(
            config,
            clock,
            metrics,
            app,
            lambda: self.follower.served,
            lambda: self.contests.begun,
            in_real_time,
        )
        self.scoring.shadows = lambda: {
            **self.shadows.forecasters(), **self.follower.demotion.shadows(),
        }  # fmt: skip

    @property
    def beside(self) -> list[Lasting]:
        """The tasks, each with one owner."""
        return [self.follower, self.shadows, self.scoring, self.retraining, self.contests]


def _keys(app: App | None) -> Collection[SeriesKey]:
    """Return the series that are followed."""
    return app.cycle.buffer.keys if app is not None and app.progress.prepared else ()
