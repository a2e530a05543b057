"""`hedged download` of Injective over real gRPC, and the command as it is typed."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from injective_history import START_MS, HandClock
from injective_reading import settings
from typer.testing import CliRunner

from hedged import cli
from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS
from hedged.download.http import Patience
from hedged.download.injective import Injective
from hedged.download.paging import Span
from hedged.download.run import Outcome, Wanted, download
from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig

HOURS = 250
"""More than two of the indexer's pages."""
HASTY = Patience(tries=3, first_s=0.01, longest_s=0.05)


@dataclass
class World:
    """A chain that stands still, and what it takes to download from it."""

    sandbox: InjectiveSandbox
    clock: HandClock
    out: Path

    async def download(self, **changes: Any) -> Outcome:
        now_ms = self.clock.now_ms()
        plain: dict[str, Any] = {"symbols": ["BTC", "INJ"], "span": Span(now_ms - 30 * DAY_MS, now_ms)}
        source = Injective(settings(self.sandbox), self.clock, np.random.default_rng(1), HASTY)
        try:
            return await download([source], Wanted(directory=self.out, **(plain | changes)), now_ms)
        finally:
            await source.close()


def run(out: Path, script: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        clock = HandClock(START_MS + 20 * MINUTE_MS)
        config = SandboxConfig(symbols=("BTC", "INJ"), block_time_s=None, history_hours=HOURS)
        async with InjectiveSandbox(config, clock) as sandbox:
            await script(World(sandbox, clock, out))

    asyncio.run(main())


def test_the_whole_history_of_the_indexer_comes_and_goes_on_from_there(tmp_path: Path) -> None:
    """If this fails, Injective's own funding, of which no other history exists, is lost or doubled."""

    async def script(made: World) -> None:
        first = await made.download(tables=["funding"])
        assert first.complete
        assert [(told.key.symbol, told.added) for told in first.told] == [("BTC", HOURS), ("INJ", HOURS)]
        assert all(gap.edge for told in first.told for gap in told.gaps)
        for _ in range(4):
            made.clock.ms += HOUR_MS // 2
            await made.sandbox.chain.next_block()
        again = await made.download(tables=["funding"])
        assert [told.added for told in again.told] == [2, 2]

    run(tmp_path, script)
    prints = pl.read_parquet(tmp_path / "funding" / "injective" / "BTC.parquet")
    ts_ms = prints["ts"].dt.epoch("ms")
    assert (ts_ms % HOUR_MS == 0).all()  # named by the instant it was due, not by its block
    assert (prints["known_ts"] > prints["ts"]).all()  # ... and known from its block on
    assert set(prints["interval_hours"]) == {1.0}


def test_open_interest_is_one_sided_and_of_the_present(tmp_path: Path) -> None:
    """If this fails, Injective's interest reads twice as large as that of every exchange."""

    async def script(made: World) -> None:
        outcome = await made.download(symbols=["INJ"], tables=["open_interest"])
        assert outcome.complete
        held = made.sandbox.markets["INJ"].positions.values()
        longs = sum(float(one.quantity) for one in held if one.is_long)
        frame = pl.read_parquet(tmp_path / "open_interest" / "injective" / "INJ.parquet")
        assert frame["open_interest_base"].to_list() == [pytest.approx(longs)]
        assert frame["known_ts"].to_list() == frame["ts"].to_list()

    run(tmp_path, script)


def test_a_node_that_is_silent_is_named(tmp_path: Path) -> None:
    """If this fails, a dead node ends in a traceback, or in an empty history."""

    async def script(made: World) -> None:
        made.sandbox.faults.silent_rpc = True
        outcome = await made.download(tables=["funding"])
        assert "DEADLINE_EXCEEDED" in outcome.lost["injective"]

    run(tmp_path, script)


def test_the_command_downloads_and_says_what_it_could_not(tmp_path: Path) -> None:
    """If this fails, the command does not read the configuration, or hides a failure behind exit code 0."""

    async def script(made: World) -> None:
        tree = {
            "injective": json.loads(settings(made.sandbox).model_dump_json(exclude_none=True)),
            "book": {"positions": {"BTC": {"usd": 1000}}},
        }
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(tree))
        arguments = ["download", "--config", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "data")]
        arguments += ["--venue", "injective", "--table", "funding", "--from", "2020-01-01"]
        told = await asyncio.to_thread(CliRunner().invoke, cli.app, arguments)
        assert (told.exit_code, told.exception) == (0, None), told.output
        assert _rows(told.output) == ["injective", "BTC", "funding", f"{HOURS}", f"{HOURS}"]
        made.sandbox.faults.silent_rpc = True
        monkey = pytest.MonkeyPatch()
        monkey.setattr("hedged.download.injective.Patience", lambda: HASTY)
        told = await asyncio.to_thread(CliRunner().invoke, cli.app, arguments)
        monkey.undo()
        assert told.exit_code == 1
        assert "injective could not be asked" in told.output

    run(tmp_path, script)


def _rows(output: str) -> list[str]:
    return next(line for line in output.splitlines() if line.startswith("injective  BTC")).split()[:5]


def test_a_command_that_cannot_work_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a mistyped option starts hours of downloading, or none at all in silence."""
    monkeypatch.chdir(tmp_path)
    for arguments, why in (
        (["--from", "2024-02-01", "--to", "2024-01-01", "--symbol", "BTC"], "nothing lies between"),
        ([], "no symbol: name them with --symbol BTC"),
        (["--symbol", "BTC/USDT", "--venue", "okx"], "is no symbol"),
        (["--from", "yesterday", "--symbol", "BTC"], "expected a day, YYYY-MM-DD"),
    ):
        told = CliRunner().invoke(cli.app, ["download", *arguments])
        assert told.exit_code != 0
        assert why in str(told.exception)
