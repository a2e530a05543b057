"""What of a changed configuration a running daemon takes over, and how it says so."""

import asyncio
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from guarded import OPPOSITE, Life, Rig

from hedged.config import Config, parse_config
from hedged.config.difference import changes, said
from hedged.control.reload import LIVE, NOT_LIVE, Reloader, need_restart
from hedged.domain.clock import SystemClock
from hedged.telemetry.metrics import Metrics

BASE: dict[str, Any] = {"book": {"positions": {"INJ": {"usd": 80_000}}}}


def found(**changed: Any) -> dict[str, tuple[Any, Any]]:
    return changes(parse_config(BASE), parse_config({**BASE, **changed}))


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"mode": "live", "live_acknowledgement": "I understand that this trades real money"}, "mode"),
        ({"account": "other"}, "account"),
        ({"state_dir": "elsewhere"}, "state_dir"),
        ({"book": {"positions": {"INJ": {"usd": 90_000}}}}, "book.positions.INJ.usd"),
        ({"hedge": {"venues": ["okx"]}}, "hedge.venues"),
        ({"hedge": {"forecaster": "ewma"}}, "hedge.forecaster"),
        ({"data": {"seed": 8}}, "data.seed"),
        ({"telemetry": {"port": 1}}, "telemetry.port"),
        ({"cycle": {"bar_s": 300}}, "cycle.bar_s"),
        ({"strategies": {"divergence": {"enabled": True}}}, "strategies.divergence.enabled"),
        ({"risk": {"max_leverage": 4}}, "risk.max_leverage"),
    ],
)
def test_what_needs_a_restart_is_named(changed: dict[str, Any], name: str) -> None:
    """If this fails, a reload pretends to have changed what was made from the old file."""
    assert name in need_restart(found(**changed))


def test_limits_and_wishes_are_taken_over() -> None:
    """If this fails, an operator has to restart for a tighter limit."""
    one = found(
        hedge={"cap": 0.2, "horizon_h": 120, "allow_own_cut": False}, risk={"max_daily_loss": 0.01, "leg_stop": True},
        cycle={"guard_interval_s": 2}, alerts={"deviation_bands": 4}, control={"on_stop": "flatten"},
        strategies={"cascade_hedge": {"close_below": 0.3}},
    )  # fmt: skip
    assert len(one) == 9
    assert need_restart(one) == []
    assert "hedge.cap: 0.4 → 0.2" in said(one)


def test_nothing_that_may_be_secret_is_shown() -> None:
    """If this fails, a token in an address stands in the log."""
    lines = said(found(cex={"binance": {"key_file": "/a/b", "options": {"apiKey": "hidden"}}}))
    assert "cex.binance.options.apiKey: changed" in lines
    assert not any("hidden" in line or "/a/b" in line for line in lines)


def test_every_name_of_the_lists_is_a_setting() -> None:
    """If this fails, a setting was renamed, and a reload treats it as it should not."""
    names = set()

    def walk(tree: Any, path: str) -> None:
        names.add(path)
        if isinstance(tree, dict):
            for name, value in tree.items():
                walk(value, f"{path}.{name}" if path else name)

    walk(Config().model_dump(mode="json"), "")
    assert set(LIVE) | set(NOT_LIVE) <= names


def test_addresses_of_alerts_that_cannot_be_read_refuse_the_reload(tmp_path: Path) -> None:
    """If this fails, a slip in an address silences all alerts with the next restart, and nobody is told now."""
    path = tmp_path / "config.yaml"
    path.write_text("alerts: {targets: {phone: {url_env: HEDGED_NOWHERE}}}\n")
    kept: list[Any] = []

    async def journal(_: Any, name: str, body: Any) -> None:
        kept.append((name, body["outcome"]))

    parts = SimpleNamespace(config=Config(), clock=SystemClock(), journal=journal)
    app = SimpleNamespace(parts=parts, metrics=Metrics())
    told = asyncio.run(Reloader(path, app).reload())  # type: ignore[arg-type]
    assert told.outcome == "refused"
    assert "alerts.targets.phone.url_env: the environment variable HEDGED_NOWHERE is not set" in told.why
    assert kept == [("reload", "refused")]


def test_desk_stops_and_gate_go_by_the_new_one(tmp_path: Path) -> None:
    """If this fails, a new limit is in the log and the old one in force."""
    rig = Rig(tmp_path / "journal.sqlite")

    async def script(life: Life) -> None:
        await life.open(OPPOSITE)
        desk = life.desk
        after = desk.config.model_copy(
            update={
                "hedge": desk.config.hedge.model_copy(update={"cap": Decimal(0)}),
                "risk": desk.config.risk.model_copy(update={"leg_stop": True}),
            }
        )
        desk.reconfigure(after)
        assert desk.gate_facts.limits.cap == 0
        assert desk.hashes.config == desk.gate_facts.loaded.config == after.hash
        assert desk.gate_facts.loaded.model == desk.hashes.model
        rig.prices.marks = dict.fromkeys(rig.prices.marks, 102.0)  # the short leg alone loses 8 USD
        await life.look()
        assert life.held() == {}

    rig.life(script)
