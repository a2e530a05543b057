"""Live on Injective, over real gRPC: what the daemon's parts do on the chain, and what they refuse to start with."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from fakes import HASHES, approve
from injective_rig import ADDRESS, GRANTEE, GRANTEE_ADDRESS, SUBACCOUNT, Rig, rig
from typer.testing import CliRunner

from hedged.cli import app
from hedged.config import LIVE_ACKNOWLEDGEMENT, parse_config
from hedged.daemon import run_daemon
from hedged.domain.approved import ApprovedIntent
from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import ConfigError, Fatal
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Intent, Purpose, Side
from hedged.execution.accounts import Accounts
from hedged.execution.journal.claim import claim_journal
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.execution.reconcile import agreement
from hedged.execution.working import attempts
from hedged.execution.working.executor import Executor
from hedged.sandbox.injective.server import SandboxConfig

BTC = SeriesKey(INJECTIVE, "BTC")


def run(script) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await script()

    asyncio.run(bounded())


@pytest.fixture(autouse=True)
def quick_lookups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "LOOKUP_WAIT_S", 0.1)


class Floor:
    """Accounts and executor of the daemon on a rig, with its journal."""

    def __init__(self, on: Rig) -> None:
        self.on = on
        venues = {INJECTIVE: on.trading}
        self.accounts = Accounts(venues, on.journal, on.clock.now_ms() - HOUR_MS)
        self.executor = Executor(venues, on.journal, self.accounts, on.clock)

    async def start(self) -> "Floor":
        await self.accounts.load()
        await self.executor.load()
        return self

    async def trade(self, signed: str, purpose: Purpose, *, reduce_only: bool = False) -> ApprovedIntent:
        plain = self.on.order(signed, reduce_only=reduce_only).intent
        order = Intent(
            plain.cycle_ts_ms, BTC, plain.side, plain.quantity, plain.worst_price, plain.reference_price, purpose,
            reduce_only, HASHES,
        )  # fmt: skip
        approved = approve(order)
        await self.executor.execute([approved])
        return approved

    async def events(self, sent: ApprovedIntent) -> list[str]:
        rows = await self.on.journal(
            JournalStore.rows,
            "SELECT event FROM order_events WHERE client_id = ? ORDER BY rowid",
            (sent.client_id,),
        )
        return [event for (event,) in rows]

    async def refreshed(self):
        """Refresh until every venue is known: the indexer may be a moment behind."""
        while True:
            state = await self.accounts.refresh(self.on.clock.now_ms())
            if state.reconciled:
                return state
            await asyncio.sleep(0.05)


MOVING = SandboxConfig(symbols=("BTC", "ETH"), moving=True, hour_s=2)


def test_a_cut_is_opened_funded_over_shortened_hours_and_unwound_and_the_ledger_is_the_chains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If this fails, the daemon's books of fills and funding are not what the chain paid and took."""
    monkeypatch.setattr(agreement, "EDGE_MS", 100)  # an hour has two seconds here

    async def script() -> None:
        async with rig(sandbox=MOVING) as on:
            on.chain.seed_position(SUBACCOUNT, "BTC", Decimal(2), on.mark())
            floor = await Floor(on).start()
            before = await floor.refreshed()
            assert before.own == {"BTC": Decimal(2)}
            opened = await floor.trade("-0.8", Purpose.OWN_CUT, reduce_only=True)
            after = await floor.refreshed()
            assert after.own == {"BTC": Decimal(2)}
            assert after.attributed == {BTC: Decimal("-0.8")}
            assert on.held() == Decimal("1.2")
            await asyncio.sleep(3 * 2 + 0.5)
            await floor.refreshed()
            closed = await floor.trade("0.8", Purpose.OWN_RESTORE)
            end = await floor.refreshed()
            assert end.own == {"BTC": Decimal(2)}
            assert end.attributed == {BTC: Decimal(0)}
            assert on.held() == 2
            assert await floor.events(opened) == await floor.events(closed) == ["attempt", "acknowledged"]
            theirs = [p for p in on.chain.state.history.payments if p.subaccount_id == SUBACCOUNT]
            await floor.refreshed()  # it may have been another hour's end meanwhile, before or after
            told = await on.journal(JournalStore.funding)
            ours = [p for p in told if p.settlement.ts_ms <= theirs[-1].ts_ms]
            assert len(ours) == len(theirs) >= 3
            assert abs(sum(p.payment_usd for p in ours) - sum(p.amount for p in theirs)) < Decimal("1e-9")
            assert sum(p.payment_usd for p in ours) != 0
            ledger = floor.accounts.checks.ledger
            assert not ledger.open
            assert ledger._right[BTC] >= 3, "every payment was judged by its settlement, and agreed"
            assert not floor.accounts.agreement.evidence.doubts

    run(script)


