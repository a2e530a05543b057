"""Writes laws hour by hour into arrays, in memory or straight into files: memory does not grow with the window."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hedged.backtest.laws.table import CARD, FORMAT, NOBODY, RANKS, Facts, LawTable
from hedged.domain.forecast import LEVELS, ForecastSet, joint_draws
from hedged.domain.market import SeriesKey

MOST_SCENARIOS = 256


class LawWriter:
    """Takes the laws of a window one after another; `done` gives the table. To be used in a `with`.

    `directory`: where the files go; None: memory. `dtype`: of quantiles and probabilities.
    """

    def __init__(
        self, keys: Sequence[SeriesKey], hours: int, directory: Path | None, dtype: DTypeLike = np.float32
    ) -> None:
        self._keys, self._directory = tuple(keys), directory
        self._column = {key: i for i, key in enumerate(self._keys)}
        self._coins = tuple(sorted({key.symbol for key in keys}))
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            (directory / CARD).unlink(missing_ok=True)
        n, levels = len(self._keys), len(LEVELS)
        shapes: dict[str, tuple[tuple[int, ...], DTypeLike, float]] = {
            "hours_ms": ((), np.int64, 0), "made_by": ((n,), np.int8, NOBODY), "means": ((n,), np.float64, np.nan),
            "p_up": ((n,), dtype, np.nan), "quantiles": ((n, levels), dtype, np.nan),
            "coming": ((n, levels), dtype, np.nan), "ranks_of": ((), np.int64, 0),
            "cascades": ((len(self._coins), 3), np.float32, np.nan),
        }  # fmt: skip
        self._empty = {name: empty for name, (_, _, empty) in shapes.items()}
        self._arrays = {
            name: self._new(name, (hours, *shape), kind) for name, (shape, kind, _) in shapes.items()
        }
        self._ranks: list[NDArray[np.uint8]] = []
        self._file = (directory / RANKS).open("wb") if directory is not None else None
        self._sets = 0
        self._latest: NDArray[np.uint8] | None = None
        self._forecasters: list[str] = []
        self._evidence: list[str] = [""]
        self._told: ForecastSet | None = None
        self._down_share, self._cascade_h = 0.0, 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def _new(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        if self._directory is None:
            return np.empty(shape, dtype)
        made: NDArray[Any] = np.lib.format.open_memmap(self._directory / f"{name}.npy", "w+", dtype, shape)
        return made

    def put(self, hour: int, hour_ms: int, told: ForecastSet) -> None:
        """Take the law of the hour of this number. Raises ValueError for more draws than are kept."""
        rows = {name: array[hour : hour + 1] for name, array in self._arrays.items()}
        for name, row in rows.items():
            row[:] = self._empty[name]
        columns = [self._column[key] for key in told.keys]
        rows["hours_ms"][0] = hour_ms
        for column, key in zip(columns, told.keys, strict=True):
            one = told.marginals[key]
            rows["made_by"][0, column] = _number(self._forecasters, told.made_by.get(key, ""))
            rows["means"][0, column], rows["p_up"][0, column] = one.mean, one.p_up
            rows["quantiles"][0, column] = one.quantiles
            if key in told.coming:
                rows["coming"][0, column] = told.coming[key]
        rows["ranks_of"][0] = self._ranks_of(told, columns)
        self._put_cascades(rows["cascades"][0], told)
        self._told = told

    def _ranks_of(self, told: ForecastSet, columns: list[int]) -> int:
        """Return the number of the set of ranks that gives the draws: the latest where it does, else a new one."""
        if not columns:
            return max(self._sets - 1, 0)
        laws = np.array([told.marginals[key].quantiles for key in told.keys])
        latest = self._latest
        if latest is not None:
            ranks = latest[:, columns].astype(np.int64)
            if len(ranks) == len(told.scenarios) and np.array_equal(
                joint_draws(laws, ranks).T, told.scenarios
            ):
                return self._sets - 1
        n = len(told.scenarios)
        if n > MOST_SCENARIOS or (latest is not None and n != len(latest)):
            raise ValueError(f"{n} joint draws: every hour has as many, at most {MOST_SCENARIOS}")
        order = np.argsort(told.scenarios, axis=0, kind="stable")
        new = np.zeros((n, len(self._keys)), np.uint8)
        new[:, columns] = np.argsort(order, axis=0, kind="stable")
        if self._file is not None:
            self._file.write(new.tobytes())
        else:
            self._ranks.append(new)
        self._latest, self._sets = new, self._sets + 1
        return self._sets - 1

    def _put_cascades(self, row: NDArray[np.float32], told: ForecastSet) -> None:
        for i, coin in enumerate(self._coins):
            if (view := told.cascades.get(coin)) is not None:
                crowd = np.nan if view.crowd is None else view.crowd
                row[i] = view.probability, crowd, _number(self._evidence, view.evidence)
                self._cascade_h, self._down_share = view.horizon_h, view.down_share

    def done(self, model_hash: str, feature_hash: str, horizon_h: int, key: str = "") -> LawTable:
        """Close the files, the card last, and return the table."""
        scenarios = len(self._latest) if self._latest is not None else 1
        if self._latest is None:
            self._latest = np.zeros((1, len(self._keys)), np.uint8)
            self._ranks.append(self._latest)
            if self._file is not None:
                self._file.write(self._latest.tobytes())
        facts = Facts(
            self._keys, horizon_h, model_hash, feature_hash, key, tuple(self._forecasters), scenarios, self._coins,
            tuple(self._evidence), self._cascade_h, self._down_share,
        )  # fmt: skip
        if self._directory is None or self._file is None:
            return LawTable(facts, ranks=np.array(self._ranks), **self._arrays)
        self._file.close()
        for array in self._arrays.values():
            array.flush()  # type: ignore[attr-defined]  # a memmap
        self._arrays.clear()
        text = json.dumps(asdict(facts) | {"format": FORMAT}, indent=1)
        (self._directory / CARD).write_text(text + "\n", encoding="utf-8")
        table = LawTable.load(self._directory, key)
        assert table is not None
        return table


def _number(names: list[str], name: str) -> int:
    """Return a name's number, a new one where it was not met before."""
    if name not in names:
        names.append(name)
    return names.index(name)
