"""What the operator is told where venues do not agree: as metrics, and in the status document."""

from decimal import Decimal
from pathlib import Path

from fakes import THERE, approve, intent, settlement
from reconcile_rig import Life, World

from hedged.domain.errors import Retryable
from hedged.execution.reconcile.ledger import Difference
from hedged.status.venues import disagreements
from hedged.telemetry.metrics import Metrics
from hedged.telemetry.reconcile import publish_reconciliation


def test_what_does_not_agree_is_a_metric_and_a_row_until_it_agrees(tmp_path: Path) -> None:
    """If this fails, a market is frozen and neither the page nor an alert says so, or they say it for ever."""
    world, metrics = World(tmp_path / "journal.sqlite"), Metrics()

    def value(name: str) -> float | None:
        return metrics.registry.get_sample_value(f"hedged_{name}", {"venue": "binance", "symbol": "BTC"})

    async def script(life: Life) -> None:
        await life.look()
        publish_reconciliation(life.accounts, metrics)
        assert disagreements(life.accounts) == ()
        world.there.move(-2)
        await life.look(1)
        (row,) = disagreements(life.accounts)
        assert (row.what, row.since_ms) == ("watched", life.now_ms)
        due = settlement(THERE, life.now_ms)
        life.accounts.checks.ledger.open[THERE, due.ts_ms] = Difference(Decimal(3), Decimal(1))
        await life.look(2)
        publish_reconciliation(life.accounts, metrics)
        assert [value(n) for n in ("reconcile_frozen", "position_mismatch_coins", "ledger_mismatch_usd")] == [
            1,
            -2,
            2,
        ]
        (row,) = disagreements(life.accounts)
        assert (row.venue, row.symbol, row.what) == ("binance", "BTC", "nothing is opened")
        assert "differs by -2 coins" in row.why
        assert "2.00 USD" in row.why
        world.there.move(2)
        life.accounts.checks.ledger.open.clear()
        await life.look(1)
        publish_reconciliation(life.accounts, metrics)
        assert [value(n) for n in ("reconcile_frozen", "position_mismatch_coins", "ledger_mismatch_usd")] == [
            0,
            0,
            0,
        ]
        assert disagreements(life.accounts) == ()

    world.life(script)


def test_an_orphan_that_will_not_go_is_shown(tmp_path: Path) -> None:
    """If this fails, an order that may fill at any moment rests unseen."""
    world, metrics = World(tmp_path / "journal.sqlite"), Metrics()

    def value(name: str) -> float | None:
        return metrics.registry.get_sample_value(f"hedged_{name}", {"venue": "binance"})

    async def script(life: Life) -> None:
        left = approve(intent(THERE, -3))
        life.accounts.claim(left.client_id, left.intent.purpose, left.intent.reference_price)
        world.there.rest(left.client_id, "3")
        world.there.broken["cancel"] = Retryable("503")
        await life.look()
        publish_reconciliation(life.accounts, metrics)
        assert (value("orphan_orders"), value("orphan_orders_swept")) == (1, 0)
        (row,) = disagreements(life.accounts)
        assert (row.venue, row.what) == ("binance", "orphaned order")
        assert left.client_id in row.why
        world.there.broken.clear()
        await life.look(1)
        publish_reconciliation(life.accounts, metrics)
        assert (value("orphan_orders"), value("orphan_orders_swept")) == (0, 1)

    world.life(script)
