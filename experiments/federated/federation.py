"""Starting a federation on loopback: a server process and one process for each node, in the engine's environment."""

import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.federated.learning import Agreement

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / "out/experiments/flower/bin/python"
"""Made by `environment.sh`."""
QUIET = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "PYTHONPATH": str(ROOT),
}


class Federation:
    """One run. `rows`: the file of each node, opened by that node alone; `poisons`: what it does to its weights."""

    def __init__(self, agreement: Agreement, rows: Sequence[Path], out: Path, python: Path = PYTHON) -> None:
        self._agreement, self._rows, self._out, self._python = agreement, rows, out, python

    def run(
        self, strategy: str = "mean", poisons: Sequence[str] = (), timeout_s: float = 3_600.0
    ) -> list[list[NDArray[Any]]]:
        """Run all rounds → the common weights after each, the first being those before any (standardised).

        A run whose last round is there already is not run again. Raises RuntimeError with the end of the server's log
        when it fails or is not done in time.
        """
        rounds, out = self._agreement.last, self._out
        if not self._file(rounds).is_file():
            out.mkdir(parents=True, exist_ok=True)
            self._federate(strategy, poisons, timeout_s)
        return [self._round(number) for number in range(rounds + 1)]

    def _federate(self, strategy: str, poisons: Sequence[str], timeout_s: float) -> None:
        out = self._out
        agreed, address = out / "agreement.json", f"127.0.0.1:{_free_port()}"
        self._agreement.write(agreed)
        server = self._start("server", "--address", address, "--agreement", agreed, "--strategy", strategy,
                             "--nodes", len(self._rows), "--out", out)  # fmt: skip
        started = [server]
        try:
            for number, rows in enumerate(self._rows):
                poison = poisons[number] if poisons else "none"
                started.append(self._start("node", "--server", address, "--agreement", agreed, "--rows", rows,
                                           "--number", number, "--poison", poison))  # fmt: skip
            if server.wait(timeout_s) != 0:
                raise RuntimeError(f"the server failed: {self._tail()}")
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"the federation was not done in {timeout_s:g} s: {self._tail()}") from None
        finally:
            for process in started:
                _end(process, patience_s=60.0 if server.poll() == 0 else 0.0)

    def _start(self, module: str, *arguments: object) -> subprocess.Popen[bytes]:
        number = arguments[arguments.index("--number") + 1] if "--number" in arguments else ""
        command = [str(self._python), "-m", f"experiments.federated.{module}", *map(str, arguments)]
        with (self._out / f"{module}{number}.log").open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - our own modules
                command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT, env=os.environ | QUIET
            )

    def _round(self, number: int) -> list[NDArray[Any]]:
        with np.load(self._file(number)) as kept:
            return [kept[name] for name in kept.files]

    def _file(self, number: int) -> Path:
        return self._out / f"round-{number}.npz"

    def _tail(self) -> str:
        return (self._out / "server.log").read_text(errors="replace")[-800:]


def _end(process: subprocess.Popen[bytes], patience_s: float) -> None:
    """Let a process end by itself, then end it."""
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait(30.0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
