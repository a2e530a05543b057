"""How often the judge of data quality is wrong: false alarms on true history, and planted faults that it misses.

    python benchmarks/measure_quality.py ../shared/data 2025-01-01 2026-01-01 BTC ETH SOL

Every series is told hour by hour with its own prices alone (a borrowed one proves nothing). Running estimates are not
recorded: the print to come stands for them, which is harder than any estimate, for it moves at once.
"""

import copy
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np

from hedged.adapters.replay.series import series_of
from hedged.adapters.replay.tables import load_tables
from hedged.adapters.replay.venue import Block, observe_at
from hedged.collectors.quality.judge import Judge
from hedged.config import QualityConfig
from hedged.domain.bars import Field, Observation
from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import DataError
from hedged.domain.market import SeriesKey

VENUES = ("binance", "bybit", "okx", "hyperliquid")
WARM_H, EVERY_H, WATCHED_H = 24 * 60, 24 * 14, 72
Values = np.ndarray
Plant = Callable[[Values, int, Values], None]
"""Spoils the values of an hour, given how many hours ago the fault began and the values of that first hour."""


def scale(field: Field, factor: float) -> Plant:
    def plant(values: Values, _: int, __: Values) -> None:
        values[field] *= factor

    return plant


def freeze(values: Values, _: int, first: Values) -> None:
    values[Field.MARK] = first[Field.MARK]


def cap(values: Values, _: int, __: Values) -> None:
    values[Field.FUNDING_ESTIMATE] = 0.01


def infinite(values: Values, _: int, __: Values) -> None:
    values[Field.MARK] = np.inf


PLANTS: Mapping[str, Plant] = {
    "mark × 1.2": scale(Field.MARK, 1.2),
    "mark × 1,000": scale(Field.MARK, 1_000),
    "mark frozen": freeze,
    "mark infinite": infinite,
    "rate × 100": scale(Field.FUNDING_ESTIMATE, 100),
    "rate × 24": scale(Field.FUNDING_ESTIMATE, 24),
    "rate × 8": scale(Field.FUNDING_ESTIMATE, 8),
    "rate ÷ 8": scale(Field.FUNDING_ESTIMATE, 1 / 8),
    "rate is a cap of 1 % an hour": cap,
    "rate's sign reversed": scale(Field.FUNDING_ESTIMATE, -1),
    "open interest × 100": scale(Field.OPEN_INTEREST, 100),
}


def blocks(data: Path, symbol: str, times: Values, *, estimates: bool) -> dict[SeriesKey, Block]:
    """Return what every venue told of a coin at each hour."""
    out = {}
    for key, one in series_of(load_tables(data, [symbol])).items():
        if key.venue not in VENUES or not len(one.funding_ts):
            continue
        values, known_ms = observe_at({key: one}, key, times)
        if estimates:
            at = np.searchsorted(one.funding_ts, times, side="right")
            coming = np.clip(at, 0, len(one.funding_ts) - 1)
            hours = one.funding_hours[coming]
            told = (at < len(one.funding_ts)) & (one.funding_ts[coming] - times <= hours * HOUR_MS)
            values[:, Field.FUNDING_ESTIMATE] = np.where(told, one.funding_rate[coming] / hours, np.nan)
            values[:, Field.INTERVAL_H] = np.where(told, hours, values[:, Field.INTERVAL_H])
            known_ms[:, Field.FUNDING_ESTIMATE] = np.where(told, times, 0)
        out[key] = (values, known_ms)
    return out


def told(found: Mapping[SeriesKey, Block], i: int, ts_ms: int) -> list[Observation]:
    """Return the observations of an hour, of those that tell a price or a rate."""
    seen = [Observation(key, ts_ms, values[i], known[i]) for key, (values, known) in found.items()]
    return [o for o in seen if np.isfinite(o.values[[Field.MARK, Field.FUNDING_SETTLED]]).any()]


def alarms(found: Mapping[SeriesKey, Block], times: Values) -> tuple[Counter[tuple[str, str]], float]:
    """Return how often each (venue, fault) was found, and in how many series-months."""
    judge, count, hours, before = Judge(QualityConfig()), Counter[tuple[str, str]](), 0, set[SeriesKey]()
    for i, ts_ms in enumerate(times.tolist()):
        seen = told(found, i, ts_ms)
        judge.look(ts_ms, seen)
        hours += len(seen)
        for key in set(judge.quarantined) - before:
            print(f"  {key} {judge.quarantined[key].text}")
            count[key.venue, judge.quarantined[key].fault] += 1
        before = set(judge.quarantined)
    return count, hours / 730


def delays(found: Mapping[SeriesKey, Block], times: Values) -> Iterator[tuple[str, float]]:
    """Yield each planted fault's name and the hours until it was found; inf: not within three days."""
    judge = Judge(QualityConfig())
    for i, ts_ms in enumerate(times.tolist()):
        if i >= WARM_H and i % EVERY_H == 0 and i + WATCHED_H < len(times):
            keys = [o.key for o in told(found, i, ts_ms) if not np.isnan(o.values[Field.MARK])]
            if len(keys) > 1:
                key = keys[i // EVERY_H % len(keys)]
                for name, plant in PLANTS.items():
                    if name != "open interest × 100" or not np.isnan(found[key][0][i, Field.OPEN_INTEREST]):
                        yield name, _delay(copy.deepcopy(judge), found, times, i, key, plant)
        judge.look(ts_ms, told(found, i, ts_ms))


def _delay(
    judge: Judge, found: Mapping[SeriesKey, Block], times: Values, start: int, key: SeriesKey, plant: Plant
) -> float:
    first = found[key][0][start]
    for i in range(start, start + WATCHED_H):
        seen = []
        for one in told(found, i, int(times[i])):
            if one.key == key:
                values = one.values.copy()
                plant(values, i - start, first)
                one = Observation(key, one.ts_ms, values, one.known_at_ms)
            seen.append(one)
        judge.look(int(times[i]), seen)
        if key in judge.quarantined:
            return float(i - start)
    return float("inf")


def main() -> None:
    data, begin, end = (
        Path(sys.argv[1]),
        *(datetime.fromisoformat(a).replace(tzinfo=UTC) for a in sys.argv[2:4]),
    )
    times = np.arange(begin.timestamp() * 1_000, end.timestamp() * 1_000, HOUR_MS, dtype=np.int64)
    found_after: dict[str, list[float]] = defaultdict(list)
    for estimates in (False, True):
        count, months = Counter[tuple[str, str]](), 0.0
        for symbol in sys.argv[4:]:
            try:
                found = blocks(data, symbol, times, estimates=estimates)
            except DataError as error:
                print(f"  {symbol}: {error}")
                continue
            here, span = alarms(found, times)
            count, months = count + here, months + span
            if estimates:
                for name, hours in delays(found, times):
                    found_after[name].append(hours)
        kind = "prints as estimates" if estimates else "prints as prints"
        print(f"{kind}: {sum(count.values())} quarantines in {months:.0f} series-months {dict(count)}")
    for name, hours in found_after.items():
        caught = [h for h in hours if h < float("inf")]
        late = f"after {median(caught):g} h" if caught else ""
        print(f"{name}: {len(caught)} of {len(hours)} found, median {late}")


if __name__ == "__main__":
    main()
