"""The daemon judges drift when outcomes come, names the regime of a day, and remembers its proof across a restart."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from observations import observation

from hedged.buffer.ring import RingBuffer
from hedged.config import parse_config
from hedged.domain.bars import Field
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.features.regimes import NORMAL, STORMY
from hedged.forecast.drift.inputs import Shifted
from hedged.forecast.paired import Paired
from hedged.telemetry.metrics import Metrics
from hedged.wiring.models.drift import KEPT, STATE, Drift

KEY = SeriesKey(INJECTIVE, "INJ")
START_MS = 20_000 * DAY_MS
CONFIG = parse_config({"book": {"positions": {"INJ": {"quantity": 1}}}})


class Daemon:
    """What Drift sees of an app: a buffer, a journal; and the losses that a book of scores would tell."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.saves = 0
        self.buffer = RingBuffer([KEY], 24 * 90, HOUR_MS)
        self.cycle = SimpleNamespace(buffer=self.buffer)
        self.progress = SimpleNamespace(prepared=True)
        self.parts = SimpleNamespace(journal=self.journal)
        self.scored: tuple[str, Paired] | None = None
        self.shifted = Shifted()
        self.benched_ms = 0
        self.ensemble = SimpleNamespace(inputs=SimpleNamespace(shifted=lambda: self.shifted))

    async def journal(self, what: Any, name: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        if body is not None:
            self.kept[name], self.saves = dict(body), self.saves + 1
        return dict(self.kept.get(name, {}))

    def days(self, days: int, bad_from: int, model: str = "shipped") -> None:
        """Judge forecasts of so many days, at three a day; from one on the model loses twice what the EWMA does."""
        n = 3 * days
        origin_ms = START_MS + np.arange(n) * 8 * HOUR_MS
        loss = np.where(np.arange(n) // 3 >= bad_from, 1.0, 0.4) + 0.05 * np.sin(np.arange(n))
        of = np.full(n, 5)
        told = Paired(origin_ms, origin_ms + DAY_MS, loss, np.full(n, 0.5), of, of - 1, of)
        # the book keeps sixty days
        rows = slice(max(0, n - 180), None)
        self.scored = model, Paired(*(getattr(told, name)[rows] for name in Paired.__dataclass_fields__))

    def drift(self, metrics: Metrics | None = None) -> Drift:
        app: Any = self
        return Drift(CONFIG, metrics or Metrics(), lambda: app, lambda: self.served, self.losses)

    @property
    def served(self) -> Any:
        hash_ = SimpleNamespace(model_hash="ab+cd")
        name = self.scored[0] if self.scored else ""
        mine = SimpleNamespace(model=name, forecaster=hash_, ensemble=self.ensemble, benched=None)
        if not self.benched_ms:
            return mine
        return SimpleNamespace(model="ewma", ensemble=None, benched=mine, benched_ms=self.benched_ms)

    def losses(self, model: str, since_ms: int) -> Paired | None:
        """What the book says."""
        if self.scored is None or model != self.scored[0]:
            return None
        told = self.scored[1]
        rows = told.origin_ms >= since_ms
        return Paired(*(getattr(told, name)[rows] for name in Paired.__dataclass_fields__))

    def hours(self, swings: np.ndarray) -> None:
        """Fill the buffer: a price that swings by so much an hour, a rate likewise."""
        for hour, swing in enumerate(swings):
            now_ms = START_MS + hour * HOUR_MS
            wave = swing * np.sin(hour)
            values = {
                Field.MARK: 25 + 0.1 * wave, Field.FUNDING_SETTLED: 1e-5 * (1 + wave), Field.INTERVAL_H: 1.0,
                Field.SETTLED_INTERVAL_H: 1.0, Field.SETTLED_AGO_S: 0.0,
            }  # fmt: skip
            self.buffer.append(now_ms, [observation(KEY, now_ms, values)])


def test_drift_is_judged_as_outcomes_come_and_outlives_a_restart(caplog: pytest.LogCaptureFixture) -> None:
    """If this fails, a model that has become useless goes on, is told of every minute, or is acquitted by a restart."""
    daemon, metrics = Daemon(), Metrics()

    async def live(drift: Drift, first: int, last: int) -> Drift:
        for day in range(first, last):
            daemon.days(day, bad_from=45)
            await drift.look()
            await drift.look()  # nothing new
        return drift

    async def main() -> tuple[Drift, Drift]:
        drift = daemon.drift(metrics)
        await drift.look()  # nothing is scored yet
        assert drift.verdict.findings == ()
        await live(drift, 1, 50)
        assert not drift.verdict.proven
        assert drift.drifts == ""
        assert drift.verdict.cusum.value > 0
        again = await live(daemon.drift(), 50, 70)
        return await live(drift, 50, 70), again

    once, again = asyncio.run(main())
    assert once.verdict.proven
    assert again.verdict == once.verdict
    assert again.model == "shipped"
    assert once.drifts.startswith("CUSUM is ")
    assert daemon.saves == 69 + 20 - 1 + 1, "once for each new outcome"
    share = metrics.registry.get_sample_value("hedged_model_drift", {"detector": "cusum"})
    assert share is not None
    assert share > 1


def test_each_model_has_its_own_proof() -> None:
    """If this fails, a new model is convicted of what the one before it did, or a rollback forgets why it came."""
    daemon = Daemon()

    async def main() -> None:
        drift = daemon.drift()
        daemon.days(70, bad_from=45)
        await drift.look()
        assert drift.verdict.proven
        daemon.days(40, bad_from=90, model="33f2" * 4)
        await drift.look()
        assert not drift.verdict.proven
        daemon.days(71, bad_from=45)
        await drift.look()
        assert drift.verdict.proven
        for number in range(KEPT + 2):
            daemon.days(40, bad_from=90, model=f"{number:016x}")
            await drift.look()
        assert len(daemon.kept[STATE]["cusums"]) == KEPT

    asyncio.run(main())


def test_a_model_that_gave_way_may_come_back() -> None:
    """If this fails, a model worse than the EWMA is never put out of its place, or never comes back."""
    daemon = Daemon()
    drift = daemon.drift()

    async def main() -> None:
        daemon.days(75, bad_from=45)
        await drift.look()
        assert "surely at least 1.9" in drift.worse("shipped")
        assert drift.worse("33f2") == ""
        daemon.benched_ms = START_MS + 75 * DAY_MS
        daemon.days(79, bad_from=45)
        await drift.look()
        assert drift.better("shipped", daemon.benched_ms) == "", "worse still, and little is known"
        daemon.benched_ms = START_MS + 20 * DAY_MS
        daemon.days(44, bad_from=45)
        await drift.look()
        assert "surely at most 0.8" in drift.better("shipped", daemon.benched_ms)
        assert drift.better("shipped", daemon.benched_ms + 1) == ""
        assert drift.worse("shipped") == ""

    asyncio.run(main())


def test_the_regime_is_named_at_midnight() -> None:
    """If this fails, retraining goes by last week's market, or a window is laid out every minute."""
    daemon, metrics = Daemon(), Metrics()
    drift = daemon.drift(metrics)
    asyncio.run(drift.look())
    assert drift.regime == NORMAL
    swings = np.where(np.arange(24 * 60) // 24 % 2, 0.8, 1.2)
    swings[-120:] = 6.0
    daemon.hours(swings)
    asyncio.run(drift.look())
    market = drift.market
    assert drift.regime == STORMY
    asyncio.run(drift.look())
    assert drift.market is market, "the same day"
    assert metrics.registry.get_sample_value("hedged_regime", {"regime": STORMY}) == 1
    assert metrics.registry.get_sample_value("hedged_regime", {"regime": NORMAL}) == 0
    assert drift.told[0] is not None
    assert drift.told[0].startswith("stormy: moves of the week")


def test_inputs_that_went_silent_are_told() -> None:
    """If this fails, a dead source of data is never told, or a single input that no venue tells always is."""
    daemon, metrics = Daemon(), Metrics()
    drift = daemon.drift(metrics)
    daemon.days(10, bad_from=90)
    one = ("hourly", "volume")
    daemon.shifted = Shifted({one: 0.9, ("slow", "level"): 0.1}, (one,))
    asyncio.run(drift.look())
    assert drift.silent == ""
    told = metrics.registry.get_sample_value
    assert told("hedged_feature_drift", {"venues": "hourly", "feature": "volume"}) == 0.9
    assert told("hedged_features_shifted", {"venues": "hourly"}) == 1
    assert told("hedged_features_shifted", {"venues": "slow"}) == 0
    daemon.days(11, bad_from=90)
    daemon.shifted = Shifted({}, tuple(("slow", f"f{i}") for i in range(6)))
    asyncio.run(drift.look())
    assert drift.silent.startswith("f0 (slow), f1 (slow)")
    assert told("hedged_features_silent", {"venues": "slow"}) == 6


def test_it_looks_with_every_cycle_of_a_virtual_clock() -> None:
    """If this fails, a simulated year judges nothing, or spins."""
    daemon, looks = Daemon(), list[float]()
    drift = daemon.drift()
    drift.in_real_time = False

    async def main() -> None:
        async def slept(seconds: float) -> None:
            looks.append(seconds)
            if len(looks) == 3:
                raise asyncio.CancelledError
            daemon.days(len(looks), bad_from=90)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio, "sleep", slept)
            with pytest.raises(asyncio.CancelledError):
                await drift.run()

    asyncio.run(main())
    assert looks == [float(CONFIG.cycle.interval_s)] * 3
    assert daemon.saves == 2
