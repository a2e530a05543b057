"""The model's commands: forecast, train, evaluate. Registered on the command line by `cli.py`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hedged.commands.shared import ProxyRuleName
from hedged.domain.errors import ConfigError

if TYPE_CHECKING:
    from hedged.forecast.artefact import Artefact

console = Console()

DataPath = Annotated[Path, typer.Option(help="Data directory: Parquet tables of market history.")]
ModelPath = Annotated[
    Path | None, typer.Option(help="Model directory made by `hedged train`. Default: the shipped one.")
]


def forecast(
    data: DataPath,
    from_: Annotated[str, typer.Option("--from", help="First origin, UTC: YYYY-MM-DD.")],
    to: Annotated[str, typer.Option("--to", help="Last origin, exclusive: YYYY-MM-DD.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")] = Path("forecasts.parquet"),
    model: ModelPath = None,
    symbol: Annotated[list[str] | None, typer.Option(help="Only this symbol; repeat. Default: all.")] = None,
    proxy_rule: Annotated[
        ProxyRuleName | None,
        typer.Option(
            help="Let Hyperliquid stand in for Injective by this rule; it is then not forecast itself."
        ),
    ] = None,
) -> None:
    """Forecast every settlement of a stretch of history, each from what was known then.

    One row per origin and horizon: s1, s3 (next and third settlement, fraction of the target's interval) and m24h,
    m120h (mean rate per hour); quantiles q05 … q95, q50 is the point forecast; p_up, the probability that the rate per
    hour rises. The model learns its weights and bands from outcomes as they settle, beginning 45 days before --from.
    """
    from hedged.adapters.replay.proxy import Proxy, stand_in
    from hedged.adapters.replay.series import funded
    from hedged.adapters.replay.tables import load_tables
    from hedged.forecast.artefact import SHIPPED, load
    from hedged.forecast.table import write_forecasts

    from_ms, to_ms = day_ms(from_, "--from"), day_ms(to, "--to")
    if from_ms >= to_ms:
        raise ConfigError(f"the window is empty: --from {from_} is not before --to {to}")
    artefact = load(model or SHIPPED)
    tables = load_tables(data, None)
    if proxy_rule is not None:
        tables = stand_in(tables, Proxy("hyperliquid", proxy_rule.value))
    series = funded(tables)
    # the others are read all the same: what the market does is part of every forecast
    wanted = [key for key in series if symbol is None or key.symbol in symbol]
    if missing := sorted(set(symbol or ()) - {key.symbol for key in wanted}):
        raise ConfigError(f"{data} has no funding of {', '.join(missing)}")
    with bar() as on_progress:
        rows = write_forecasts(
            artefact, series, wanted, from_ms, to_ms, out, lambda share: on_progress("forecasting", share)
        )
    unknown = sorted({key.venue for key in wanted} - set(artefact.card.venues))
    if unknown:
        console.print(
            f"never seen in training: {', '.join(unknown)}; forecast by what all venues have in common"
        )
    console.print(f"{rows:,} forecasts of {len(wanted)} series by model {artefact.hash} in {out}")


def train(
    data: DataPath,
    to: Annotated[
        str, typer.Option("--to", help="Nothing known at or after this day enters: YYYY-MM-DD, UTC.")
    ],
    out: Annotated[Path, typer.Option(help="Model directory to write.")] = Path("model"),
    small: Annotated[
        bool, typer.Option("--small", help="Fewer members and samples, for a 2 GB machine.")
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, help="The same seed on the same machine gives the same model.")
    ] = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    without: Annotated[
        list[str] | None,
        typer.Option(help="Coin to leave out, to measure on one never seen; repeat."),
    ] = None,
) -> None:
    """Train the whole ensemble. Killed, it goes on where it was when it is started again."""
    make, shrink, run_training = _training()
    to_ms = day_ms(to, "--to")
    config = make(seed=seed, threads=threads, without=tuple(without or ()))
    with bar() as on_progress:
        artefact = run_training(data, to_ms, out, shrink(config) if small else config, on_progress)
    card = artefact.card
    if card.width > 1.0:
        console.print(
            f"[yellow]only {card.history_days:.0f} days of history, two years are wanted (requirement C9): "
            f"bands start {card.width - 1:.0%} wider[/yellow]"
        )
    for cell, found in card.metrics["hold_out"].items():
        ours, theirs = found["ensemble"], found["ewma"]
        console.print(
            f"{cell:14} MAE {ours['mae']:.3f} of persistence (EWMA {theirs['mae']:.3f}) on the last 90 days"
            + (
                "  [yellow]worse than EWMA: too little to learn from here[/yellow]"
                if ours["mae"] > theirs["mae"]
                else ""
            )
        )
    console.print(f"model {artefact.hash} in {out}; `hedged model add {out}` takes it into the registry")


def evaluate(
    data: DataPath,
    from_: Annotated[str, typer.Option("--from", help="First origin, UTC: YYYY-MM-DD.")],
    to: Annotated[str, typer.Option("--to", help="Last origin, exclusive: YYYY-MM-DD.")],
    forecasts: Annotated[
        Path | None,
        typer.Option(
            help="Score this file instead of training a model per fold. Its origins before --from are not scored; what "
            "was missed there joins the venues of the later ones: give 90 days."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the page and the figures go.")] = Path("out/evaluate"),
    fold_days: Annotated[int, typer.Option(min=30, help="A model is trained anew every so many days.")] = 365,
    small: Annotated[bool, typer.Option("--small", help="Train the small ensemble in each fold.")] = False,
    trials: Annotated[int, typer.Option(min=0, help="Settings tried for LightGBM; 0 leaves it out.")] = 30,
    arima: Annotated[int, typer.Option(min=0, help="Series per venue class that AutoARIMA answers.")] = 4,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Measure forecasts walk-forward beside every baseline, and write a page with pictures.

    Each fold is forecast by a model trained on what was known before it; LightGBM and linear regression get the very
    same inputs and training window. A killed evaluation goes on where it was.
    """
    import numpy as np
    import polars as pl

    from hedged.adapters.replay.series import funded
    from hedged.adapters.replay.tables import load_tables
    from hedged.evaluation.folds import folds_of, forecast_folds, trained_baselines
    from hedged.evaluation.run import evaluate as measure

    from_ms, to_ms = day_ms(from_, "--from"), day_ms(to, "--to")
    if from_ms >= to_ms:
        raise ConfigError(f"the window is empty: --from {from_} is not before --to {to}")
    folds = folds_of(from_ms, to_ms, fold_days)
    series = funded(load_tables(data, None))
    with bar() as on_progress:
        if forecasts is not None:
            told = pl.read_parquet(forecasts).with_columns(fold=pl.lit(0))
            told = told.filter(pl.col("origin_ts").dt.epoch("ms") < to_ms)
        else:
            told = forecast_folds(
                folds, series, out / "folds", trainer_of(data, small, seed, on_progress), on_progress
            )
        answers = trained_baselines(folds, series, trials, seed, on_progress) if trials else None
        found = measure(
            data, told, out, np.random.default_rng(seed), baseline_quantiles=answers, arima_series=arima,
            from_ms=from_ms, on_progress=on_progress,
        )  # fmt: skip
    for cell in found["pinball_ratio"]:
        # a cell in which the baseline answered too few origins has no ratio: the page says so
        if cell["forecaster"] == found["against"] and cell["value"] is not None:
            console.print(
                f"{cell['venue_class']:7} {cell['horizon']:6} pinball {cell['value']:.3f} of {found['against']} "
                f"({_told(cell['low'])} … {_told(cell['high'])})"
            )
    for one in found["spreads_pooled"]:
        ratio = one["ratio"]
        console.print(
            f"spread  {one['horizon']:6} pinball {_told(ratio['independent'])} of independent draws, "
            f"{_told(ratio['ewma'])} of the EWMA's; 80 % band covers {one['coverage']['joint']:.3f} "
            f"({one['pairs']} pairs of venues)"
        )
    console.print(f"page: {out / 'index.html'}")


def _told(number: float | None) -> str:
    """Write a bound, which is unknown where there are too few weeks."""
    return "?" if number is None else f"{number:.3f}"


def trainer_of(
    data: Path, small: bool, seed: int, on_progress: Callable[[str, float], None]
) -> Callable[[int, Path], "Artefact"]:
    """Return what trains a fold's model; torch is imported only when one is trained."""

    def trainer(to_ms: int, out: Path) -> "Artefact":
        make, shrink, run_training = _training()
        config = make(seed=seed)
        artefact: Artefact = run_training(data, to_ms, out, shrink(config) if small else config, on_progress)
        return artefact

    return trainer


def _training() -> tuple[Any, Any, Any]:
    """Return what training takes: its configuration, what makes that small, and the function. Raises ConfigError."""
    try:
        from hedged.training.config import TrainConfig, small
        from hedged.training.train import train
    except ModuleNotFoundError as missing:
        raise ConfigError(
            f"training needs {missing.name}, which serving goes without: pip install 'hedged[train]'"
        ) from None
    return TrainConfig, small, train


def day_ms(text: str, option: str) -> int:
    """Read a UTC day. Raises ConfigError naming the option."""
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) * 1_000
    except ValueError:
        raise ConfigError(f"{option} {text!r}: expected a day, YYYY-MM-DD") from None


@contextmanager
def bar() -> Iterator[Callable[[str, float], None]]:
    """Show progress with the time left; yields a callback of stage and share done."""
    columns = (
        TextColumn("[bold]{task.description}"), BarColumn(bar_width=24), TaskProgressColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, refresh_per_second=4) as progress:
        tasks: dict[str, int] = {}

        def on_progress(stage: str, share: float) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=1.0)
            progress.update(tasks[stage], completed=min(share, 1.0))  # type: ignore[arg-type]

        yield on_progress
