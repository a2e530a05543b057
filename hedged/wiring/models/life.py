"""The model's life in the daemon, put together: scores are kept and judged, models trained, tried and exchanged."""

from collections.abc import Callable, Collection

from hedged.app import App
from hedged.config import Config
from hedged.domain.clock import Clock
from hedged.domain.forecast import STAND_IN
from hedged.domain.lasting import Lasting
from hedged.domain.market import SeriesKey
from hedged.forecast.models.fitness import Cause
from hedged.forecast.models.standings import gone_on_with
from hedged.forecast.models.trainings import Trainings
from hedged.forecast.paired import Paired
from hedged.telemetry.metrics import Metrics
from hedged.wiring.models.contests import Contests
from hedged.wiring.models.drift import Drift
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
            self._gone_on_with,
            in_real_time,
        )
        self.scoring.shadows = lambda: {
            **self.shadows.forecasters(), **self.follower.demotion.shadows(),
        }  # fmt: skip
        self.drift = Drift(config, metrics, app, lambda: self.follower.served, self._losses, in_real_time)
        self.follower.demotion.drifts, self.follower.demotion.better = self.drift.worse, self.drift.better
        self.retraining = Retraining(
            config, clock, metrics, app, lambda: self.drift.regime, lambda: self.drift.drifts, in_real_time
        )

    @property
    def beside(self) -> list[Lasting]:
        """The tasks, each with one owner."""
        return [self.follower, self.shadows, self.scoring, self.drift, self.retraining, self.contests]

    def _gone_on_with(self) -> frozenset[str]:
        """Return whose contest goes on before a newer challenger gets its place. In a thread."""
        contests, config = self.contests.standings, self.contests.config
        bench = self.follower.demotion.bench
        drift = bool(self.drift.drifts) or (bench is not None and bench.cause is Cause.DRIFT)
        ended = Trainings.of(config.state_dir).ended() if drift else ()
        for_drift = {one.model for one in ended if one.drift}
        return gone_on_with(contests, drift, for_drift, config.models.shadow_days)

    def _losses(self, model: str, since_ms: int) -> Paired | None:
        """Return the losses of a model beside the stand-in's, once the book of scores has been read."""
        book = self.scoring.book
        if book is None or model == STAND_IN:
            return None
        return book.paired(model, STAND_IN, since_ms=since_ms)


def _keys(app: App | None) -> Collection[SeriesKey]:
    """Return the series that are followed."""
    return app.cycle.buffer.keys if app is not None and app.progress.prepared else ()