def test_a_lost_acknowledgement_reaches_the_journal_as_one_fill() -> None:
    """If this fails, a 503 after the node accepted makes the daemon count a fill twice or not at all."""

    async def script() -> None:
        async with rig() as on:
            floor = await Floor(on).start()
            on.faults.lost_ack = True
            sent = await floor.trade("0.5", Purpose.OWN_RESTORE)
            state = await floor.refreshed()
            assert await floor.events(sent) == ["attempt", "acknowledged"]
            assert state.attributed == {BTC: Decimal("0.5")}
            assert state.own == {"BTC": Decimal(0)}

    run(script)


def test_an_indexer_that_lags_delays_fills_and_payments_and_loses_none() -> None:
    """If this fails, what an indexer tells late is never booked, twice, or taken for an order that filled nothing."""

    async def script() -> None:
        async with rig() as on:
            on.chain.seed_position(SUBACCOUNT, "BTC", Decimal(2), on.mark())
            floor = await Floor(on).start()
            await floor.refreshed()
            on.faults.indexer_lag = True
            await on.chain.settle_funding()
            sent = await floor.trade("-0.5", Purpose.OWN_CUT, reduce_only=True)
            assert on.held() == Decimal("1.5")
            assert await floor.events(sent) == ["attempt", "unknown"]
            behind = await floor.accounts.refresh(on.clock.now_ms())
            assert (behind.fills, behind.payments) == ([], [])
            again = await floor.trade("-0.5", Purpose.OWN_CUT, reduce_only=True)
            assert await floor.events(again) == []  # its market is blocked
            on.faults.indexer_lag = False
            await on.chain.next_block()
            while floor.executor.unresolved:
                await floor.executor.resolve()
            state = await floor.refreshed()
            assert await floor.events(sent) == ["attempt", "unknown", "acknowledged"]
            assert (state.own, state.attributed) == ({"BTC": Decimal(2)}, {BTC: Decimal("-0.5")})
            while not (paid := await on.journal(JournalStore.funding)):  # it is not asked for at every look
                await asyncio.sleep(0.1)
                await floor.refreshed()
            (ours,) = paid
            (theirs,) = [p for p in on.chain.state.history.payments if p.subaccount_id == SUBACCOUNT]
            assert ours.payment_usd == theirs.amount != 0

    run(script)


def test_a_halt_blocks_the_market_until_the_outcome_is_known() -> None:
    """If this fails, an order caught by a halt is followed by a second one for the same market."""

    async def script() -> None:
        async with rig() as on:
            floor = await Floor(on).start()
            on.transactions.after_record = lambda: on.faults.switch("halt", True)
            sent = await floor.trade("0.5", Purpose.OWN_RESTORE)
            assert await floor.events(sent) == ["attempt", "unknown"]
            assert floor.executor.unresolved == {sent.client_id: BTC}
            on.transactions.after_record = lambda: None
            again = await floor.trade("0.5", Purpose.OWN_RESTORE)
            assert await floor.events(again) == []  # not even attempted
            on.faults.halt = False
            while floor.executor.unresolved:
                await floor.executor.resolve()
            assert await floor.events(sent) == ["attempt", "unknown", "acknowledged"]
            assert on.held() == Decimal("0.5")
            assert (await floor.refreshed()).attributed == {BTC: Decimal("0.5")}

    run(script)


def test_a_dropped_transaction_ends_absent_and_nothing_is_counted() -> None:
    """If this fails, an order that never was blocks its market for ever or counts as a position."""

    async def script() -> None:
        async with rig(timeout_blocks=5) as on:
            floor = await Floor(on).start()
            on.faults.mempool_drop = True
            sent = await floor.trade("0.5", Purpose.OWN_RESTORE)
            assert await floor.events(sent) == ["attempt", "rejected"]
            assert floor.executor.unresolved == {}
            on.faults.mempool_drop = False
            await floor.trade("0.3", Purpose.OWN_RESTORE)
            assert (await floor.refreshed()).attributed == {BTC: Decimal("0.3")}

    run(script)


