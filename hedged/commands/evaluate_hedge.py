"""`hedged evaluate-hedge`: what the planner's hedges would have been worth on recorded funding."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table

from hedged.commands.model import DataPath, bar, console, day_ms
from hedged.commands.shared import ProxyRuleName
from hedged.domain.errors import ConfigError

if TYPE_CHECKING:
    from hedged.evaluation.hedging.result import Row
    from hedged.evaluation.hedging.setting import Setting

SYMBOLS = ("BTC", "ETH", "SOL", "DOGE", "BNB", "INJ")


class Preset(StrEnum):
    """The standard settings."""

    RELOCATION = "relocation"
    ALL = "all"
    OWN = "own"
    OWN_HOURLY = "own-hourly"


class Side(StrEnum):
    """The own position's side."""

    LONG = "long"
    SHORT = "short"
    BOTH = "both"


PresetOption = Annotated[
    Preset,
    typer.Option(
        help="relocation: a position on Injective, moved to another venue and back. all: cut, opposite and "
        "relocation. own: a position at Binance, cut and restored at 1 bp, 1 bp carry each settlement. own-hourly: "
        "the same at Hyperliquid."
    ),
]
FromOption = Annotated[str, typer.Option("--from", help="First day, UTC: YYYY-MM-DD.")]
ToOption = Annotated[str, typer.Option("--to", help="Last day, exclusive: YYYY-MM-DD.")]
ForecastsOption = Annotated[
    list[str] | None,
    typer.Option(
        help="File of `hedged forecast`; repeat. RULE=FILE for one made on data in which Hyperliquid stands in by "
        "that rule; else Hyperliquid's own forecasts are carried over by it. Default: baselines alone."
    ),
]
SymbolOption = Annotated[list[str] | None, typer.Option(help="Symbol; repeat. Default: the majors and INJ.")]
VenueOption = Annotated[
    list[str] | None, typer.Option(help="Hedge venue; several are used together. Default: binance.")
]
SideOption = Annotated[Side, typer.Option(help="Side of the own position.")]
ProxyRuleOption = Annotated[
    ProxyRuleName | None,
    typer.Option(
        help="chain: Injective's formula on Hyperliquid's premium; level: its printed rate. Default: both."
    ),
]
HorizonOption = Annotated[
    str | None,
    typer.Option(help="Forecasts that the planner reads: s1, s3, m24h or m120h. Default: m24h."),
]
EveryOption = Annotated[
    int | None, typer.Option(min=1, max=24, help="Hours between decisions. Default: 8, own-hourly 1.")
]
CapOption = Annotated[float | None, typer.Option(min=0, max=1, help="Largest hedge ÷ position.")]
CapitalRateOption = Annotated[
    float | None,
    typer.Option(min=0, help="Charge on margin tied up, a year. Default: the configuration's."),
]
CarryOption = Annotated[
    float | None,
    typer.Option(min=0, help="Charge on a cut position, bp each 8 h. Default: the preset's."),
]
NotionalOption = Annotated[float, typer.Option(min=1, help="Own position in USD, kept constant.")]
ConfigOption = Annotated[Path | None, typer.Option(help="Configuration file: costs, cap, limits.")]
JobsOption = Annotated[int, typer.Option(min=1, help="Processes.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Of the bootstrap.")]
OutOption = Annotated[Path, typer.Option(help="Where the table goes.")]


def evaluate_hedge(
    data: DataPath,
    preset: PresetOption = Preset.RELOCATION,
    from_: FromOption = "2023-07-01",
    to: ToOption = "2026-01-01",
    forecasts: ForecastsOption = None,
    symbol: SymbolOption = None,
    venue: VenueOption = None,
    side: SideOption = Side.BOTH,
    proxy_rule: ProxyRuleOption = None,
    horizon: HorizonOption = None,
    every: EveryOption = None,
    cap: CapOption = None,
    capital_rate: CapitalRateOption = None,
    carry: CarryOption = None,
    notional: NotionalOption = 100_000.0,
    config: ConfigOption = None,
    jobs: JobsOption = 1,
    seed: SeedOption = 0,
    out: OutOption = Path("out/evaluate-hedge"),
) -> None:
    """Measure the planner: how much of the best possible hedge it earned on recorded funding, after costs.

    Each symbol and side is walked through in time: forecasts known by then go to the real planner, changes are paid
    for, and funding is saved by what was held before the settlement. Beside it, at the same costs: no hedge (which is
    0), the cap held always, the cap held while the last rates say that it saves; the planner on simpler forecasts, and
    on the true coming mean (oracle: what it then misses is its own doing); and perfect foresight, the best there is.
    No public series of Injective's funding exists: Hyperliquid stands in, by a rule that every figure names.
    """
    import numpy as np

    from hedged.config import Config, load_config
    from hedged.evaluation.hedging.page import write_page
    from hedged.evaluation.hedging.result import rows
    from hedged.evaluation.hedging.run import Task, measure
    from hedged.evaluation.hedging.setting import RULES
    from hedged.evaluation.hedging.setting import preset as setting_of

    from_ms, to_ms = day_ms(from_, "--from"), day_ms(to, "--to")
    if from_ms >= to_ms:
        raise ConfigError(f"the window is empty: --from {from_} is not before --to {to}")
    base = setting_of(
        preset.value, load_config(config) if config else Config(), tuple(venue or ("binance",)), notional
    )
    setting = _changed(base, horizon, every, cap, capital_rate, carry)
    rules = [rule for rule in RULES if proxy_rule in (None, rule)] if setting.stood_in else [None]
    sides = ("long", "short") if side is Side.BOTH else (side.value,)
    tasks = [
        Task(data, name, rule, setting, from_ms, to_ms, sides, _files(forecasts or [], rule))
        for name in symbol or SYMBOLS
        for rule in rules
    ]
    with bar() as on_progress:
        measured = measure(tasks, jobs, on_progress)
    found = rows(measured.outcomes, np.random.default_rng(seed))
    _write(found, setting, measured.notes, out)
    for title, part in _tables(found):
        console.print(_table(title, part))
    for note in measured.notes:
        console.print(note)
    write_page(measured.outcomes, found, setting, measured.notes, out / "index.html")
    console.print(f"page: {out / 'index.html'}")


