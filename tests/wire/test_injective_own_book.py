"""The trader's own book: what `hedged check` shows and refuses, and paper mode on top of the real account."""

import asyncio
import io
import socket
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import HASHES, approve
from injective_reading import SUBACCOUNT, TRADER, reading, settings, until
from rich.console import Console

from hedged.adapters.injective.paper_book import PaperBook
from hedged.adapters.injective.retries import Retries
from hedged.adapters.paper import PaperVenue
from hedged.app import App, Parts
from hedged.commands.own_book_table import show_own_book
from hedged.config import Config, TelemetryConfig, parse_config
from hedged.daemon import run_daemon
from hedged.domain.clock import SystemClock
from hedged.domain.errors import ConfigError, Rejected, Retryable
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Intent, Purpose, Side
from hedged.execution.journal.thread import Journal
from hedged.forecast.registry import make_forecaster
from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig
from hedged.wiring.own_book import OwnBook, read_own_book
from hedged.wiring.paper_account import open_paper_account
from hedged.wiring.real_venues import RealBook, RealVenues, connect

STILL = SandboxConfig(symbols=("BTC", "INJ"), block_time_s=None, moving=False)
BTC = SeriesKey("injective", "BTC")


def configured(sandbox: InjectiveSandbox, chain_id: str = "injective-1", **book: Any) -> Config:
    nodes = settings(sandbox, chain_id=chain_id).model_dump(mode="json", exclude_none=True)
    return parse_config(
        {
            "data": {"source": "venues"},
            "book": {"source": "injective", "address": TRADER, **book},
            "hedge": {"venues": [], "forecaster": "nowcast"},
            "cycle": {"history_days": 7},
            "injective": nodes,
        }
    )


async def own_book(config: Config) -> OwnBook:
    venues = connect(config, SystemClock(), np.random.default_rng(7))
    try:
        assert venues.book is not None
        return await read_own_book(venues, venues.book, SystemClock())
    finally:
        await venues.close()


async def hold(sandbox: InjectiveSandbox, positions: Mapping[str, str]) -> None:
    sandbox.chain.fund(TRADER, usdt=20_000)
    for symbol, quantity in positions.items():
        sandbox.chain.seed_position(SUBACCOUNT, symbol, Decimal(quantity), sandbox.markets[symbol].mark)
    await sandbox.chain.next_block()


def shown(book: OwnBook) -> str:
    """What a terminal of the usual width shows."""
    out = io.StringIO()
    show_own_book(Console(file=out, width=80, force_terminal=False), book)
    return out.getvalue()


def test_a_new_user_sees_their_own_book_with_its_expected_funding() -> None:
    """If this fails, the first thing a user sees is wrong: a side, a size, or who pays."""

    async def main() -> None:
        async with InjectiveSandbox(STILL) as sandbox:
            await hold(sandbox, {"BTC": "0.5", "INJ": "-2000"})
            for _ in range(2):
                await sandbox.chain.settle_funding()
            book = await own_book(configured(sandbox))
            btc, inj = book.positions
            assert (btc.symbol, btc.quantity, inj.symbol, inj.quantity) == (
                "BTC",
                Decimal("0.5"),
                "INJ",
                -2_000,
            )
            assert btc.expected.recent == pytest.approx(0.00000416666)
            recent = btc.funding_usd(btc.expected.recent, 24.0)
            assert recent == pytest.approx(-float(btc.notional_usd) * 0.00000416666 * 24)
            assert (
                recent < 0 < (inj.funding_usd(inj.expected.recent) or 0)
            )  # at a positive rate longs pay shorts
            assert btc.expected.mean is not None
            assert btc.expected.low is not None
            assert btc.expected.high is not None
            assert btc.expected.low <= btc.expected.mean <= btc.expected.high
            assert book.equity_usd > book.free_usd == 20_000
            a_month = inj.funding_usd(inj.expected.recent, 24.0 * 30)
            assert a_month is not None
            text = " ".join(shown(book).split())
            for part in (
                "0.5 coins",
                "-2,000 coins",
                "33% away",
                "of funding a month",
                f"{a_month:+,.2f}",
                TRADER,
            ):
                assert part in text

    asyncio.run(main())


