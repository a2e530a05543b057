"""How often the judge of data quality is wrong: false alarms on true history, and planted faults that it misses.

    python benchmarks/measure_quality.py ../shared/data 2025-01-01 2026-01-01 BTC ETH SOL [--injective]

Every series is told hour by hour with its own prices alone (a borrowed one proves nothing). Running estimates are not
recorded: the print to come stands for them, which is harder than any estimate, for it moves at once. A fault of the
rate is planted into the estimate alone, into print and estimate, and into both from a series' first hour on. The error
is what a hedge of that size would be wrong about: mean |told − true| over the 14 days, per year, until it was found.
With `--injective` Hyperliquid stands in for Injective, by Injective's formula on its premium, which is told too.
"""

import copy
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np

from hedged.adapters.replay.proxy import Proxy, stand_in
from hedged.adapters.replay.series import series_of
from hedged.adapters.replay.tables import load_tables
from hedged.adapters.replay.venue import Block, observe_at
from hedged.collectors.quality.judge import Judge
from hedged.config import QualityConfig
from hedged.domain.bars import Field, Observation
from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import DataError
from hedged.domain.injective import InjectiveRule
from hedged.domain.market import INJECTIVE, SeriesKey

VENUES = ("binance", "bybit", "okx", "hyperliquid", "injective")
WARM_H, EVERY_H, WATCHED_H, SOON_H = 24 * 60, 24 * 28, 24 * 14, 72
YEAR_H = 8_760
RATES = (Field.FUNDING_ESTIMATE, Field.FUNDING_SETTLED)
FACTORS = {"× 100": 100, "× 24": 24, "× 8": 8, "÷ 8": 1 / 8, "÷ 24": 1 / 24, "÷ 100": 1 / 100, "reversed": -1}
Values = np.ndarray
Plant = Callable[[Values, int, Values], None]
"""Spoils the values of an hour, given how many hours ago the fault began and the values of that first hour."""


def scale(factor: float, *fields: Field) -> Plant:
    def plant(values: Values, _: int, __: Values) -> None:
        values[list(fields)] *= factor

    return plant


def freeze(values: Values, _: int, first: Values) -> None:
    values[Field.MARK] = first[Field.MARK]


def cap(values: Values, _: int, __: Values) -> None:
    values[Field.FUNDING_ESTIMATE] = 0.01


def infinite(values: Values, _: int, __: Values) -> None:
    values[Field.MARK] = np.inf


PLANTS: Mapping[str, Plant] = {
    "mark × 1.2": scale(1.2, Field.MARK),
    "mark × 1,000": scale(1_000, Field.MARK),
    "mark frozen": freeze,
    "mark infinite": infinite,
    "open interest × 100": scale(100, Field.OPEN_INTEREST),
    "rate is a cap of 1 % an hour": cap,
    **{f"estimate {name}": scale(factor, Field.FUNDING_ESTIMATE) for name, factor in FACTORS.items()},
    **{f"rate {name}": scale(factor, *RATES) for name, factor in FACTORS.items()},
    **{f"rate {name} from the start": scale(factor, *RATES) for name, factor in FACTORS.items()},
}
PLANTED_IN: Mapping[Field, Sequence[str]] = {
    field: [name for name in PLANTS if name.startswith(what)]
    for field, what in (
        (Field.MARK, "mark"),
        (Field.OPEN_INTEREST, "open interest"),
        (Field.FUNDING_ESTIMATE, ("estimate", "rate")),
    )
}
"""What is planted where a field is told, by two venues or more: of one alone nobody can tell what is wrong."""


@dataclass(frozen=True, slots=True)
class Case:
    """One planted fault: hours until it was found (inf: not within `WATCHED_H`), mean size of the true rate, and of the
    error until then, both per year."""

    fault: str
    venue: str
    after_h: float
    rate: float
    error: float


def blocks(data: Path, symbol: str, times: Values, *, estimates: bool) -> dict[SeriesKey, Block]:
    """Return what every venue told of a coin at each hour."""
    out = {}
    tables = load_tables(data, [symbol])
    if "--injective" in sys.argv:
        tables = stand_in(tables, Proxy("hyperliquid", "chain"))
    for key, one in series_of(tables).items():
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
            if key.venue == INJECTIVE:  # what it is charged by is known as far as the charge is
                rule = InjectiveRule()
                rate = values[:, Field.FUNDING_ESTIMATE]
                values[:, Field.PREMIUM] = 24 * (rate - float(rule.hourly_interest))
                known_ms[:, Field.PREMIUM] = known_ms[:, Field.FUNDING_ESTIMATE]
        out[key] = (values, known_ms)
    return out


def told(found: Mapping[SeriesKey, Block], times: Values) -> list[list[Observation]]:
    """Return the observations of every hour, of those that tell a price or a rate."""
    hours: list[list[Observation]] = [[] for _ in times]
    for key, (values, known_ms) in found.items():
        tells = np.isfinite(values[:, [Field.MARK, Field.FUNDING_SETTLED]]).any(1)
        for i in np.flatnonzero(tells):
            hours[i].append(Observation(key, int(times[i]), values[i], known_ms[i]))
    return hours


