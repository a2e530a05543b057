"""How often the contest of models promotes one that is no better, and how long it needs for one that is.

`losses` forecasts a stretch of history with a model, as it would have been forecast then, and keeps the pinball losses
of every eighth hour in units of s. `table` sets two of them against each other: their own contests, one begun every
month, and thousands of 120 days drawn from their blocks, three in a row at a time. From the gains of those the mean is
taken, and either side is the challenger in half of them: so the two are equally good, and a known improvement is added.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.adapters.replay.proxy import Proxy, stand_in
from hedged.adapters.replay.series import funded
from hedged.adapters.replay.tables import load_tables
from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import LEVELS
from hedged.features.targets import HORIZONS
from hedged.forecast.artefact import load
from hedged.forecast.members import Members
from hedged.forecast.models.contest import LONGEST_DAYS, Rules, capital, gains_of
from hedged.forecast.paired import Paired
from hedged.forecast.walk import walk

EVERY_MS = 8 * HOUR_MS
BLOCKS, DRAWS = 3, 4_000
PLANTED = (0.0, 0.003, 0.01, 0.02, 0.05)
MARGIN = 0.01


def losses(args: argparse.Namespace) -> None:
    """Write one row per origin, series and horizon with the loss of a model."""
    artefact = load(args.model)
    tables = load_tables(args.data, None)
    if args.proxy_rule:
        tables = stand_in(tables, Proxy("hyperliquid", args.proxy_rule))
    series = funded(tables)
    wanted = [key for key in series if key.symbol in args.symbol]
    members, frames = Members(artefact, 1), []
    for issued in walk(members, artefact.card, series, wanted, _ms(args.from_), _ms(args.to)):
        told = issued.samples
        due = told.origin_ms % EVERY_MS == 0
        for horizon in ("m24h", "m120h"):
            h = HORIZONS.index(horizon)
            rows = np.flatnonzero(due & ~np.isnan(told.target[:, h]))
            beyond = (told.target[rows, h, None] - issued.quantiles[rows, h]) / told.s[rows, None]
            loss = np.maximum(LEVELS * beyond, (LEVELS - 1.0) * beyond).mean(axis=1)
            frames.append(
                pl.DataFrame(
                    {
                        "venue": [told.keys[i].venue for i in told.series[rows]],
                        "symbol": [told.keys[i].symbol for i in told.series[rows]],
                        "origin_ms": told.origin_ms[rows],
                        "known_ms": told.target_ms[rows, h],
                        "horizon": [horizon] * len(rows),
                        "loss": loss,
                    }
                )
            )
    found = pl.concat([frame for frame in frames if len(frame)])
    found.write_parquet(args.out)
    print(f"{len(found):,} losses of {artefact.hash} in {args.out}")


def table(args: argparse.Namespace) -> None:
    """Print how two models' contests go, and how drawn ones do."""
    one, two = (pl.read_parquet(path) for path in (args.challenger, args.champion))
    for horizon, hours in (("m24h", 24), ("m120h", 120)):
        rules = Rules(horizon_h=hours)
        pair = paired(one, two, horizon)
        gains = gains_of(pair, rules.block_days)
        lag = np.corrcoef(gains[:-1], gains[1:])[0, 1]
        print(
            f"{horizon}: {len(gains)} blocks, loss {pair.ratio:.4f}, gain {gains.mean():+.4f} ± {gains.std():.4f}, "
            f"largest {np.abs(gains).max():.3f}, correlation of neighbours {lag:+.2f}"
        )
        print("  its own contests, by month:", ", ".join(own(gains, rules)))
        print("  planted    by day 30    60   120  median | clearly worse | not worse than 1 %, by 30   120")
        drawn = resampled(gains, LONGEST_DAYS // rules.block_days, np.random.default_rng(1))
        for gain in (*PLANTED, -MARGIN):
            print(f"  {gain:+7.1%}", *_row(drawn + gain, rules))


def paired(one: pl.DataFrame, two: pl.DataFrame, horizon: str) -> Paired:
    """Return the losses of two models on the outcomes that both have forecast."""
    on = ["venue", "symbol", "origin_ms"]
    both = one.filter(pl.col("horizon") == horizon).join(
        two.filter(pl.col("horizon") == horizon), on=on, suffix="_other"
    )
    rows = both.group_by("origin_ms").agg(
        pl.col("known_ms").max(), pl.col("loss").mean(), pl.col("loss_other").mean(), pl.len().alias("of")
    )
    rows = rows.sort("origin_ms")
    told = [rows[name].to_numpy() for name in ("origin_ms", "known_ms", "loss", "loss_other", "of")]
    none = np.zeros(len(rows), np.int64)
    return Paired(*told[:4], told[4].astype(np.int64), none, none)


def own(gains: NDArray[np.float64], rules: Rules) -> list[str]:
    """Return what became of contests that were begun every thirty days."""
    found = []
    for begins in range(0, len(gains) - 1, 30 // rules.block_days):
        here = gains[begins : begins + rules.longest_days // rules.block_days]
        days = {word: decided(sign * here, rules) for word, sign in (("better", 1), ("worse", -1))}
        word = min(days, key=lambda one: days[one])
        over = len(here) * rules.block_days
        open_ = "given up" if over >= rules.longest_days else f"open after {over}"
        found.append(f"{word} on day {days[word]:.0f}" if np.isfinite(days[word]) else open_)
    return found


def decided(gains: NDArray[np.float64], rules: Rules) -> NDArray[np.float64]:
    """Return the day on which contests (blocks, …) were won, infinity where none was."""
    days = (np.arange(len(gains)) + 1) * rules.block_days
    won = (capital(gains) >= 1 / (1 - rules.confidence)) & (np.cumsum(gains, axis=0) > 0)
    won[days < rules.least_days] = False
    return np.where(won.any(axis=0), days[won.argmax(axis=0)].astype(np.float64), np.inf)


def not_worse(gains: NDArray[np.float64], rules: Rules) -> NDArray[np.float64]:
    """Return the day on which a challenger was surely not worse than the margin, and better on average."""
    days = (np.arange(len(gains)) + 1) * rules.block_days
    won = (capital(gains + MARGIN) >= 1 / (1 - rules.confidence)) & (np.cumsum(gains, axis=0) > 0)
    won[days < rules.least_days] = False
    return np.where(won.any(axis=0), days[won.argmax(axis=0)].astype(np.float64), np.inf)


def resampled(gains: NDArray[np.float64], blocks: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw contests of equally good models (blocks, DRAWS): runs of blocks, either of the two the challenger."""
    first = rng.integers(0, len(gains) - BLOCKS + 1, (blocks // BLOCKS + 1, DRAWS))
    at = (first[:, None] + np.arange(BLOCKS)[:, None]).reshape(-1, DRAWS)[:blocks]
    return (gains - gains.mean())[at] * rng.choice((-1.0, 1.0), DRAWS)


def _row(gains: NDArray[np.float64], rules: Rules) -> list[str]:
    days, worse, sure = decided(gains, rules), decided(-gains, rules), not_worse(gains, rules)
    shares = [
        f"{(days <= day).mean():13.1%}" if day == 30 else f"{(days <= day).mean():6.1%}"
        for day in (30, 60, 120)
    ]
    median = float(np.median(days))
    told = f"{median:5.0f}" if np.isfinite(median) else "    –"
    return [
        *shares,
        told,
        f"| {np.isfinite(worse).mean():6.1%} |",
        f"{(sure <= 30).mean():6.1%}",
        f"{np.isfinite(sure).mean():6.1%}",
    ]


def _ms(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1_000)


def main() -> None:
    """Run one of the two steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    steps = parser.add_subparsers(required=True)
    first = steps.add_parser("losses")
    first.add_argument("--data", type=Path, required=True)
    first.add_argument("--model", type=Path, required=True)
    first.add_argument("--from", dest="from_", required=True)
    first.add_argument("--to", required=True)
    first.add_argument("--symbol", action="append", default=[])
    first.add_argument("--proxy-rule", choices=("chain", "level"))
    first.add_argument("--out", type=Path, required=True)
    first.set_defaults(step=losses)
    second = steps.add_parser("table")
    second.add_argument("--challenger", type=Path, required=True)
    second.add_argument("--champion", type=Path, required=True)
    second.set_defaults(step=table)
    args = parser.parse_args()
    args.step(args)


if __name__ == "__main__":
    main()
