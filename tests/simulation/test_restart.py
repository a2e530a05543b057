"""A daemon that stops and starts again goes on where it was."""

from decimal import Decimal
from pathlib import Path

import pytest
from worlds import START_MS, config, tables, world_of

from hedged.app import App
from hedged.backtest.virtual_time import run_virtually
from hedged.config import Config
from hedged.daemon import run_daemon
from hedged.domain.clock import DAY_MS, LoopClock
from hedged.domain.market import INJECTIVE
from hedged.execution.store import JournalStore
from hedged.risk.exposure import cap_usage
from hedged.risk.gate import KillLevel


def live(settings: Config, from_ms: int, to_ms: int, monkeypatch: pytest.MonkeyPatch) -> App:
    """Run the daemon's own process code over a simulated world; return its app."""
    apps: list[App] = []
    prepare = App.prepare

    async def remember(self: App) -> None:
        apps.append(self)
        await prepare(self)

    monkeypatch.setattr(App, "prepare", remember)
    sources = world_of(tables(3)).venues(["injective", "binance", "bybit"])
    run_virtually(lambda: run_daemon(settings, LoopClock(from_ms), sources, to_ms))
    monkeypatch.setattr(App, "prepare", prepare)
    return apps[0]


def settings_in(directory: Path) -> Config:
    return config(state_dir=str(directory), telemetry={"port": 0, "log_level": "error"})


def test_a_restart_keeps_the_book_the_hedges_and_the_cap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a restart takes its own earlier hedges for the trader's positions, or doubles them."""
    settings = settings_in(tmp_path)
    first = live(settings, START_MS, START_MS + DAY_MS, monkeypatch).progress.last
    second_app = live(settings, START_MS + DAY_MS, START_MS + 2 * DAY_MS, monkeypatch)
    second = second_app.progress.last
    assert first is not None
    assert second is not None
    assert first.account.own == second.account.own
    assert any(first.account.attributed.values()), "the first life must have hedged something"
    store = JournalStore(str(tmp_path / "journal.sqlite"), durable=True)
    held: dict[object, Decimal] = {}
    for fill in store.fills():
        held[fill.key] = held.get(fill.key, Decimal(0)) + fill.signed_quantity
    assert {k: q for k, q in held.items() if q} == {k: q for k, q in second.account.attributed.items() if q}
    for symbol, own in second.account.own.items():
        assert cap_usage(symbol, own, second.account.attributed) <= Decimal("0.40") * abs(own)
    assert len({ts for ts, *_ in store.book()}) == 1, "the book was written once and never changed"
    assert {key.venue for key in second.account.attributed} <= {INJECTIVE, "binance", "bybit"}


def test_a_kill_latch_outlives_the_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a restart forgets that the operator pulled the switch."""
    settings = settings_in(tmp_path)
    store = JournalStore(str(tmp_path / "journal.sqlite"), durable=True)
    store.set_kill(START_MS, int(KillLevel.PAUSE), "drill")
    app = live(settings, START_MS, START_MS + DAY_MS, monkeypatch)
    assert app.cycle.kill is KillLevel.PAUSE
    assert not store.fills()
    assert {r.refusal for r in app.progress.last.review.refused} <= {"killed"} if app.progress.last else False


def test_a_changed_configuration_changes_the_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, an edited position is ignored, or an unedited one drifts with the price at every restart."""

    def own(inj_usd: int, from_ms: int) -> dict[str, Decimal]:
        book = {"positions": {"INJ": {"usd": inj_usd}, "BTC": {"quantity": "1.5"}}}
        settings = config(state_dir=str(tmp_path), telemetry={"port": 0, "log_level": "error"}, book=book)
        last = live(settings, from_ms, from_ms + 3_600_000, monkeypatch).progress.last
        assert last is not None
        return dict(last.account.own)

    first = own(80_000, START_MS)
    assert own(80_000, START_MS + DAY_MS) == first
    doubled = own(160_000, START_MS + 2 * DAY_MS)
    assert doubled["BTC"] == first["BTC"] == Decimal("1.5")
    assert doubled["INJ"] > first["INJ"] * Decimal("1.5")
