"""The ring buffer's window as a file, so that a restart asks the venues for the missing tail alone.

One line of JSON (what it is, with a checksum), then the numbers as Parquet. The recorder's directory would be a second
reading of the same past, but it holds only what the daemon collected while it ran: the months that a cold start read
from the venues, which are what a restart must not cost again, never pass through it.

Every value keeps the instant from which it was known, as its age at the bar's end: a restored window tells no more than
the buffer did. Whatever is odd about a file (torn, of another world or format, too old) costs a cold start, never more.
"""

import hashlib
import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.buffer.ring import BarWindow
from hedged.directories import private
from hedged.domain.bars import N_FIELDS, Field
from hedged.domain.errors import DataError
from hedged.domain.market import SeriesKey

FORMAT = 1
FIELDS_HASH = hashlib.sha256("|".join(f"{f.value}:{f.name}" for f in Field).encode()).hexdigest()[:16]
MOST_HEADER_BYTES = 2**20
COLUMNS = [f"{kind}{field}" for kind in ("value", "age") for field in range(N_FIELDS)]


def write_snapshot(path: Path, window: BarWindow, origin: str) -> int:
    """Write a window so that it is there whole or not at all, whatever dies meanwhile; return its bytes.

    `origin` names the world that the data are of. Raises OSError.
    """
    numbers = np.concatenate((window.values, window.ages_s), axis=2).reshape(-1, len(COLUMNS))
    packed = BytesIO()
    pl.DataFrame(numbers, schema=COLUMNS, orient="row").write_parquet(
        packed, compression="zstd", compression_level=1
    )
    body = packed.getvalue()
    header = {
        "format": FORMAT,
        "fields": FIELDS_HASH,
        "origin": origin,
        "bar_ms": window.bar_ms,
        "first_ms": int(window.times_ms[0]) if len(window.times_ms) else 0,
        "bars": len(window.times_ms),
        "keys": [list(key) for key in window.keys],
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    partial = path.with_name(f"{path.name}.partial")
    with open(partial, "wb", opener=private) as file:
        file.write(json.dumps(header).encode() + b"\n")
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return len(body)


def read_snapshot(path: Path, bar_ms: int, origin: str, from_ms: int, now_ms: int) -> BarWindow | None:
    """Return the bars with from < end ≤ now; None where there is no file.

    Raises DataError, which says why, for a file that cannot be used.
    """
    try:
        with path.open("rb") as file:
            line, body = file.readline(MOST_HEADER_BYTES), file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"it cannot be read: {error}") from None
    header = _header(line)
    _must_fit(header, bar_ms, origin)
    if hashlib.sha256(body).hexdigest() != header.get("sha256"):
        raise DataError("it is torn: its checksum does not agree")
    try:
        window = _window(header, body)
    except (ArithmeticError, LookupError, TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"its numbers cannot be read: {type(error).__name__} {error}") from None
    return _still_wanted(window, from_ms, now_ms)


def _header(line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or not line.endswith(b"\n"):
        raise DataError("it does not begin like a snapshot")
    return header


def _must_fit(header: dict[str, Any], bar_ms: int, origin: str) -> None:
    """Refuse a snapshot of another program, configuration or world."""
    for name, wanted in (("format", FORMAT), ("fields", FIELDS_HASH), ("bar_ms", bar_ms), ("origin", origin)):
        if header.get(name) != wanted:
            raise DataError(f"its {name} is {header.get(name)!r}, wanted is {wanted!r}")


def _window(header: dict[str, Any], body: bytes) -> BarWindow:
    keys = tuple(SeriesKey(str(venue), str(symbol)) for venue, symbol in header["keys"])
    bars, bar_ms = int(header["bars"]), int(header["bar_ms"])
    frame = pl.read_parquet(BytesIO(body)).select(COLUMNS).cast(pl.Float32)
    numbers: NDArray[np.float32] = frame.to_numpy().reshape(len(keys), bars, len(COLUMNS))
    first_ms = int(header["first_ms"])
    if first_ms % bar_ms or len(set(keys)) != len(keys):
        raise ValueError("bars off the grid, or a series told twice")
    values, ages_s = numbers[:, :, :N_FIELDS], numbers[:, :, N_FIELDS:]
    if not np.array_equal(np.isnan(values), ~(ages_s >= 0)):
        raise ValueError("a value without an age, or from the future")
    times_ms = first_ms + np.arange(bars, dtype=np.int64) * bar_ms
    return BarWindow(keys, bar_ms, times_ms, values, ages_s)


def _still_wanted(window: BarWindow, from_ms: int, now_ms: int) -> BarWindow:
    if not len(window.times_ms) or window.times_ms[-1] <= from_ms:
        raise DataError("it is too old: all of it lies before the window")
    if window.times_ms[0] > from_ms + window.bar_ms:
        raise DataError("it begins too late: the window was shorter then")
    if window.times_ms[-1] > now_ms:
        raise DataError("it ends after the present: the clock went back, or it is another clock's")
    new = slice(int(np.searchsorted(window.times_ms, from_ms, side="right")), None)
    return BarWindow(
        window.keys, window.bar_ms, window.times_ms[new], window.values[:, new], window.ages_s[:, new]
    )