def test_a_liquidation_and_a_trade_by_hand_are_not_the_daemons() -> None:
    """If this fails, what the trader does by hand counts as the daemon's hedge, and is undone."""

    async def script() -> None:
        async with rig() as on:
            floor = await Floor(on).start()
            await floor.trade("0.5", Purpose.OWN_RESTORE)
            by_hand = on.order("-0.2")
            await on.trading.place(by_hand)  # a client id that the journal has no intent of
            state = await floor.refreshed()
            assert state.attributed == {BTC: Decimal("0.5")}
            assert state.own == {"BTC": Decimal("-0.2")}

    run(script)


def test_an_order_that_the_book_cannot_meet_is_not_sent_and_its_reason_is_kept() -> None:
    """If this fails, a book away from the mark costs a fee in every cycle, and no decision says why nothing happens."""

    async def script() -> None:
        async with rig() as on:
            floor = await Floor(on).start()
            on.sandbox.feed.premiums["BTC"] = Decimal("0.1")  # the whole book stands above the worst price
            await on.chain.next_block()
            await on.data.snapshot()
            sent = await floor.trade("0.5", Purpose.OWN_RESTORE)
            assert await floor.events(sent) == []
            assert "beyond the worst price" in floor.executor.failed["BTC"]
            assert await on.journal(JournalStore.rows, "SELECT tx_hash FROM transactions", ()) == []
            on.sandbox.feed.premiums["BTC"] = Decimal(0)
            await on.chain.next_block()
            await on.data.snapshot()
            await floor.trade("0.5", Purpose.OWN_RESTORE)
            assert floor.executor.failed == {}
            assert on.held() == Decimal("0.5")

    run(script)


def test_a_clock_behind_the_chain_trades_nothing() -> None:
    """If this fails, a machine whose clock is wrong trades by what it takes for the past."""

    async def script() -> None:
        async with rig() as on:
            await on.clear()
            await on.chain.next_block(after_s=3_600)
            with pytest.raises(ConfigError, match="ahead of this machine's clock: set the clock"):
                await on.clear()

    run(script)


# --- the commands ---------------------------------------------------------------------------------------------------


def live(tmp_path: Path, **changes) -> dict:
    key = tmp_path / "key"
    key.write_text(GRANTEE.to_hex())
    key.chmod(0o600)
    plain = {
        "mode": "live", "live_acknowledgement": LIVE_ACKNOWLEDGEMENT, "state_dir": str(tmp_path / "state"),
        "book": {"source": "injective", "address": ADDRESS}, "data": {"source": "venues"},
        "hedge": {"venues": [], "forecaster": "ewma"}, "injective": {"key_file": str(key)},
        "telemetry": {"port": 0},
    }  # fmt: skip
    return plain | changes


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"live_acknowledgement": ""}, "live_acknowledgement"),
        ({"book": {"positions": {"BTC": {"usd": 1}}}}, "book: .source: injective"),
        ({"hedge": {"venues": ["binance"], "forecaster": "ewma"}}, "needs an API key of binance"),
        ({"injective": {}}, "injective.key_file or injective.key_env"),
        ({"injective": {"key_file": "/nowhere/key"}}, "cannot be read: No such file"),
        ({"injective": {"key_env": "HEDGED_NO_SUCH_KEY"}}, "HEDGED_NO_SUCH_KEY is not set"),
        ({"injective": {"key_env": "A", "key_file": "b"}}, "not both"),
    ],
)
def test_live_is_refused_before_anything_starts(tmp_path: Path, changes: dict, match: str) -> None:
    """If this fails, the daemon starts to trade real money half configured, or fails without saying why."""
    with pytest.raises(ConfigError, match=match):
        asyncio.run(run_daemon(parse_config(live(tmp_path, **changes))))
    assert not (tmp_path / "state").exists()


def test_recorded_data_are_never_rehearsed_live(tmp_path: Path) -> None:
    """If this fails, a rehearsal on old prices sends real orders."""
    with pytest.raises(ConfigError, match="mode: paper, never live"):
        asyncio.run(run_daemon(parse_config(live(tmp_path)), sources={}))