def test_a_book_without_positions_says_so() -> None:
    """If this fails, an empty account shows as an error or as an empty table."""

    async def main() -> None:
        async with InjectiveSandbox(STILL) as sandbox:
            await hold(sandbox, {})
            assert "nothing to protect" in shown(await own_book(configured(sandbox)))

    asyncio.run(main())


def test_refusals_say_what_to_change() -> None:
    """If this fails, a mistake in the configuration shows as an empty book, or as a stack trace."""

    async def main() -> None:
        async with InjectiveSandbox(STILL) as sandbox:
            await sandbox.chain.next_block()
            with pytest.raises(ConfigError, match="unknown on injective-1: it has never held anything"):
                await own_book(configured(sandbox))
            await hold(sandbox, {"BTC": "1"})
            with pytest.raises(ConfigError, match="checksum does not fit"):
                await own_book(configured(sandbox, address=TRADER[:-1] + "v"))
            with pytest.raises(
                ConfigError, match="on chain 'injective-1', the configuration asks for 'injective-888'"
            ):
                await own_book(configured(sandbox, chain_id="injective-888"))
            sandbox.faults.cross_margin = True
            with pytest.raises(ConfigError, match="RISK_MODE_CROSS"):
                await own_book(configured(sandbox))
            sandbox.faults.cross_margin = False
            sandbox.faults.unavailable = True
            with pytest.raises(Retryable, match=r"no answer from the node 127.0.0.1:.*UNAVAILABLE"):
                await own_book(configured(sandbox))

    asyncio.run(main())


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        ({"book": {"source": "injective"}}, "needs address"),
        ({"book": {"source": "injective", "address": TRADER}}, "needs data.source: venues"),
        (
            {"book": {"source": "injective", "address": TRADER, "positions": {"BTC": {"usd": 1}}}},
            "reads the positions",
        ),
        ({"book": {"address": TRADER}}, "with source: injective only"),
        ({"injective": {"network": "custom"}}, "needs nodes and chain_id"),
        ({"injective": {"chain_id": "injective-1"}}, "leave it out"),
    ],
)
def test_contradictions_in_the_configuration_are_refused(tree: dict[str, Any], why: str) -> None:
    """If this fails, a setting that cannot take effect is silently ignored."""
    with pytest.raises(ConfigError, match=why):
        parse_config(tree)


def test_a_hedge_venue_that_nobody_knows_is_refused_before_anything_is_asked() -> None:
    """If this fails, a daemon starts whose hedges could never be priced."""

    async def main() -> None:
        nowhere = {"chain_grpc": "127.0.0.1:9", "indexer_grpc": "127.0.0.1:9", "chain_stream": "127.0.0.1:9"}
        tree = {
            "data": {"source": "venues"},
            "book": {"source": "injective", "address": TRADER},
            "hedge": {"venues": ["binanse"]},
            "injective": {"network": "custom", "chain_id": "injective-1", "nodes": [nowhere]},
        }
        with pytest.raises(ConfigError, match=r"cex\.binanse: ccxt knows no exchange 'binanse'"):
            connect(parse_config(tree), SystemClock(), np.random.default_rng(7))

    asyncio.run(main())


def order(mark: Decimal, signed: str, cycle: int, *, reduce_only: bool = False) -> Intent:
    quantity = Decimal(signed)
    side = Side.BUY if quantity > 0 else Side.SELL
    worst = mark * (1 + side.sign * Decimal("0.05"))
    purpose = Purpose.OWN_CUT if reduce_only else Purpose.OWN_RESTORE
    return Intent(cycle, BTC, side, abs(quantity), worst, mark, purpose, reduce_only, HASHES)


