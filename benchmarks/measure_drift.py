"""How often the detectors of drift are wrong, and how long they take: on out-of-sample forecasts of real markets.

    hedged forecast --data DATA --from 2024-07-01 --to 2025-07-01 --model MODEL --out year.parquet   # of each model
    python benchmarks/measure_drift.py DATA WORK year.parquet ... --symbols BTC ETH SOL BNB DOGE INJ

Beside each forecast of 24 hours that was made at 0, 8 or 16 h UTC stands the EWMA's of that hour, made as the daemon
makes it; both are judged as the daemon judges them. WORK keeps the losses, which take a minute for half a year.

In control: the forecasts as they were, and years drawn from each model's own by the stationary bootstrap of four weeks
(Politis and Romano 1994). An alarm is followed by another model, whose record begins anew. Planted, from the 90th day
on, into the model's laws alone: its move away from the last rate is shrunk or turned round; its laws are shifted by a
share of s; it is asked with inputs that are so many hours old.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl

from hedged.adapters.replay.series import series_of
from hedged.adapters.replay.tables import load_tables
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.forecast import QUANTILE_COLUMNS
from hedged.domain.market import SeriesKey
from hedged.evaluation.losses import pinball
from hedged.evaluation.truth import settle
from hedged.features.history import grid_at
from hedged.forecast.drift.blocks import WINDOW_D, Blocks, blocks_of
from hedged.forecast.drift.bounds import Bound, direction_from_above, ratio_bound
from hedged.forecast.drift.cusum import Cusum, went_on
from hedged.forecast.drift.verdict import DETECTORS
from hedged.forecast.ewma import EwmaConfig, EwmaForecaster
from hedged.forecast.paired import Paired

VENUES = ("binance", "bybit", "okx", "hyperliquid")
EVERY_MS = 8 * HOUR_MS
SEEN_H, CHUNK_D = 720, 60
HORIZON, HORIZON_H = "m24h", 24
TIE, UNDECIDED = 1e-11, 1e-9
FLOOR = 0.60
NONE = Bound(float("nan"), float("nan"))
YEAR_D, PLANTED_D, RUN_D, SOON_D = 365, 90, 28, 60
LEAST_ROWS = 400
"""Of a market that is looked at alone: four months of three a day."""


@dataclass(frozen=True)
class Laws:
    """Rows of one model by origin, series after series: rates per hour. `law`, `ewma` (n, levels); `series`: numbers of
    `names`.
    """

    names: np.ndarray
    origin_ms: np.ndarray
    series: np.ndarray
    p_up: np.ndarray
    law: np.ndarray
    ewma: np.ndarray
    last: np.ndarray
    s: np.ndarray
    y: np.ndarray


Plant = Callable[[Laws], Laws]


def laws_of(data: Path, forecasts: Path, symbols: list[str], work: Path) -> Laws:
    """Read what is kept, else judge the forecasts and make the EWMA's."""
    kept = work / f"{forecasts.stem}.npz"
    if kept.is_file():
        with np.load(kept) as arrays:
            return Laws(**{name: arrays[name] for name in Laws.__dataclass_fields__})
    frame = pl.scan_parquet(forecasts).filter(
        (pl.col("horizon") == HORIZON)
        & pl.col("venue").is_in(VENUES)
        & pl.col("symbol").is_in(symbols)
        & (pl.col("origin_ts").dt.epoch("ms") % EVERY_MS == 0)
    )
    series = series_of(load_tables(data, symbols))
    rows = settle(frame.collect(), series).rows.sort("origin_ts", "venue", "symbol")
    begun = perf_counter()
    ewma = pl.DataFrame(list(ewma_laws(rows, series)), orient="row", schema=schema())
    print(f"{forecasts.name}: {len(rows)} rows, EWMA {perf_counter() - begun:.0f} s", file=sys.stderr)
    both = rows.with_columns(origin_ms=pl.col("origin_ts").dt.epoch("ms")).join(
        ewma, on=["origin_ms", "venue", "symbol"], how="inner", maintain_order="left"
    )
    names = [f"{venue}:{symbol}" for venue, symbol in both.select("venue", "symbol").iter_rows()]
    laws = Laws(
        *np.unique(names, return_inverse=True)[:1], both["origin_ms"].to_numpy(),
        np.unique(names, return_inverse=True)[1], both["p_up"].to_numpy(),
        both.select(QUANTILE_COLUMNS).to_numpy(), both.select(f"e{i}" for i in range(9)).to_numpy(),
        both["last"].to_numpy(), both["s"].to_numpy(), both["y"].to_numpy(),
    )  # fmt: skip
    np.savez(kept, **{name: getattr(laws, name) for name in Laws.__dataclass_fields__})
    return laws


def schema() -> dict[str, type[pl.DataType]]:
    return {"origin_ms": pl.Int64, "venue": pl.String, "symbol": pl.String} | {
        f"e{i}": pl.Float64 for i in range(9)
    }