def test_a_journal_of_paper_is_not_continued_live(tmp_path: Path) -> None:
    """If this fails, simulated fills count as part of the real position, and real orders undo them."""
    journal = Journal.open(tmp_path / "journal.sqlite")

    async def script() -> None:
        await claim_journal(journal, "paper")
        await claim_journal(journal, "paper")
        with pytest.raises(Fatal, match="mode: paper: give mode: live a state_dir of its own"):
            await claim_journal(journal, "live")

    asyncio.run(script())
    journal.close()


def test_a_journal_from_before_modes_were_marked_is_paper(tmp_path: Path) -> None:
    """If this fails, an old paper journal passes for a new one and is continued live."""
    journal = Journal.open(tmp_path / "journal.sqlite")

    async def script() -> None:
        one = approve(
            Intent(
                1,
                BTC,
                Side.BUY,
                Decimal(1),
                Decimal(1),
                Decimal(1),
                Purpose.OWN_CUT,
                False,
                HASHES,
            )
        )
        await journal(JournalStore.record_attempt, one, 1)
        with pytest.raises(Fatal):
            await claim_journal(journal, "live")

    asyncio.run(script())
    journal.close()


NOWHERE = {"chain_grpc": "127.0.0.1:9", "indexer_grpc": "127.0.0.1:9", "chain_stream": "127.0.0.1:9"}


def checked(tmp_path: Path, prepare=lambda s: None, nodes_before=(), **rigged):
    """Run `hedged check` against a sandbox, which comes after other nodes in the list."""
    result = []

    async def script() -> None:
        async with rig(prepare=prepare, **rigged) as on:
            on.chain.seed_position(SUBACCOUNT, "BTC", Decimal(1), on.mark())
            raw = live(tmp_path)
            raw["injective"] |= on.config.model_dump(
                include={"network", "chain_id", "nodes"}, exclude_none=True
            )
            raw["injective"]["nodes"] = [*nodes_before, *raw["injective"]["nodes"]]
            (tmp_path / "c.yaml").write_text(yaml.safe_dump(raw))
            loop = asyncio.get_running_loop()
            command = ["check", "--config", str(tmp_path / "c.yaml")]
            result.append(await loop.run_in_executor(None, CliRunner().invoke, app, command))

    run(script)
    return result[0]


def test_check_proves_what_the_key_may_do(tmp_path: Path) -> None:
    """If this fails, an operator cannot tell a key that may only trade from one that can empty the account."""
    said = checked(tmp_path)
    assert said.exception is None, said.exception
    assert f"signs as {GRANTEE_ADDRESS} for {ADDRESS}" in said.output
    assert "INJ for gas" in said.output
    assert "MORE THAN TRADE" not in said.output
    assert GRANTEE.to_hex() not in said.output


def test_check_goes_on_to_the_next_node(tmp_path: Path) -> None:
    """If this fails, one node that is down makes `hedged check` fail where `hedged run` would go on."""
    said = checked(tmp_path, nodes_before=[NOWHERE, NOWHERE])
    assert said.exception is None, said.exception
    assert f"signs as {GRANTEE_ADDRESS} for {ADDRESS}" in said.output


def test_check_refuses_a_cross_margin_subaccount(tmp_path: Path) -> None:
    """If this fails, liquidation distances are computed by rules that do not hold for the account."""
    said = checked(tmp_path, lambda s: s.faults.switch("cross_margin", value=True))
    assert said.exit_code == 1
    assert "RISK_MODE_CROSS: this version trades isolated margin only" in said.output


def test_check_warns_of_a_key_that_can_withdraw(tmp_path: Path) -> None:
    """If this fails, an operator runs with a key that can take the money away, and was never told."""
    withdraw = "/injective.exchange.v2.MsgWithdraw"
    said = checked(tmp_path, lambda s: s.chain.grant(ADDRESS, GRANTEE_ADDRESS, withdraw))
    assert said.exception is None, said.exception
    assert "CAN DO MORE THAN TRADE" in said.output
    assert withdraw in said.output


def test_check_fails_where_the_key_may_not_trade(tmp_path: Path) -> None:
    """If this fails, `hedged check` passes a configuration with which no order can be sent."""
    said = checked(tmp_path, grantee=False, key=GRANTEE)
    assert said.exit_code == 1
    assert "may not trade for" in said.output