def _files(given: Sequence[str], rule: str | None) -> tuple[Path, ...]:
    """Return the files meant for a rule: those that name it, and those that name none."""
    found = []
    for text in given:
        name, _, path = text.rpartition("=")
        if name not in ("", *ProxyRuleName):
            raise ConfigError(f"--forecasts {text!r}: expected FILE, chain=FILE or level=FILE")
        if not Path(path).is_file():
            raise ConfigError(f"--forecasts {text!r}: there is no such file")
        if name in ("", rule):
            found.append(Path(path))
    return tuple(found)


def _changed(
    setting: "Setting",
    horizon: str | None,
    every: int | None,
    cap: float | None,
    capital_rate: float | None,
    carry_bp: float | None,
) -> "Setting":
    """Put the options on top of the preset."""
    from hedged.evaluation.hedging.setting import BP
    from hedged.features.targets import HORIZONS

    if horizon is not None and horizon not in HORIZONS:
        raise ConfigError(f"--horizon {horizon!r}: there are {', '.join(HORIZONS)}")
    if every is not None and 24 % every:
        raise ConfigError(f"--every {every}: must divide 24 hours")
    given = {"cap": cap, "capital_rate_per_year": capital_rate}
    setting = setting.with_planner(**{name: value for name, value in given.items() if value is not None})
    carry_per_h = setting.carry_per_h if carry_bp is None else carry_bp * BP / 8
    return replace(
        setting, horizon=horizon or setting.horizon, every_h=every or setting.every_h, carry_per_h=carry_per_h
    )


def _write(found: Sequence["Row"], setting: "Setting", notes: Sequence[str], out: Path) -> None:
    import polars as pl

    out.mkdir(parents=True, exist_ok=True)
    table = pl.DataFrame([asdict(row) for row in found])
    table.write_parquet(out / "hedge.parquet")
    whole: dict[str, Any] = {
        "setting": asdict(setting),
        "notes": list(notes),
        "rows": [
            {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in asdict(row).items()}
            for row in found
        ],
    }
    (out / "hedge.json").write_text(json.dumps(whole, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _tables(found: Sequence["Row"]) -> list[tuple[str, list["Row"]]]:
    """Cut the rows into tables: by rule and side the pooled ones, then the share of each symbol."""
    keys = dict.fromkeys((row.rule, row.side) for row in found if row.symbol == "all")
    return [
        (
            f"{side} positions, {rule}",
            [row for row in found if (row.rule, row.side, row.symbol) == (rule, side, "all")],
        )
        for rule, side in keys
    ]


HEADS = ("net $", "best $", "share", "bp/y", "95 %", "cost", "turns", "held")


def _table(title: str, part: Sequence["Row"]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0))
    table.add_column("strategy", no_wrap=True)
    for head in HEADS:
        table.add_column(head, justify="right", no_wrap=True)
    for row in part:
        table.add_row(
            row.strategy,
            f"{row.net_usd:,.0f}",
            f"{row.perfect_usd:,.0f}",
            _short(row.share, 3),
            _short(row.net_bp, 1),
            f"{_short(row.low_bp, 0)}…{_short(row.high_bp, 0)}",
            _short(row.cost_bp, 1),
            f"{row.turnover_month:.2f}",
            f"{row.hedged:.0%}",
        )
    return table


def _short(value: float, digits: int) -> str:
    """Write a figure with fewer digits the larger it is; unknown is a dash."""
    if not math.isfinite(value):
        return "–"
    return f"{value:.{max(0, digits - max(0, math.floor(math.log10(abs(value) or 1.0))))}f}"
