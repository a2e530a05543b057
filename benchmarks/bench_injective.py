"""Times signal → signed transaction on the wire, against the sandbox over loopback gRPC, part by part.

plan: the quadratic programme of three markets. ticket: the order by the market's rules. sign: sequence, height, gas
and signature. journal: the signed bytes, on disk. send: broadcast until the node's check-tx has answered. Prints p50
and p99 in ms. The journal is a real file, and the sandbox runs in a process of its own, as a node would.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from injective_rig import ADDRESS, GRANTEE, GRANTEE_ADDRESS, desk_on
from states import state, symbol

from hedged.adapters.injective.keys import TradingKey
from hedged.adapters.injective.messages import TRADING_MESSAGES
from hedged.adapters.injective.transactions import Transactions
from hedged.execution.journal.thread import Journal
from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig
from hedged.strategy.planner import plan
from hedged.telemetry.logs import configure_logs

ORDERS = 300
BLOCK_S = 0.1  # short, so that waiting for fills does not take the benchmark's time


def node(pipe: Connection) -> None:
    """Run a chain until told to stop."""

    async def main() -> None:
        async with InjectiveSandbox(
            SandboxConfig(symbols=("BTC", "ETH"), moving=False, block_time_s=BLOCK_S)
        ) as on:
            on.chain.fund(ADDRESS, usdt=100_000_000)
            on.chain.fund(GRANTEE_ADDRESS, inj=1_000)
            for message in TRADING_MESSAGES:
                on.chain.grant(ADDRESS, GRANTEE_ADDRESS, message)
            pipe.send(on.endpoints)
            while not pipe.poll():  # noqa: ASYNC110  (a pipe has no event)
                await asyncio.sleep(0.05)

    asyncio.run(main())


def timed(spent: dict[str, list[float]], name: str, function: Any) -> Any:
    async def run(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return await function(*args, **kwargs)
        finally:
            spent[name].append((time.perf_counter() - started) * 1_000)

    return run


async def orders(endpoints: Any, gas: str) -> dict[str, list[float]]:
    spent: dict[str, list[float]] = defaultdict(list)
    remote = SimpleNamespace(endpoints=endpoints)
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.open(Path(folder) / "journal.sqlite")
        async with desk_on(
            remote, journal, TradingKey(GRANTEE), gas=gas, deadline_s=5.0, timeout_blocks=200
        ) as on:
            markets = await on.data.markets()
            transactions: Transactions = on.trading._transactions
            on.trading._ticket = timed(spent, "ticket", on.trading._ticket)
            signing = transactions._signing
            signing.sign = timed(spent, "sign", signing.sign)
            transactions._journal.record = timed(spent, "journal", transactions._journal.record)
            transactions._sent = timed(spent, "send", transactions._sent)
            mark = on.data.tickers["BTC"].state.mark
            on.sandbox = SimpleNamespace(
                markets={
                    "BTC": SimpleNamespace(
                        mark=mark, rules=SimpleNamespace(price_tick=markets["BTC"].price_tick)
                    )
                }
            )
            book = state(symbol(), symbol(symbol="ETH"), symbol(symbol="INJ"))
            for n in range(ORDERS):
                started = time.perf_counter()
                plan(book)
                spent["plan"].append((time.perf_counter() - started) * 1_000)
                sent = on.order("0.01" if n % 2 else "-0.01")
                wired = time.perf_counter()
                await on.trading.place(sent)
                spent["order to fill"].append((time.perf_counter() - wired) * 1_000)
        journal.close()
    return spent


def show(title: str, spent: dict[str, list[float]]) -> None:
    print(title)
    parts = ("plan", "ticket", "sign", "journal", "send")
    spent["signal → wire"] = [sum(row) for row in zip(*(spent[p] for p in parts), strict=True)]
    for name in (*parts, "signal → wire", "order to fill"):
        cuts = statistics.quantiles(spent[name], n=100)
        print(f"  {name:16} p50 {cuts[49]:8.2f} ms   p99 {cuts[98]:8.2f} ms")


def main() -> None:
    configure_logs(lambda: 0, "error", "console")
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=node, args=(theirs,))
    process.start()
    endpoints = ours.recv()
    try:
        for gas in ("heuristics", "simulation"):
            show(f"{ORDERS} orders, gas by {gas}", asyncio.run(orders(endpoints, gas)))
    finally:
        ours.send("stop")
        process.join()


if __name__ == "__main__":
    main()
