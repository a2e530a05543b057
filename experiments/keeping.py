"""Work in units that are kept: a measurement that was killed goes on where it was, and units share the cores."""

import math
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = list[NDArray[Any]]
Unit = Callable[[], Sequence[NDArray[Any]]]
_UNITS: dict[Path, Unit] = {}
"""What a forked worker is to make: it inherits this, since closures cannot be sent."""


def kept(
    units: Mapping[Path, Unit], jobs: int, on_done: Callable[[str], None], until_s: float = math.inf
) -> dict[Path, Arrays]:
    """Make what is not there yet, in their order, in forked processes, and return what is there then by its file.

    `jobs`: how many at once (0: make nothing); `until_s`: the monotonic instant at which units that are not finished
    are given up. A unit may use NumPy, torch, LightGBM and processes of its own, but not Polars, whose threads do not
    outlive a fork.
    """
    missing = [path for path in units if not path.is_file()]
    _UNITS.clear()
    _UNITS.update(units)
    if jobs and missing:
        with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=1) as pool:
            made = pool.imap_unordered(_make, missing, chunksize=1)
            for _ in missing:
                try:
                    left_s = until_s - time.monotonic()
                    on_done(made.next(max(left_s, 0.0) if math.isfinite(left_s) else None).stem)
                except multiprocessing.TimeoutError:
                    on_done("out of time")
                    break
    return {path: _read(path) for path in units if path.is_file()}


def _make(path: Path) -> Path:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that a unit ends the processes that it started
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.stem}.{os.getpid()}.partial.npz")
    np.savez(unfinished, *_UNITS[path]())
    unfinished.replace(path)
    return path


def _read(path: Path) -> Arrays:
    with np.load(path) as found:
        return [found[name] for name in found.files]