def test_paper_fills_lie_on_top_of_the_real_position() -> None:
    """If this fails, a paper daemon cuts a position that the trader does not hold, or forgets one that changed."""

    async def main() -> None:
        async with InjectiveSandbox(STILL) as sandbox, reading(sandbox) as reader:
            await hold(sandbox, {"BTC": "1"})
            clock, mark = SystemClock(), sandbox.markets["BTC"].mark
            book = PaperBook(
                reader.account, PaperVenue(reader.data, clock, Decimal(0), 0), reader.data, clock
            )
            assert (await book.positions())["BTC"].quantity == 1
            before = await book.balance()
            await book.place(approve(order(mark, "-0.4", 1, reduce_only=True)))
            assert (await book.positions())["BTC"].quantity == Decimal("0.6")
            assert [e.signed_quantity for e in await book.executions(0)] == [Decimal("-0.4")]
            (fill,) = await book.executions(0)
            after = await book.balance()
            lost = (fill.price - mark) * Decimal("0.4") - fill.fee_usd
            assert float(after.total_usd - before.total_usd) == pytest.approx(float(lost))
            # the trader closes half by hand: what the daemon did stays
            sandbox.chain.seed_position(SUBACCOUNT, "BTC", Decimal("-0.5"), mark)
            await sandbox.chain.next_block()
            assert (await book.positions())["BTC"].quantity == Decimal("0.1")
            with pytest.raises(Rejected, match="would not reduce"):
                await book.place(approve(order(mark, "-0.2", 2, reduce_only=True)))
            # the chain itself knows nothing of the paper fill
            assert sandbox.markets["BTC"].positions[SUBACCOUNT].quantity == Decimal("0.5")

    asyncio.run(main())


