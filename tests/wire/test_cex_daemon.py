"""The daemon as `hedged run` wires it, on a local Injective and local exchanges: the book there, the hedge here."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from exchange_stage import EVERY, LIVE, living, stage
from rehearsal import PORTS, STARTUP_S, running
from typer.testing import CliRunner

from hedged.cli import app as command
from hedged.config import load_config, parse_config
from hedged.domain.clock import SystemClock
from hedged.domain.errors import ConfigError
from hedged.domain.market import SeriesKey
from hedged.execution.journal.store import JournalStore
from hedged.sandbox.cex.faults import Fault
from hedged.wiring.cex_venues import exchange_keys


@pytest.mark.parametrize("venue", EVERY)
def test_a_live_daemon_hedges_the_chain_position_at_an_exchange(venue: str, tmp_path: Path) -> None:
    """If this fails, the daemon cannot do at an exchange what it is for, or takes its own hedge for the trader's."""

    async def main() -> None:
        async with asyncio.timeout(60), stage(tmp_path, (venue,)) as on:
            clock = SystemClock()
            async with living(on.config(**LIVE), clock) as (app, journal):
                first = await app.step(clock.now_ms())
                assert first.account.reconciled
                assert on.held(venue) < 0, first.decisions["INJ"]["reason"]
                second = await app.step(clock.now_ms())
                assert second.account.reconciled
                assert second.account.attributed == {SeriesKey(venue, "INJ"): on.held(venue)}
                own = second.account.own["INJ"]
                assert own > 0
                assert -on.held(venue) <= own * Decimal("0.4")
                fills = await journal(JournalStore.fills)
                assert sum(fill.signed_quantity for fill in fills) == on.held(venue)
                assert {fill.key.venue for fill in fills} == {venue}

    asyncio.run(main())


def test_a_paper_daemon_reads_all_exchanges_and_orders_nothing(tmp_path: Path) -> None:
    """If this fails, paper mode is blind to an exchange, or its orders are real."""

    async def main() -> None:
        async with asyncio.timeout(60), stage(tmp_path, EVERY) as on:
            clock = SystemClock()
            async with living(on.config(), clock) as (app, journal):
                report = await app.step(clock.now_ms())
                assert report.account.reconciled
                for venue in EVERY:
                    key = SeriesKey(venue, "INJ")
                    mark = on.hall.protocols[venue].exchange.mark("INJ")
                    assert float(report.marks[key]) == pytest.approx(float(mark), rel=0.01)
                    asked = on.hall.protocols[venue].asked
                    assert not [one for one in asked if one[0] != "GET"]
                fills = await journal(JournalStore.fills)
                assert {fill.key.venue for fill in fills} & set(EVERY)
            assert not any(on.held(venue) for venue in EVERY)

    asyncio.run(main())


def test_an_exchange_that_falls_silent_makes_itself_unknown_and_stops_all_orders(tmp_path: Path) -> None:
    """If this fails, the daemon trades on a book of which a part is not known."""

    async def main() -> None:
        async with asyncio.timeout(60), stage(tmp_path, ("okx",)) as on:
            clock = SystemClock()
            async with living(on.config(**LIVE), clock) as (app, _):
                on.hall.protocols["okx"].faults.add(Fault.MAINTENANCE, times=10_000)
                report = await app.step(clock.now_ms())
                assert set(report.account.unknown) == {"okx"}
                assert not on.held("okx")

    asyncio.run(main())


def test_live_without_a_key_of_an_exchange_is_refused_before_anything_starts() -> None:
    """If this fails, a live daemon finds out at its first hedge that it cannot trade."""
    tree = {
        **LIVE,
        "data": {"source": "venues"},
        "book": {"source": "injective", "address": "inj1xqqtfuya52mua6a4d5c2nqvvwwmfht3gdw99qr"},
        "hedge": {"venues": ["binance", "okx"]},
        "cex": {"binance": {"key_env": "KEY", "secret_env": "SECRET"}},
    }
    with pytest.raises(ConfigError, match=r"live needs an API key of okx: set cex\.okx\.key_file"):
        exchange_keys(parse_config(tree), {"KEY": "k", "SECRET": "s"})
    with pytest.raises(ConfigError, match="variable SECRET is not set"):
        exchange_keys(parse_config(tree), {"KEY": "k"})


def test_check_shows_what_each_key_may_do(tmp_path: Path) -> None:
    """If this fails, the operator learns from a lost order what `hedged check` should have said."""

    async def main() -> str:
        async with stage(tmp_path, EVERY) as on:
            on.hall.protocols["bybit"].exchange.account.rights.withdraw = True
            file = tmp_path / "check.yaml"
            file.write_text(yaml.safe_dump(on.tree))
            result = await asyncio.to_thread(CliRunner().invoke, command, ["check", "--config", str(file)])
            assert result.exit_code == 0, result.output
            return result.output

    said = asyncio.run(main())
    assert "binance: key may trade futures; one-way mode" in said
    assert "bybit: THIS KEY CAN DO MORE THAN TRADE" in said
    assert "okx: key may trade; net mode, futures mode" in said
    assert "gate: watched and traded by what ccxt says of it; hedged was never proven with it" in said
    assert "gate: orders are IOC, reduce-only, and found by their client id" in said
    assert "sandbox-secret" not in said


def test_the_sandbox_command_serves_exchanges_and_writes_what_finds_them(tmp_path: Path) -> None:
    """If this fails, an operator cannot rehearse hedging at an exchange."""
    options = ["--symbol", "INJ", "--history", "24", *PORTS, "--exchange-port", "0", "--out", str(tmp_path)]
    with running("-m", "hedged", "sandbox", "--exchange", "binanse", *options) as wrong:
        wrong.wait_for("--exchange binanse: there are binance, bybit, okx, gate", STARTUP_S)
    with running("-m", "hedged", "sandbox", "--exchange", "okx", *options) as right:
        right.wait_for("Then, in another terminal", STARTUP_S)
        config = load_config(tmp_path / "config.yaml")
        assert (config.hedge.venues, config.mode) == (["okx"], "paper")
        for name in ("okx.key", "grantee.key"):
            assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
        assert right.end() == 0
