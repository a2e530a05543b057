"""`hedged model rehearse`: the daemon lives through months with its models' life on, and beside it without."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hedged.commands.backtest import ConfigOption, PositionOption, VenuesOption, backtest_config
from hedged.commands.model import bar, day_ms
from hedged.commands.shared import console, quiet_logs
from hedged.domain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

MADE_UP = ("BTC=150000", "INJ=80000", "ETH=-60000", "SOL=50000")
BEGINS = "2026-01-01"


def rehearse(
    data: Annotated[
        Path | None,
        typer.Option(help="Data directory to live through. Default: a year is made up, whose law turns."),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", help="First day, UTC: YYYY-MM-DD. The first model learns from before it."),
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="Last day, exclusive.")] = None,
    position: PositionOption = None,
    config: ConfigOption = None,
    hedge_venues: VenuesOption = None,
    recipe: Annotated[str, typer.Option(help="tiny (seconds a training), small or full.")] = "tiny",
    learn_days: Annotated[
        int | None, typer.Option(min=60, help="Each training learns from the last so many days alone.")
    ] = None,
    days: Annotated[int, typer.Option(min=60, help="Of a made-up year: so many days are lived.")] = 365,
    seed: Annotated[int, typer.Option(min=0, help="Of a made-up year.")] = 1,
    out: Annotated[Path, typer.Option(help="Where the page and the figures go.")] = Path("out/model-life"),
    trained: Annotated[
        Path | None,
        typer.Option(help="Where finished trainings are kept, for other runs too. Default: OUT/trained."),
    ] = None,
) -> None:
    """Rehearse the life of the models: the daemon retrains, promotes and demotes through months, on a virtual clock.

    Three lives through the same history: with everything on; with the first model for ever; with the EWMA alone. A
    decision an hour, the scores, the proofs of drift, the contests and the trainings (in processes of their own) are
    those of the daemon that runs live, with the settings of `models` in --config. Each training learns from what was
    known at its virtual instant; one that would look ahead ends the rehearsal.

    OUT/rehearsal.html shows who served when and why, and what that was worth; OUT/summary.json has the figures. What
    is killed goes on: finished lives and finished trainings are read, not made again.

    Without --data it shows that the machinery works: a storm, an exchange that settles more often, and a turn after
    which the first model is wrong. With your own data it says whether retraining would have been worth it:

      hedged model rehearse --data data --from 2025-01-01 --to 2025-07-01 --position ETH=100000 --recipe small
    """
    from hedged.backtest.runner import Window
    from hedged.rehearsal.run import Rehearsal
    from hedged.rehearsal.run import rehearse as run

    quiet_logs("critical")
    begins = day_ms(from_ or BEGINS, "--from")
    if data is None:
        data, window, told = _made_up(out, begins, days, seed)
    elif from_ is None or to is None:
        raise ConfigError("--data wants --from and --to")
    else:
        window, told = Window(begins, day_ms(to, "--to")), {}
    settings = backtest_config(config, position or (list(MADE_UP) if told else []), None, hedge_venues)
    models = {"recipe": recipe, "learn_days": learn_days or settings.models.learn_days}
    settings = settings.model_copy(
        update={"models": settings.models.model_validate(settings.models.model_dump() | models)}
    )
    plan = Rehearsal(data, window, out, trained or out / "trained", **told)
    with bar() as on_progress:
        summary, page = run(settings, plan, on_progress)
    _show(summary)
    console.print(f"page: {page}")


def _made_up(out: Path, begins_ms: int, days: int, seed: int) -> tuple[Path, Any, "Mapping[str, Any]"]:
    """Make the year up, unless it lies there; return it with what was planted in it."""
    from hedged.backtest.runner import Window
    from hedged.sandbox.turning import usual_course, write_turning

    course = usual_course(begins_ms, days=days)
    directory = out / f"data-{seed}-{days}"
    if not (directory / "open_interest.parquet").is_file():  # written last
        write_turning(directory, course, seed)
    parts = {
        "before the turn": (begins_ms, course.turn_ms),
        "after the turn": (course.turn_ms, course.to_ms),
    }
    planted = {
        course.storm_ms: "prices move three times as much",
        course.calm_again_ms: "they move as before",
        course.faster_ms: "an exchange settles twice as often",
        course.turn_ms: "the law turns",
    }
    return directory, Window(begins_ms, course.to_ms), {"parts": parts, "planted": planted}


def _show(summary: "Mapping[str, Any]") -> None:
    counts = summary["counts"]
    for name, one in summary["losses"].items():
        against = one["living_to_never"]
        console.print(
            f"{name}: loss {_told(one['living'])} of the EWMA's, the first model for ever {_told(one['never'])}; "
            f"retraining ÷ never {_told(against['value'])} ({_told(against['low'])} … {_told(against['high'])})"
        )
    console.print(
        f"{counts['trainings']} trainings, {counts['promotions']} promotions, {counts['rollbacks']} rollbacks, "
        f"{counts['demotions']} times the EWMA stood in, {counts['drift_alarms']} proofs of drift"
    )
    saved = ", ".join(f"{name} {money['net_saving_usd']:+,.0f}" for name, money in summary["money"].items())
    console.print(f"net saving, USD: {saved}")


def _told(number: float | None) -> str:
    return "?" if number is None else f"{number:.3f}"
