"""`hedged sandbox` as a process of its own: what an operator gets from it."""

import asyncio
import os
import re
import signal
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from commands import hedged
from pyinjective.proto.injective.exchange.v2 import query_pb2 as query
from pyinjective.proto.injective.exchange.v2 import query_pb2_grpc as query_grpc
from pyinjective.wallet import PrivateKey

from hedged.config import load_config
from hedged.sandbox.injective.rehearsal import throwaway_key

STARTUP_S = 90


@dataclass
class Running:
    """The command, the lines it has printed so far, and where it writes."""

    process: subprocess.Popen[str]
    out: Path
    lines: list[str]

    def read_until(self, pattern: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if re.search(pattern, line):
                return line
        raise AssertionError(f"ended without {pattern!r}: {self.lines[-5:]}")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox of two markets with hours of a second each, on free ports."""
    out = tmp_path_factory.mktemp("sandbox")
    ports = [f"--{name}-port=0" for name in ("chain", "indexer", "stream", "http")]
    options = [
        "--speed",
        "3600",
        "--block-time",
        "0.1",
        "--history",
        "48",
        "--symbol",
        "INJ",
        "--symbol",
        "BTC",
    ]
    held = ["--position", "INJ=-50000", "--position", "BTC=20000"]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "hedged", "sandbox", *options, *held, *ports, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    )
    running = Running(process, out, [])
    running.read_until("Then, in another terminal")
    try:
        yield running
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_what_it_writes_is_a_sound_configuration_and_a_private_key_file(sandbox: Running) -> None:
    """If this fails, an operator cannot paste what is printed, or others on the machine can read the key."""
    config = load_config(sandbox.out / "config.yaml")
    assert config.mode == "paper"
    assert config.book.source == "injective"
    key_file = config.injective.key_file
    assert key_file is not None
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    key = PrivateKey.from_hex(key_file.read_text().strip())
    grantee = key.to_public_key().to_address().to_acc_bech32()
    printed = "\n".join(sandbox.lines)
    assert grantee in printed
    assert config.book.address is not None
    assert config.book.address in printed
    for secret in (key.to_hex(), throwaway_key(7, "operator").to_hex()):
        assert secret not in printed
        assert secret not in (sandbox.out / "config.yaml").read_text()


def test_it_serves_what_it_says_and_tells_every_funding(sandbox: Running) -> None:
    """If this fails, the addresses printed are not where it listens, or nothing is told of the position's funding."""
    config = load_config(sandbox.out / "config.yaml")

    async def positions() -> list[str]:
        import grpc

        async with grpc.aio.insecure_channel(config.injective.nodes[0].chain_grpc) as channel:
            answer = await query_grpc.QueryStub(channel).Positions(query.QueryPositionsRequest(), timeout=10)
            return [row.subaccount_id for row in answer.state]

    address = throwaway_key(7, "operator").to_public_key().to_address()
    assert asyncio.run(positions()).count(address.get_subaccount_id(0)) == 2
    assert re.search(r"#\d+ FUNDING INJ [+-]0\.\d+% per hour", sandbox.read_until("FUNDING INJ"))
    assert "USDT of funding on -" in sandbox.read_until(
        r"(received|paid) \d+\.\d{6} USDT of funding on -.* INJ"
    )


def test_a_fault_is_switched_from_another_terminal(sandbox: Running) -> None:
    """If this fails, the manual's curl commands do nothing."""
    url = re.search(r"http://\S+/faults", "\n".join(sandbox.lines))
    assert url is not None
    request = urllib.request.Request(f"{url[0]}/halt", method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert b'"halt": true' in answer.read()
    request = urllib.request.Request(f"{url[0]}/halt", method="DELETE")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert b'"halt": false' in answer.read()


def test_sigterm_ends_it_cleanly(sandbox: Running) -> None:
    """If this fails, a supervisor would have to kill it, or it leaves a traceback behind."""
    sandbox.process.send_signal(signal.SIGTERM)
    sandbox.read_until("^stopped")
    assert sandbox.process.wait(timeout=STARTUP_S) == 0
    assert not [line for line in sandbox.lines if "Traceback" in line]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--position", "INJ"], "expected SYMBOL=USD"),
        (["--symbol", "BTC", "--position", "INJ=100"], "not among the markets"),
        (["--symbol", "XYZ"], "no market for XYZ"),
        (["--symbol", "INJ", "--markets", "5"], "--symbol and --markets both say"),
        (["--data", "nowhere"], "cannot be played"),
        (["--data", "nowhere", "--tides", "4"], "leave one out"),
    ],
)
def test_a_wrong_option_is_one_line(options: list[str], text: str, tmp_path: Path) -> None:
    """If this fails, a typing error ends in a traceback instead of a remedy."""
    done = hedged("sandbox", *options, "--out", str(tmp_path), "--chain-port", "0")
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr
