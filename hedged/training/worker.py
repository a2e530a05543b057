"""`python -m hedged.training.worker ORDER PARENT`: carries out one order, as a process of its own.

ORDER: the file. PARENT: the process that it must not outlive, 0 for none. What it is at goes to its standard output, a
JSON object a line; what libraries print goes to standard error. What came of it stands in `out/result.json` beside the
order; without that it has failed, and goes on with the members that it has finished when it is started again.
"""

import fcntl
import json
import os
import sys
from pathlib import Path

from hedged.directories import private
from hedged.domain.errors import ConfigError, DataError
from hedged.forecast.models.trainings import LOCK, Order, Result, read_order, write_result
from hedged.training.bounds import bind

OUT_OF_MEMORY, BUSY = 71, 72


def main(arguments: list[str]) -> int:
    """Bind the process, then train. Returns the exit code."""
    path, parent = Path(arguments[0]), int(arguments[1])
    order = read_order(path)
    bind(order.memory_mb, order.nice, parent or None)
    try:
        lock = open(path.parent / LOCK, "a", opener=private)  # noqa: SIM115  # held until the process ends
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write("another training is at work here\n")
        return BUSY
    lines = os.dup(1)
    os.dup2(2, 1)
    try:
        result = _carry_out(order, path.parent / "out", lines)
    except MemoryError as error:
        sys.stderr.write(f"out of memory: {error}\n")
        return OUT_OF_MEMORY
    except RuntimeError as error:
        if "alloc" in str(error):  # what torch and LightGBM make of an allocation that failed
            sys.stderr.write(f"out of memory: {error}\n")
            return OUT_OF_MEMORY
        raise
    write_result(path.parent / "out", result)
    return 0


def _carry_out(order: Order, out: Path, lines: int) -> Result:
    try:
        # torch, after the bounds: what it asks for counts
        from hedged.training.carry_out import carry_out
    except ModuleNotFoundError as missing:
        return Result(
            order.ordered_ms, "unable", f"training needs {missing.name}: pip install 'hedged[train]'"
        )

    def tell(stage: str, share: float) -> None:
        text = json.dumps({"stage": stage, "share": round(share, 4)}) + "\n"
        os.write(lines, text.encode())

    try:
        return carry_out(order, out, tell)
    except (ConfigError, DataError) as error:
        return Result(order.ordered_ms, "unable", str(error))
    except ArithmeticError as error:
        return Result(order.ordered_ms, "rejected", str(error))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