def test_funding_is_the_chains_plus_that_of_the_paper_part() -> None:
    """If this fails, the ledger of paper mode differs from the account, or the hedge saves nothing on paper."""

    async def main() -> None:
        config = SandboxConfig(symbols=("BTC",), block_time_s=0.1, hour_s=2)
        async with InjectiveSandbox(config) as sandbox, reading(sandbox, run=True) as reader:
            await hold(sandbox, {"BTC": "1"})
            await until(lambda: reader.feed.live)
            clock, mark = SystemClock(), sandbox.markets["BTC"].mark
            book = PaperBook(
                reader.account, PaperVenue(reader.data, clock, Decimal(0), 0), reader.data, clock
            )
            await book.positions()
            await book.place(approve(order(mark, "-0.4", 1, reduce_only=True)))
            (fill,) = await book.executions(0)
            history = sandbox.chain.state.history

            def mine() -> list[Any]:
                return [p for p in history.payments if p.subaccount_id == SUBACCOUNT]

            # the crowd is paid at the same instants; the hour of the fill itself is not looked at
            await until(lambda: len([p for p in mine() if p.ts_ms > fill.ts_ms + 2_000]) >= 2)
            payments = [p for p in await book.funding_payments(0) if p.settlement.ts_ms > fill.ts_ms]
            booked = {p.ts_ms // 2_000 * 2_000: p.amount for p in mine()}
            assert len(payments) >= 2
            for p in payments:
                assert float(p.quantity) == pytest.approx(0.6)
                whole = float(booked[p.settlement.ts_ms])
                assert float(p.payment_usd) == pytest.approx(0.6 * whole, abs=1e-9)

    asyncio.run(main())


async def daemon(config: Config, venues: RealVenues, journal: Journal) -> App:
    """The daemon as `hedged run` wires it, up to its first cycle."""
    clock = SystemClock()
    account = await open_paper_account(config, venues.sources, journal, clock, venues.book)
    forecaster = make_forecaster("nowcast", None, venues.coming)
    symbols, equity = account.symbols, account.equity_usd
    app = App(Parts(config, clock, venues.sources, account.venues, journal, forecaster, symbols, equity))
    await app.prepare()
    return app


def test_a_daemon_protects_the_real_book_without_a_key() -> None:
    """If this fails, the parts work one by one and not as the daemon wires them."""

    async def main() -> None:
        async with InjectiveSandbox(SandboxConfig(symbols=("BTC", "INJ"), block_time_s=0.1)) as sandbox:
            await hold(sandbox, {"BTC": "1"})
            config, clock = configured(sandbox), SystemClock()
            venues, journal = (
                connect(config, clock, np.random.default_rng(7)),
                Journal.open(None, durable=False),
            )
            feed = asyncio.create_task(venues.feed.run())
            try:
                app = await daemon(config, venues, journal)
                report = await app.step(clock.now_ms())
                assert report.account.reconciled
                assert dict(report.account.own) == {"BTC": Decimal(1)}
                assert float(report.marks[BTC]) == pytest.approx(float(sandbox.markets["BTC"].mark), rel=0.05)
                # the trader opens another position by hand: seen, and said that it needs a restart
                sandbox.chain.seed_position(SUBACCOUNT, "INJ", Decimal(10), sandbox.markets["INJ"].mark)
                await asyncio.sleep(0.3)
                report = await app.step(clock.now_ms())
                assert report.account.own["INJ"] == 10
                assert "restart to protect it" in report.decisions["INJ"]["reason"]
                # and a node that falls silent makes the venue unknown, which stops all orders
                sandbox.faults.unavailable = True
                report = await app.step(clock.now_ms())
                assert "UNAVAILABLE" in report.account.unknown["injective"]
            finally:
                feed.cancel()
                await asyncio.wait([feed])
                journal.close()
                await venues.close()

    asyncio.run(main())


@pytest.mark.usefixtures("logs")  # the daemon configures the log for its process
def test_a_node_of_another_chain_is_a_metric_of_the_daemon(tmp_path: Path) -> None:
    """If this fails, an operator with one node left where there should be two learns of it from a log line alone."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def metrics() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return "not yet"

    async def main() -> None:
        async with (
            InjectiveSandbox(replace(STILL, chain_id="injective-888")) as other,
            InjectiveSandbox(replace(STILL, block_time_s=0.1)) as sandbox,
        ):
            await hold(sandbox, {"BTC": "1"})
            nodes = settings(other, sandbox)
            changes = {"injective": nodes, "state_dir": tmp_path, "telemetry": TelemetryConfig(port=port)}
            config = configured(sandbox).model_copy(update=changes)
            daemon = asyncio.create_task(run_daemon(config))
            try:
                async with asyncio.timeout(20):
                    while "hedged_nodes_set_aside 1.0" not in await asyncio.to_thread(metrics):
                        assert not daemon.done()
                        await asyncio.sleep(0.1)
            finally:
                daemon.cancel()
                await asyncio.wait([daemon])

    asyncio.run(main())


def test_a_start_outlives_a_503_and_says_so(logs: list[dict[str, Any]]) -> None:
    """If this fails, one routine refusal of a public node ends a daemon that has just been started."""

    async def main() -> None:
        async with InjectiveSandbox(STILL) as sandbox, reading(sandbox) as reader:
            await hold(sandbox, {"BTC": "1"})
            quick = Retries(tries=4, first_s=0.3)
            book = RealBook(reader.account, reader.data, SystemClock(), quick)
            sandbox.faults.unavailable = True
            asyncio.get_running_loop().call_later(0.5, sandbox.faults.switch, "unavailable", False)
            assert await book.open((), None) > 0
            assert book.symbols == ("BTC",)
            said = [line for line in logs if line["event"] == "start_retried"]
            assert [line["attempt"] for line in said] == [1, 2]
            assert "503" in said[0]["why"]
            sandbox.faults.unavailable = True
            with pytest.raises(Retryable, match=r"the book, asked 2 times: .*HTTP status code 503"):
                await RealBook(reader.account, reader.data, SystemClock(), Retries(2, 0.01)).open((), None)
            assert [line["tries"] for line in logs if line["event"] == "start_given_up"] == [2]

    asyncio.run(main())
