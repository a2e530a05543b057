"""A sheet as a row that outlives the process: a head in JSON, and all numbers as float64, little-endian, row by row."""

import json
from typing import NamedTuple

import numpy as np

from hedged.domain.forecast import LEVELS
from hedged.domain.market import SeriesKey
from hedged.forecast.record.settled import Tally
from hedged.forecast.record.sheet import Law, Sheet

OWN = 4  # last, s, outcome, known_ms
LAW = len(LEVELS) + 1  # and p_up


class StoredSheet(NamedTuple):
    """What is written: `body` is a matrix of one row per series."""

    origin_ms: int
    head: str
    body: bytes


def stored(sheet: Sheet) -> StoredSheet:
    """Turn a sheet into a row."""
    head = {
        "horizon_h": sheet.horizon_h,
        "keys": [list(key) for key in sheet.keys],
        "laws": list(sheet.laws),
        "settled": list(sheet.settled),
        "closed": sheet.closed,
    }
    own = np.column_stack((sheet.last, sheet.s, sheet.outcome, sheet.known_ms))
    laws = [np.column_stack((law.quantiles, law.p_up)) for law in sheet.laws.values()]
    matrix = np.concatenate([own, *laws, *sheet.settled.values()], axis=1)
    return StoredSheet(
        sheet.origin_ms, json.dumps(head, separators=(",", ":")), matrix.astype("<f8").tobytes()
    )


def restored(row: StoredSheet) -> Sheet:
    """Turn a row into the sheet. Raises ValueError for one that is none."""
    try:
        head = json.loads(row.head)
        keys = tuple(SeriesKey(venue, symbol) for venue, symbol in head["keys"])
        names, settled = [str(name) for name in head["laws"]], [str(name) for name in head["settled"]]
        horizon_h, closed = int(head["horizon_h"]), bool(head["closed"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"no head of a sheet: {error!r}") from error
    width = OWN + LAW * len(names) + len(Tally) * len(settled)
    matrix = np.frombuffer(row.body, "<f8").astype(np.float64).reshape(len(keys), width)
    parts = np.split(matrix, np.cumsum([OWN, *[LAW] * len(names), *[len(Tally)] * len(settled)])[:-1], axis=1)
    own, laws, sums = parts[0], parts[1 : 1 + len(names)], parts[1 + len(names) :]
    return Sheet(
        row.origin_ms, horizon_h, keys, own[:, 0], own[:, 1], own[:, 2], own[:, 3].astype(np.int64),
        {name: Law(part[:, :-1], part[:, -1]) for name, part in zip(names, laws, strict=True)},
        dict(zip(settled, sums, strict=True)), closed,
    )  # fmt: skip