def ewma_laws(rows: pl.DataFrame, series: Mapping[SeriesKey, object]) -> Iterator[tuple[object, ...]]:
    """Forecast by the EWMA at every origin, from the thirty days before it."""
    forecaster = EwmaForecaster(EwmaConfig(n_scenarios=1))
    keys = sorted({SeriesKey(*pair) for pair in rows.select("venue", "symbol").unique().iter_rows()})
    origins = np.unique(rows["origin_ts"].dt.epoch("ms").to_numpy())
    for start in range(int(origins[0]), int(origins[-1]) + 1, CHUNK_D * DAY_MS):
        mine = origins[(origins >= start) & (origins < start + CHUNK_D * DAY_MS)]
        if not len(mine):
            continue
        times_ms = np.arange(start - SEEN_H * HOUR_MS, int(mine[-1]) + 1, HOUR_MS, dtype=np.int64)
        grid = grid_at(series, keys, times_ms)  # type: ignore[arg-type]
        for origin_ms in mine.tolist():
            seen = grid.first((origin_ms - int(times_ms[0])) // HOUR_MS + 1).last(SEEN_H)
            for key, told in forecaster.forecast(seen, origin_ms, HORIZON_H).marginals.items():
                yield (origin_ms, key.venue, key.symbol, *told.quantiles.tolist())


def paired(laws: Laws) -> Paired:
    """Judge as the daemon does: pinball in s, mean over the series of an origin; direction where the rate moved."""
    model, other = (pinball(law, laws.y) / laws.s for law in (laws.law, laws.ewma))
    side, change = laws.p_up - 0.5, laws.y - laws.last
    called = (np.abs(side) > UNDECIDED) & (np.abs(change) > TIE)
    right = called & (np.sign(side) == np.sign(change))
    origin_ms, at = np.unique(laws.origin_ms, return_inverse=True)
    of = np.bincount(at)
    return Paired(
        origin_ms, origin_ms + HORIZON_H * HOUR_MS, np.bincount(at, model) / of, np.bincount(at, other) / of, of,
        np.bincount(at, right).astype(np.int64), np.bincount(at, called).astype(np.int64),
    )  # fmt: skip


def of_series(laws: Laws, which: np.ndarray) -> Laws:
    """Keep some of the rows."""
    rows = (getattr(laws, name)[which] for name in list(Laws.__dataclass_fields__)[1:])
    return Laws(laws.names, *rows)


def shrunk(share: float) -> Plant:
    """The law's move away from the last rate is smaller by a share; beyond 1 it goes the wrong way."""

    def plant(laws: Laws) -> Laws:
        middle = laws.law[:, 4:5]
        planted = laws.law - share * (middle - laws.last[:, None])
        side = np.sign(1 - share) * (laws.p_up - 0.5) + 0.5
        return replace(laws, law=planted, p_up=side)

    return plant


def shifted(share: float) -> Plant:
    """The laws stand too high by a share of s, as where the premium has another level than in training."""

    def plant(laws: Laws) -> Laws:
        planted = laws.law + share * laws.s[:, None]
        return replace(laws, law=planted, p_up=np.where(planted[:, 4] > laws.last, 0.75, 0.25))

    return plant


def stale(hours: int) -> Plant:
    """The model is asked with inputs that are so many hours old, and its law taken for one of now."""

    def plant(laws: Laws) -> Laws:
        at = {
            pair: i for i, pair in enumerate(zip(laws.series.tolist(), laws.origin_ms.tolist(), strict=True))
        }
        old = np.array(
            [at.get((one, ms - hours * HOUR_MS), i) for (one, ms), i in at.items()], dtype=np.int64
        )
        planted = laws.law[old]
        return replace(laws, law=planted, p_up=np.where(planted[:, 4] > laws.last, 0.75, 0.25))

    return plant


PLANTED: Mapping[str, Plant] = {
    "move shrunk to a half": shrunk(0.5), "move gone": shrunk(1.0), "move turned round": shrunk(2.0),
    "shifted by s ÷ 4": shifted(0.25), "shifted by s ÷ 2": shifted(0.5), "shifted by s": shifted(1.0),
    "inputs 8 h old": stale(8), "inputs 24 h old": stale(24), "inputs 72 h old": stale(72),
}  # fmt: skip
RULES = ("all", *DETECTORS, "accuracy below 60 %", "ratio above 1")


class Life:
    """Days of a model looked at one after another, all rules apart; an alarm of a rule begins its record anew."""

    def __init__(self, blocks: Blocks, seed: int) -> None:
        self._blocks, self._rng = blocks, np.random.default_rng(seed)
        bounds = [self._bounds(i) for i in range(len(blocks))]
        self._ratio, self._direction = [one[0] for one in bounds], [one[1] for one in bounds]

    def _bounds(self, i: int) -> tuple[Bound, Bound]:
        lately = self._blocks.pick(slice(max(i + 1 - WINDOW_D, 0), i + 1))
        return ratio_bound(lately, self._rng), direction_from_above(lately)

    def alarms(self, rule: str, least: int = 0) -> list[int]:
        """Return the days of a rule's alarms, and no others before `least`."""
        found, begun, cusum = [], 0, Cusum()
        for i in range(len(self._blocks)):
            cusum = went_on(cusum, self._blocks.pick(slice(max(begun, i - 2 * WINDOW_D), i + 1)))
            ratio, direction = (self._ratio[i], self._direction[i]) if i - begun >= WINDOW_D else (NONE, NONE)
            told = {
                "cusum": cusum.proven, "bootstrap": ratio.bound > 1, "direction": direction.bound < FLOOR,
                "accuracy below 60 %": direction.value < FLOOR, "ratio above 1": ratio.value > 1,
            }  # fmt: skip
            if any(told[name] for name in (DETECTORS if rule == "all" else (rule,))):
                if i >= least:
                    found.append(i)
                begun, cusum = i + 1, Cusum()
        return found


def drawn(n: int, days: int, rng: np.random.Generator) -> np.ndarray:
    """Draw rows by the stationary bootstrap: runs of geometric length, wrapping around the end."""
    rows = np.empty(days, np.int64)
    at = 0
    while at < days:
        run = min(int(rng.geometric(1 / RUN_D)), days - at)
        rows[at : at + run] = (rng.integers(n) + np.arange(run)) % n
        at += run
    return rows


def year_of(blocks: Blocks, rng: np.random.Generator) -> Blocks:
    """Draw a year in control."""
    rows = drawn(len(blocks), YEAR_D, rng)
    picked = {name: getattr(blocks, name)[rows] for name in ("loss", "other", "right", "called")}
    return Blocks(blocks.length_ms, np.arange(YEAR_D, dtype=np.int64) * blocks.length_ms, **picked)


def in_control(models: Sequence[Laws], years: int) -> None:
    """Print alarms a year: of the forecasts as they were, and of drawn years."""
    rng = np.random.default_rng(0)
    blocks = [blocks_of(paired(one)) for one in models]
    lives, total = [Life(one, 1) for one in blocks], sum(len(one) for one in blocks) / YEAR_D
    more = [Life(year_of(one, rng), i) for i in range(years) for one in blocks]
    for rule in RULES:
        own = sum(len(life.alarms(rule)) for life in lives)
        again = sum(len(life.alarms(rule)) for life in more) / len(more)
        print(f"  {rule:20} {own} in {total:.1f} years, drawn {again:.2f} a year")


def planted(models: Sequence[Laws], years: int) -> None:
    """Print how often and how soon drift from the PLANTED_D-th day on is found: day of half of the finds."""
    rng = np.random.default_rng(2)
    for name, plant in PLANTED.items():
        days: dict[str, list[float]] = {rule: [] for rule in RULES}
        ratios = []
        for laws in models:
            well, ill = blocks_of(paired(laws)), blocks_of(paired(plant(laws)))
            ratios.append(ill.ratio)
            for i in range(years):
                rows = drawn(len(well), YEAR_D, rng)
                columns = {
                    one: np.concatenate(
                        (getattr(well, one)[rows[:PLANTED_D]], getattr(ill, one)[rows[PLANTED_D:]])
                    )
                    for one in ("loss", "other", "right", "called")
                }
                life = Life(Blocks(DAY_MS, np.arange(YEAR_D, dtype=np.int64) * DAY_MS, **columns), i)
                for rule in RULES:
                    found = life.alarms(rule, PLANTED_D)
                    days[rule].append(found[0] - PLANTED_D if found else np.inf)
        told = "; ".join(
            f"{rule} {np.mean(np.array(found) <= SOON_D):.0%} {np.median(found):.0f} d"
            for rule, found in days.items()
        )
        print(f"  {name:22} ratio {np.mean(ratios):.2f}: {told}", flush=True)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("forecasts", type=Path, nargs="+")
    parser.add_argument("--symbols", nargs="+", required=True)
    parser.add_argument("--years", type=int, default=40, help="drawn of each model")
    options = parser.parse_args()
    models = [laws_of(options.data, path, options.symbols, options.work) for path in options.forecasts]
    books = {
        "all markets": lambda name: True,
        "one venue": lambda name: name.startswith("hyperliquid:"),
        "one coin": lambda name: name.endswith(f":{options.symbols[0]}"),
        "one market": lambda name: name == f"hyperliquid:{options.symbols[0]}",
    }
    for book, within in books.items():
        mine = [
            of_series(one, np.isin(one.series, [i for i, n in enumerate(one.names) if within(n)]))
            for one in models
        ]
        markets = {len(np.unique(one.series)) for one in mine}
        print(f"{book} ({'/'.join(map(str, sorted(markets)))} series), in control, loss ratios "
              f"{', '.join(f'{paired(one).ratio:.2f}' for one in mine)}")  # fmt: skip
        in_control(mine, options.years)
        if book in ("all markets", "one market"):
            planted(mine, max(options.years // 4, 1))
    alone = [of_series(one, one.series == i) for one in models for i in np.unique(one.series)]
    alone = [one for one in alone if len(one.s) > LEAST_ROWS]
    print(f"each of {len(alone)} markets alone, in control")
    in_control(alone, max(options.years // 8, 1))


if __name__ == "__main__":
    main()
