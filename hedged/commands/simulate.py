"""The command `hedged simulate`: the daemon against everything that can go wrong, seed by seed."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from hedged.commands.shared import console
from hedged.domain.errors import ConfigError

if TYPE_CHECKING:
    from hedged.simulate.many import Played


class Modes(StrEnum):
    """What the seeds are for."""

    SAFETY = "safety"
    LIVENESS = "liveness"
    BOTH = "both"


def simulate(
    seeds: Annotated[str, typer.Option(help="First and last seed: 1..500.")] = "1..100",
    hours: Annotated[float, typer.Option(min=0.5, max=48, help="Simulated hours of each seed.")] = 4.0,
    mode: Annotated[
        Modes, typer.Option(help="safety: faults until the end; liveness: faults stop, all must come right.")
    ] = Modes.BOTH,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 1,
    trace: Annotated[bool, typer.Option("--trace", help="Print the whole history of a single seed.")] = False,
    every_fault: Annotated[
        bool, typer.Option("--every-fault", help="Also the faults that the daemon does not withstand yet.")
    ] = False,
    plant: Annotated[str, typer.Option(help="A bug to plant, FILE:NAME: does the simulation find it?")] = "",
) -> None:
    """Simulate the whole daemon on a virtual clock with faults, crashes and interleavings; a seed repeats exactly."""
    from hedged.simulate.many import play_all
    from hedged.simulate.quiet import silent_logs
    from hedged.simulate.world import Mode

    first, last = _range(seeds)
    modes = list(Mode) if mode is Modes.BOTH else [Mode(mode.value)]
    silent_logs()
    if trace:
        _trace(first, last, modes, hours, plant, every_fault=every_fault)
        return
    total: Counter[str] = Counter()
    failing: list[Played] = []
    with console.status("") as status:
        for n, played in enumerate(
            play_all(range(first, last + 1), modes, hours, jobs, plant, every_fault=every_fault), start=1
        ):
            total += played.counts
            status.update(f"{n} of {(last - first + 1) * len(modes)} runs, {len(failing)} failed")
            if played.broken:
                failing.append(played)
                for checker, text in played.broken:
                    console.print(f"seed {played.seed} {checker}: {text}", highlight=False, markup=False)
                console.print(f"  {played.reproduction}", highlight=False, markup=False, soft_wrap=True)
    _summary(total)
    console.print(f"{(last - first + 1) * len(modes)} runs, {len(failing)} failed")
    if failing:
        raise typer.Exit(1)


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("..")
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise ConfigError(f"--seeds {text!r}: expected FIRST..LAST, e.g. 1..500")
    return int(first), int(last)


def _trace(
    first: int, last: int, modes: Sequence[str], hours: float, plant: str, *, every_fault: bool
) -> None:
    from hedged.simulate.many import plant_of
    from hedged.simulate.run import play
    from hedged.simulate.world import Mode

    if first != last or len(modes) != 1:
        raise ConfigError("--trace prints one seed in one mode: --seeds 12..12 --mode safety")
    with plant_of(plant):
        outcome = play(first, Mode(modes[0]), hours, every_fault=every_fault)
    for line in outcome.history.lines():
        typer.echo(line)
    for checker, text in outcome.broken:
        typer.echo(f"{checker}: {text}")
    typer.echo(f"history {outcome.history.digest()}, {len(outcome.history.events)} events")
    if outcome.broken:
        raise typer.Exit(1)


def _summary(total: Counter[str]) -> None:
    """Print what was exercised."""
    groups: dict[str, list[str]] = {}
    for name, n in sorted(total.items()):
        kind, _, what = name.rpartition(": ")
        groups.setdefault(kind or "all", []).append(f"{what} {n:,}")
    for kind, told in groups.items():
        console.print(f"{kind}: {', '.join(told)}", highlight=False)
