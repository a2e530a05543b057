"""The whole of it as an operator sees it: a local chain in one process, the daemon in another, injective-py between.

The chain's clock and the daemon's run fast together, so that hours pass in seconds and every rate keeps its meaning.
The forecaster is the one that ships. What happened is read by a plain injective-py client, not by the adapter.
"""

import asyncio
import json
import re
import signal
import sqlite3
import urllib.request
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyinjective.async_client_v2 import AsyncClient
from pyinjective.client.model.pagination import PaginationOption
from pyinjective.core.network import Network
from pyinjective.indexer_client import IndexerClient
from rehearsal import STARTUP_S, running, sandbox

from hedged.config import Config, load_config
from hedged.sandbox.injective.wire import subaccount_of

SPEED = 480  # an hour passes in 7.5 s
TIDE_H = 10
EXACT = Decimal("1e-9")
E18, USDT = Decimal(10) ** 18, Decimal(10) ** 6


def rows(config: Config, query: str) -> list[tuple[Any, ...]]:
    """Read the daemon's journal."""
    path = config.state_dir / "journal.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as journal:
        found = journal.execute(query).fetchall()
    journal.close()
    return found


class Plain:
    """The account as a plain injective-py client reads it."""

    def __init__(self, config: Config, control: str) -> None:
        node = config.injective.nodes[0]
        network = Network.custom(
            lcd_endpoint=control, tm_websocket_endpoint=control, grpc_endpoint=node.chain_grpc,
            grpc_exchange_endpoint=node.indexer_grpc, grpc_explorer_endpoint=node.indexer_grpc,
            chain_stream_endpoint=node.chain_stream, chain_id="injective-1", env="local",
            official_tokens_list_url=f"{control}/tokens.json",
        )  # fmt: skip
        self.chain, self.indexer = AsyncClient(network), IndexerClient(network)
        assert config.book.address is not None
        self.subaccount = subaccount_of(config.book.address)

    async def position(self) -> dict[str, Any]:
        (row,) = (await self.chain.fetch_chain_subaccount_positions(self.subaccount))["state"]
        return row["position"]

    async def held(self) -> Decimal:
        """Signed coins."""
        position = await self.position()
        return Decimal(position["quantity"]) / E18 * (1 if position.get("isLong") else -1)

    async def cumulative_funding(self) -> Decimal:
        """USDT that one coin long has paid since the chain began."""
        (row,) = (await self.chain.fetch_chain_derivative_markets(status="Active"))["markets"]
        return Decimal(row["perpetualInfo"]["fundingInfo"]["cumulativeFunding"]) / E18

    async def payments(self) -> list[tuple[int, Decimal]]:
        """(block's ms, USDT; > 0 received), oldest first."""
        answer = await self.indexer.fetch_funding_payments(
            subaccount_id=self.subaccount, pagination=PaginationOption(limit=100)
        )
        return sorted((int(row["timestamp"]), Decimal(row["amount"]) / USDT) for row in answer["payments"])

    async def settled(self) -> tuple[list[tuple[int, Decimal]], Decimal]:
        """Payments and the cumulative funding that they add up to: no settlement lies between the two readings."""
        while True:
            payments, cumulative = await self.payments(), await self.cumulative_funding()
            if await self.payments() == payments:
                return payments, cumulative

    async def trades(self) -> list[dict[str, Any]]:
        answer = await self.indexer.fetch_derivative_trades(subaccount_ids=[self.subaccount])
        return sorted(answer["trades"], key=lambda row: int(row["executedAt"]))

    async def close(self) -> None:
        await self.chain.close_chain_channel()
        await self.chain.close_chain_stream_channel()
        await self.indexer.close_exchange_channel()
        await self.indexer.close_explorer_channel()


def ask(plain: tuple[Config, str], *names: str) -> list[Any]:
    """Ask the plain client several things."""

    async def script() -> list[Any]:
        client = Plain(*plain)
        try:
            return [await getattr(client, name)() for name in names]
        finally:
            await client.close()

    return asyncio.run(script())