def alarms(hours: Sequence[Sequence[Observation]], times: Values) -> tuple[Counter[tuple[str, str]], float]:
    """Return how often each (venue, fault) was found, and in how many series-months."""
    judge, count, before = Judge(QualityConfig()), Counter[tuple[str, str]](), set[SeriesKey]()
    for ts_ms, seen in zip(times.tolist(), hours, strict=True):
        judge.look(ts_ms, seen)
        for key in set(judge.quarantined) - before:
            print(f"  {key} {judge.quarantined[key].text}")
            count[key.venue, judge.quarantined[key].fault] += 1
        before = set(judge.quarantined)
    return count, sum(map(len, hours)) / 730


def cases(hours: Sequence[Sequence[Observation]], times: Values) -> Iterator[Case]:
    """Yield what became of every fault, planted every four weeks into every market."""
    judge = Judge(QualityConfig())
    for i, (ts_ms, seen) in enumerate(zip(times.tolist(), hours, strict=True)):
        if i >= WARM_H and i % EVERY_H == 0 and i + WATCHED_H <= len(times):
            for field, plants in PLANTED_IN.items():
                keys = [one.key for one in seen if not np.isnan(one.values[field])]
                for key, name in product(keys if len(keys) > 1 else (), plants):
                    yield _watch(judge, hours[i : i + WATCHED_H], key, name)
        judge.look(ts_ms, seen)


def _watch(before: Judge, hours: Sequence[Sequence[Observation]], key: SeriesKey, name: str) -> Case:
    judge, plant = copy.deepcopy(before), PLANTS[name]
    if name.endswith("from the start"):
        judge._memory.pop(key, None)
        judge._held.pop(key, None)
    first = next(one.values for one in hours[0] if one.key == key)
    after_h, wrong, true = float("inf"), 0.0, []
    for i, seen in enumerate(hours):
        mine = next((one for one in seen if one.key == key), None)
        if mine is None:
            continue
        true.append(abs(mine.values[Field.FUNDING_ESTIMATE]))
        if after_h < float("inf"):
            continue
        values = mine.values.copy()
        plant(values, i, first)
        spoiled = Observation(key, mine.ts_ms, values, mine.known_at_ms)
        judge.look(mine.ts_ms, [spoiled if one is mine else one for one in seen])
        if key in judge.quarantined:
            after_h = float(i)
        else:
            error = abs(values[Field.FUNDING_ESTIMATE] - mine.values[Field.FUNDING_ESTIMATE])
            wrong += float(np.nan_to_num(error))
    rate = float(np.nan_to_num(np.array(true)).mean())
    return Case(name, key.venue, after_h, rate * YEAR_H, wrong / len(hours) * YEAR_H)


def share(some: Sequence[Case], within_h: float) -> str:
    """Format how many were found in time, and how much of all that was paid those were."""
    hit = [one for one in some if one.after_h < within_h]
    return f"{len(hit) / len(some):4.0%} ({sum(o.rate for o in hit) / sum(o.rate for o in some):4.0%})"


def report(all_cases: Sequence[Case]) -> None:
    print(
        "fault: found within 3 days, 14 days (weighted by |rate|), median hours, error until then a year; by venue"
    )
    for name in PLANTS:
        some = [one for one in all_cases if one.fault == name]
        if not some:
            continue
        caught = [one.after_h for one in some if one.after_h < float("inf")]
        late = f"{median(caught):g}" if caught else "-"
        missed = [one.rate for one in some if one.after_h == float("inf")]
        line = f"{name}: {share(some, SOON_H)} {share(some, WATCHED_H)} of {len(some)}, {late} h"
        line += f", error {sum(o.error for o in some) / len(some):.2%}"
        line += f", not found: rate {median(missed):.2%}" if missed else ""
        venues = {venue: [o for o in some if o.venue == venue] for venue in VENUES}
        print(
            line
            + "; "
            + ", ".join(f"{v} {share(c, SOON_H)} {share(c, WATCHED_H)}" for v, c in venues.items() if c)
        )


def main() -> None:
    data, begin, end = (
        Path(sys.argv[1]),
        *(datetime.fromisoformat(a).replace(tzinfo=UTC) for a in sys.argv[2:4]),
    )
    times = np.arange(begin.timestamp() * 1_000, end.timestamp() * 1_000, HOUR_MS, dtype=np.int64)
    planted: list[Case] = []
    for estimates in (False, True):
        count, months = Counter[tuple[str, str]](), 0.0
        for symbol in (one for one in sys.argv[4:] if not one.startswith("--")):
            try:
                found = blocks(data, symbol, times, estimates=estimates)
            except DataError as error:
                print(f"  {symbol}: {error}")
                continue
            hours = told(found, times)
            here, span = alarms(hours, times)
            count, months = count + here, months + span
            if estimates:
                planted += cases(hours, times)
        kind = "prints as estimates" if estimates else "prints as prints"
        print(f"{kind}: {sum(count.values())} quarantines in {months:.0f} series-months {dict(count)}")
    report(planted)


if __name__ == "__main__":
    main()
