"""Work in units that are kept: a measurement that was killed goes on where it was, and units share the cores."""

import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = list[NDArray[Any]]
Unit = Callable[[], Sequence[NDArray[Any]]]
_UNITS: dict[Path, Unit] = {}
"""What a forked worker is to make: it inherits this, since closures cannot be sent."""


def kept(units: Mapping[Path, Unit], jobs: int, on_done: Callable[[str], None] = print) -> dict[Path, Arrays]:
    """Make what is not there yet, in forked processes, and return everything by its file.

    A unit may use NumPy, torch, LightGBM and processes of its own, but not Polars, whose threads do not outlive a fork.
    """
    missing = [path for path in units if not path.is_file()]
    _UNITS.clear()
    _UNITS.update(units)
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=1) as pool:
        for path in pool.imap_unordered(_make, missing, chunksize=1):
            on_done(path.stem)
    return {path: _read(path) for path in units}


def _make(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.stem}.{os.getpid()}.partial.npz")
    np.savez(unfinished, *_UNITS[path]())
    unfinished.replace(path)
    return path


def _read(path: Path) -> Arrays:
    with np.load(path) as found:
        return [found[name] for name in found.files]
