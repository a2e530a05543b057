"""What the operator is told of the stops: as metrics, and in the status document."""

from pathlib import Path

import pytest
from fakes import HERE, THERE
from guarded import DIVERGENCE, RELOCATION, Life, Rig

from hedged.domain.errors import Rejected
from hedged.status.document import Stop
from hedged.status.stops import stop_rows
from hedged.strategy.divergence_episode import DivergenceEpisode
from hedged.strategy.memory import StrategyMemory
from hedged.telemetry.execution import publish_execution
from hedged.telemetry.metrics import Metrics
from hedged.telemetry.stops import publish_guard


class Told:
    """Publishes each look as the app does."""

    def __init__(self, life: Life) -> None:
        self.life, self.metrics = life, Metrics()

    async def look(self, times: int = 1) -> None:
        for _ in range(times):
            before_ms = self.life.guard.last_ms
            await self.life.look()
            publish_guard(self.life.guard, self.metrics, before_ms, 0.002)

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"hedged_{name}", labels)

    def row(self) -> Stop | None:
        rows = stop_rows(self.life.guard, self.life.guard.distances, self.life.clock.now_ms())
        return rows[0] if rows else None

    def held(self) -> Stop:
        row = self.row()
        assert row is not None
        return row


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "journal.sqlite")


def test_a_stop_is_told_from_its_loss_to_its_end(rig: Rig) -> None:
    """If this fails, the operator learns of a stop from his account, or an alert on it never ends."""

    async def script(life: Life) -> None:
        told = Told(life)
        await told.look()
        assert told.row() is None
        await life.open(RELOCATION)
        rig.prices.marks[THERE] = 99.0
        await told.look()
        assert told.value("stop_loss_usd", symbol="BTC") == pytest.approx(4.1)
        assert told.value("stop_allowance_usd", symbol="BTC") == pytest.approx(5.0)
        assert (told.held().symbol, told.held().strategy, told.held().state) == (
            "BTC",
            "funding_hedge",
            "watched",
        )
        assert told.held().loss_usd == pytest.approx(4.1)
        assert told.held().allowance_usd == pytest.approx(5.0)
        assert told.held().until_ms is None
        distance = told.value("liquidation_distance_ratio", venue="binance", symbol="BTC")
        assert distance is not None
        assert distance > 1
        assert told.held().liquidation == {"binance": distance}
        rig.venues["binance"].place_errors = [Rejected("maintenance")]
        rig.prices.marks[THERE] = 98.0
        await told.look()
        assert told.value("stop_unwinding", symbol="BTC") == 1
        assert told.held().state == "unwinding"
        assert (told.held().why or "").startswith("stop: the hedge has lost 8.10 USD")
        await told.look(2)
        assert told.value("stop_unwinding", symbol="BTC") == 0
        assert told.value("stop_loss_usd", symbol="BTC") == 0
        until_s = told.value("stop_no_new_hedge_before_timestamp_seconds", symbol="BTC")
        assert until_s is not None
        assert until_s > life.clock.now_ms() / 1_000 + 23 * 3_600
        assert (told.held().state, told.held().loss_usd) == ("resting", None)
        assert (told.held().until_ms or 0) / 1_000 == until_s
        await told.look()
        assert told.value("liquidation_distance_ratio", venue="binance", symbol="BTC") is None

    rig.life(script)


def test_a_hedge_without_a_stop_is_told(rig: Rig) -> None:
    """If this fails, a hedge whose price nobody believes looks watched."""

    async def script(life: Life) -> None:
        told = Told(life)
        await life.open(RELOCATION)
        await told.look()
        rig.prices.doubted[THERE] = 100.0
        await told.look(59)
        assert told.value("hedge_not_valued", symbol="BTC") == 0
        await told.look()
        assert told.value("hedge_not_valued", symbol="BTC") == 1
        assert (told.held().state, told.held().loss_usd) == ("blind", None), "unknown, not what it was"
        assert (told.held().why or "").startswith("the price of binance:BTC is not believed")
        rig.prices.doubted.clear()
        await told.look()
        assert told.value("hedge_not_valued", symbol="BTC") == 0

    rig.life(script)


def test_a_divergence_trade_without_a_stop_is_told(rig: Rig) -> None:
    """If this fails, a trade whose price nobody believes loses without a stop, and no alert says so."""

    async def script(life: Life) -> None:
        told = Told(life)
        await life.open(DIVERGENCE)
        marks = {"binance": 100.0, "bybit": 100.0}
        life.strategies.memory = StrategyMemory({"BTC": DivergenceEpisode(opened_ms=1, marks=marks)})
        await told.look()
        assert (told.held().strategy, told.held().state) == ("divergence", "watched")
        rig.prices.doubted[THERE] = 100.0
        await told.look(60)
        assert (told.held().state, told.held().loss_usd) == ("blind", None)
        assert told.value("hedge_not_valued", symbol="BTC") == 0
        await told.look()
        assert told.value("hedge_not_valued", symbol="BTC") == 1
        rig.prices.doubted.clear()
        await told.look()
        assert told.value("hedge_not_valued", symbol="BTC") == 0

    rig.life(script)


def test_markets_whose_forecasts_miss_are_told(rig: Rig) -> None:
    """If this fails, a model that has grown old closes market after market, and no alert says so."""

    async def script(life: Life) -> None:
        told = Told(life)
        for missing in ({HERE}, set()):
            life.desk.gate_facts.missing = missing
            publish_execution(life.desk, told.metrics, now_ms=0)
            assert told.value("forecast_misses", venue=HERE.venue, symbol="BTC") == bool(missing)
            assert told.value("forecast_misses", venue=THERE.venue, symbol="BTC") == 0

    rig.life(script)


def test_how_late_the_fast_loop_is_can_be_seen(rig: Rig) -> None:
    """If this fails, a fast loop that comes round once a minute looks like one that is on time."""

    async def script(life: Life) -> None:
        told = Told(life)
        await told.look(2)
        assert told.value("guard_late_seconds") == 0
        life.step_s = 65.0
        await told.look()
        assert told.value("guard_late_seconds") == pytest.approx(60)
        assert told.value("guard_last_look_timestamp_seconds") == life.guard.last_ms / 1_000
        assert told.value("guard_duration_seconds_count") == 3

    rig.life(script)
