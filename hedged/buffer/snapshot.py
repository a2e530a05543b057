"""The ring buffer's window as a file, so that a restart asks the venues for the missing tail alone.

One line of JSON says what it is; then, series by series, a line with length and checksum and the numbers as Parquet: so
neither writing nor reading holds more than one series beside the window. The recorder's directory would be a second
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
from typing import Any, BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.buffer.ring import BarWindow
from hedged.directories import private
from hedged.domain.bars import N_FIELDS, Field
from hedged.domain.errors import DataError
from hedged.domain.market import SeriesKey

FORMAT = 2
FIELDS_HASH = hashlib.sha256("|".join(f"{f.value}:{f.name}" for f in Field).encode()).hexdigest()[:16]
MOST_HEADER_BYTES = 2**20
MOST_BARS = 1_000_000
UNREADABLE = (
    ArithmeticError, LookupError, MemoryError, RecursionError, TypeError, ValueError, pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
)  # fmt: skip
"""What a damaged file, or one that somebody made up, may end in."""
COLUMNS = [f"{kind}{field}" for kind in ("value", "age") for field in range(N_FIELDS)]


def write_snapshot(path: Path, window: BarWindow, origin: str) -> int:
    """Write a window so that it is there whole or not at all, whatever dies meanwhile; return its bytes.

    `origin` names the world that the data are of. Raises OSError.
    """
    header = {
        "format": FORMAT,
        "fields": FIELDS_HASH,
        "origin": origin,
        "bar_ms": window.bar_ms,
        "first_ms": int(window.times_ms[0]) if len(window.times_ms) else 0,
        "bars": len(window.times_ms),
        "keys": [list(key) for key in window.keys],
    }
    partial = path.with_name(f"{path.name}.partial")
    with open(partial, "wb", opener=private) as file:
        file.write(json.dumps(header).encode() + b"\n")
        for values, ages_s in zip(window.values, window.ages_s, strict=True):
            block = _packed(np.concatenate((values, ages_s), axis=1))
            mark = {"bytes": len(block), "sha256": hashlib.sha256(block).hexdigest()}
            file.write(json.dumps(mark).encode() + b"\n")
            file.write(block)
        size = file.tell()
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return size


def _packed(numbers: NDArray[np.float32]) -> bytes:
    packed = BytesIO()
    pl.DataFrame(numbers, schema=COLUMNS, orient="row").write_parquet(
        packed, compression="zstd", compression_level=1
    )
    return packed.getvalue()


def read_snapshot(path: Path, bar_ms: int, origin: str, from_ms: int, now_ms: int) -> BarWindow | None:
    """Return the bars with from < end ≤ now; None where there is no file.

    Raises DataError, which says why, for a file that cannot be used.
    """
    try:
        with path.open("rb") as file:
            header = _header(file.readline(MOST_HEADER_BYTES))
            _must_fit(header, bar_ms, origin)
            window = _window(header, file)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"it cannot be read: {error}") from None
    except UNREADABLE as error:
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


def _window(header: dict[str, Any], file: BinaryIO) -> BarWindow:
    keys = tuple(SeriesKey(str(venue), str(symbol)) for venue, symbol in header["keys"])
    bars, bar_ms, first_ms = int(header["bars"]), int(header["bar_ms"]), int(header["first_ms"])
    if first_ms % bar_ms or len(set(keys)) != len(keys) or not 0 <= bars <= MOST_BARS:
        raise ValueError("bars off the grid, more than anybody keeps, or a series told twice")
    values = np.empty((len(keys), bars, N_FIELDS), np.float32)
    ages_s = np.empty_like(values)
    for row in range(len(keys)):
        numbers = _numbers(file)
        values[row], ages_s[row] = numbers[:, :N_FIELDS], numbers[:, N_FIELDS:]
        if not np.array_equal(np.isnan(values[row]), ~(ages_s[row] >= 0)):
            raise ValueError("a value without an age, or from the future")
    times_ms = first_ms + np.arange(bars, dtype=np.int64) * bar_ms
    return BarWindow(keys, bar_ms, times_ms, values, ages_s)


def _numbers(file: BinaryIO) -> NDArray[np.float32]:
    """Read the next series, (bars, columns). Raises DataError where it is not as it was written."""
    try:
        mark = json.loads(file.readline(MOST_HEADER_BYTES))
        block, digest = file.read(mark["bytes"]), mark["sha256"]
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        block, digest = b"", None
    if hashlib.sha256(block).hexdigest() != digest:
        raise DataError("it is torn: its checksum does not agree")
    return pl.read_parquet(BytesIO(block)).select(COLUMNS).cast(pl.Float32).to_numpy()


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