def control_of(lines: list[str]) -> str:
    found = re.search(r"curl (http://\S+)/faults", "\n".join(lines))
    assert found is not None
    return found[1]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_hedge_is_opened_funded_and_unwound_by_the_daemon_alone(tmp_path: Path) -> None:
    """If this fails, the daemon does not do on a chain what it is for, or its ledger is not what the chain paid."""
    with sandbox(tmp_path / "out", TIDE_H, SPEED) as chain:
        config_file = tmp_path / "out" / "config.yaml"
        config = load_config(config_file)
        plain = (config, control_of(chain.lines))
        held, (early, began) = ask(plain, "held", "settled")
        with running("-m", "hedged", "check", "--config", str(config_file)) as check:
            check.wait_for("is sound: mode live", STARTUP_S)
        with running("-m", "hedged", "run", "--config", str(config_file)) as daemon:
            daemon.wait_for('"action": "open"', 3 * STARTUP_S)
            page = daemon.wait_for("http_listening", 1)
            (status,) = status_of(page)
            assert status["action"] in ("open", "hold")
            ((venue, quantity),) = [(leg["venue"], leg["quantity"]) for leg in status["hedge"]]
            assert venue == "injective"
            assert quantity < 0
            daemon.wait_for('"action": "close"', 3 * STARTUP_S)
            opened, closed = (index_of(chain.lines, word) for word in ("FILL INJ sell", "FILL INJ buy"))
            funded = [line for line in chain.lines[opened:closed] if "of funding on" in line]
            chain.wait_for("received .* of funding on", STARTUP_S, since=closed)
            seen = len(rows(config, "SELECT 1 FROM funding"))
            while len(rows(config, "SELECT 1 FROM funding")) == seen:
                assert daemon.process.poll() is None
                asyncio.run(asyncio.sleep(0.2))
            assert daemon.end() == 0
        assert len(funded) >= 2
        # the chain goes on: what it paid after the daemon ended is told apart by its instant
        after, (payments, ended), trades = ask(plain, "held", "settled", "trades")
        payments = payments[len(early) :]

    assert after == held  # the trader's own position is whole again
    directions = [row["positionDelta"]["tradeDirection"] for row in trades]
    assert directions == sorted(
        directions, reverse=True
    )  # cut first, given back in as many steps as it takes
    assert {"sell", "buy"} == set(directions)
    assert [row["cid"] for row in trades] == [
        c for (c,) in rows(config, "SELECT client_id FROM intents ORDER BY created_ms")
    ]
    # every settlement of the chain was paid on what was held then, so together they are its cumulative funding;
    # a block settles before it trades
    changes = [
        (
            int(row["executedAt"]),
            Decimal(row["positionDelta"]["executionQuantity"]) * (1 if way == "buy" else -1),
        )
        for row, way in zip(trades, directions, strict=True)
    ]
    quantities = [held + sum(coins for at_ms, coins in changes if at_ms < ms) for ms, _ in payments]
    per_coin = sum(amount / quantity for (_, amount), quantity in zip(payments, quantities, strict=True))
    assert abs(per_coin + ended - began) < EXACT
    # and the daemon's ledger is the chain's, payment by payment, from its start to its end
    ledger = [
        (ms, Decimal(usd), Decimal(quantity))
        for ms, usd, quantity in rows(
            config, "SELECT ts_ms, payment_usd, quantity FROM funding ORDER BY ts_ms"
        )
    ]
    first = next(i for i, (ms, _) in enumerate(payments) if ms // 3_600_000 == ledger[0][0] // 3_600_000)
    for (ms, usd, quantity), (block_ms, amount), coins in zip(
        ledger, payments[first:], quantities[first:], strict=False
    ):
        assert 0 <= block_ms - ms < 600_000
        assert abs(usd - amount) < EXACT
        assert abs(quantity - coins) < Decimal("1e-6")
    paid = sum((amount for _, amount in payments[first : first + len(ledger)]), Decimal(0))
    assert abs(sum(usd for _, usd, _ in ledger) - paid) < EXACT
    assert {usd > 0 for _, usd, _ in ledger} == {True, False}
    assert len(ledger) >= len(funded) + 1
    # that a busy machine misses a cycle of less than two seconds is no fault, nor that the turn of a tide surprises
    events = [e for e in daemon.events() if e["event"] not in ("cycles_missed", "funding_deviates")]
    assert not [e for e in events if e["level"] not in ("info", "debug")]


def index_of(lines: list[str], word: str) -> int:
    return next(i for i, line in enumerate(lines) if word in line)


def status_of(listening: str) -> list[dict[str, Any]]:
    url = json.loads(listening)["url"]
    with urllib.request.urlopen(f"{url}api/status", timeout=10) as answer:
        return list(json.loads(answer.read())["book"])


# --- SIGKILL --------------------------------------------------------------------------------------------------------

MORTAL = """
import os, signal, sys
from hedged.adapters.injective.chain import Chain
from hedged.cli import main
when, broadcast = sys.argv[1], Chain.broadcast
async def dying(self, raw):
    if when == "after":
        await broadcast(self, raw)
    os.kill(os.getpid(), signal.SIGKILL)
Chain.broadcast = dying
sys.argv = ["hedged", *sys.argv[2:]]
main()
"""
"""The daemon, killed at its first broadcast: before the bytes leave, or when the node has taken them."""


def killed_at_its_first_order(
    tmp_path: Path, when: str
) -> tuple[Config, list[dict[str, Any]], list[str], list[Any]]:
    """Kill a daemon at its first order, start it again, let it run until it holds.

    Return the configuration, the second life's log, the chain's lines, and trades and coins held as the chain has them.
    """
    mortal = tmp_path / "mortal.py"
    mortal.write_text(MORTAL)
    with sandbox(tmp_path / "out", 24, SPEED) as chain:
        config_file = tmp_path / "out" / "config.yaml"
        config = load_config(config_file)
        with running(str(mortal), when, "run", "--config", str(config_file)) as first:
            assert first.process.wait(timeout=2 * STARTUP_S) == -signal.SIGKILL
        assert rows(config, "SELECT event FROM order_events") == [("attempt",)]
        assert rows(config, "SELECT count(*), max(outcome) FROM transactions") == [(1, "pending")]
        with running("-m", "hedged", "run", "--config", str(config_file)) as second:
            second.wait_for('"action": "hold"', 2 * STARTUP_S)
            assert second.end() == 0
        trades, held = ask((config, control_of(chain.lines)), "trades", "held")
        return config, second.events(), list(chain.lines), [trades, held]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_daemon_killed_between_journal_and_send_never_sends_those_bytes(tmp_path: Path) -> None:
    """If this fails, an order that was never sent is taken for sent, or is sent when it is hours old."""
    config, log, told, (trades, _) = killed_at_its_first_order(tmp_path, "before")
    orders = rows(config, "SELECT client_id FROM intents ORDER BY created_ms")
    assert len(orders) == 2  # the one that died, and a new decision
    (dead,), (new,) = orders
    assert [e for (e,) in rows(config, f"SELECT event FROM order_events WHERE client_id = '{dead}'")] == [
        "attempt", "absent",
    ]  # fmt: skip
    assert [row["cid"] for row in trades] == [new]
    assert len([line for line in told if " TX " in line]) == 1
    outcomes = rows(config, "SELECT outcome FROM transactions ORDER BY created_ms")
    assert outcomes == [("dead",), ("included",)]
    settled = [e for e in log if e["event"] == "tx_settled"]
    assert [e["outcome"] for e in settled] == ["dead", "included"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_daemon_killed_after_the_broadcast_finds_its_order_and_sends_no_other(tmp_path: Path) -> None:
    """If this fails, a crash at the wrong moment doubles a hedge."""
    config, log, told, (trades, held) = killed_at_its_first_order(tmp_path, "after")
    ((only,),) = rows(config, "SELECT client_id FROM intents")
    assert [e for (e,) in rows(config, "SELECT event FROM order_events")] == ["attempt", "acknowledged"]
    assert [row["cid"] for row in trades] == [only]
    assert len([line for line in told if " TX " in line]) == 1
    assert rows(config, "SELECT outcome FROM transactions") == [("included",)]
    (own,) = rows(config, "SELECT quantity FROM book")
    sold = Decimal(trades[0]["positionDelta"]["executionQuantity"])
    assert Decimal(own[0]) == held + sold  # the trader's own book is what it was before the cut
    assert [e["outcome"] for e in log if e["event"] == "tx_settled"] == ["included"]
