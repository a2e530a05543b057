"""A daemon that stops and starts again goes on where it was."""

from decimal import Decimal
from pathlib import Path

import pytest
from worlds import START_MS, config, tables, world_of, write_directory

from hedged.app import App
from hedged.backtest.recorded import BacktestOptions
from hedged.backtest.runner import Window
from hedged.backtest.virtual_time import run_virtually
from hedged.config import Config
from hedged.control.lease import Lease
from hedged.daemon import run_daemon
from hedged.domain.clock import DAY_MS, LoopClock
from hedged.domain.errors import Fatal
from hedged.domain.market import INJECTIVE
from hedged.execution.journal.store import JournalStore
from hedged.replay import replay_daemon
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
    assert app.cycle.desk.kill is KillLevel.PAUSE
    assert not store.fills()
    assert {r.reason for r in app.progress.last.review.refused} <= {"killed"} if app.progress.last else False


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


def test_one_daemon_a_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, two daemons hedge the same book twice."""
    lease = Lease.take(settings_in(tmp_path))
    with pytest.raises(Fatal, match="another daemon runs"):
        live(settings_in(tmp_path), START_MS, START_MS + DAY_MS, monkeypatch)
    lease.release()
    live(settings_in(tmp_path), START_MS, START_MS + 3_600_000, monkeypatch)


def test_a_restart_is_the_same_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a restart changes collateral, equity or the configuration's hash, and with them decisions."""
    settings = settings_in(tmp_path)
    first = live(settings, START_MS, START_MS + DAY_MS, monkeypatch)
    cash = {name: venue.record().end_usd for name, venue in first.parts.trading.items()}  # type: ignore[attr-defined]
    second = live(settings, START_MS + DAY_MS, START_MS + DAY_MS + 900_000, monkeypatch)
    assert second.parts.equity_usd == first.parts.equity_usd
    assert second.cycle.desk.hashes == first.cycle.desk.hashes
    assert second.cycle.desk.hashes.config == settings.hash
    for name, venue in second.parts.trading.items():
        fills = [f for f in second.progress.last.fills if f.key.venue == name] if second.progress.last else []
        if not fills:
            assert abs(venue.record().end_usd - cash[name]) < 60, (
                "what remains is the funding of one settlement"
            )  # type: ignore[attr-defined]


def test_a_symbol_taken_out_of_the_configuration_is_wound_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, hedges of a position that is no longer configured stay open and nobody looks after them."""
    live(settings_in(tmp_path), START_MS, START_MS + DAY_MS, monkeypatch)
    only_inj = config(
        state_dir=str(tmp_path), telemetry={"port": 0, "log_level": "error"},
        book={"positions": {"INJ": {"usd": 80_000}}},
    )  # fmt: skip
    last = live(only_inj, START_MS + DAY_MS, START_MS + DAY_MS + 6 * 3_600_000, monkeypatch).progress.last
    assert last is not None
    assert not any(q for k, q in last.account.attributed.items() if k.symbol == "BTC")


def test_a_rehearsal_leaves_the_account_alone(tmp_path: Path) -> None:
    """If this fails, rehearsing recorded days puts their fills into the paper account, or the next rehearsal."""
    data = write_directory(tables(1), tmp_path / "data")
    settings = config(state_dir=str(tmp_path / "state"), telemetry={"port": 0, "log_level": "error"})
    window = Window(START_MS, START_MS + DAY_MS)
    told = []
    for _ in range(2):
        replay_daemon(settings, BacktestOptions(data, ["BTC", "INJ"], window, tmp_path / "out", None))
        store = JournalStore(str(tmp_path / "state" / "replay" / "journal.sqlite"), durable=True)
        told.append((store.decisions(), store.fills()))
        store.close()
    assert told[0] == told[1]
    assert not (tmp_path / "state" / "journal.sqlite").exists()
