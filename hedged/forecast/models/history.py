"""What happened to the models, in order, and where that leaves each of them. Pure.

The history is the registry: events are added and never taken away, and who is champion follows from them. The model
that ships is there from the beginning; while nothing else was promoted it is the champion, of whichever version.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from hedged.domain.errors import Rejected
from hedged.forecast.models.lineage import Lineage

SHIPPED = "shipped"
"""What the model that comes with the program is called here: it is another one in another version."""
MOST_CHALLENGERS = 3
NEWEST = 3
"""So many retired models are kept besides those that are needed."""


class Act(StrEnum):
    """What may happen to a model. `removed`: its artefact is no longer kept; `demoted`: the EWMA serves in the
    champion's place until it is `restored`, or any model is promoted.
    """

    ADDED = "added"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back to"
    RETIRED = "retired"
    REMOVED = "removed"
    DEMOTED = "demoted"
    RESTORED = "restored"


class State(StrEnum):
    """What a model is now."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Event:
    """`model`: the artefact's hash, or `shipped`; `ts`: ISO, UTC; `lineage`: of one that is added."""

    ts: str
    act: Act
    model: Annotated[str, Field(pattern=r"^(shipped|[0-9a-f]{16})$")]
    by: str
    why: str
    lineage: Lineage | None = None


@dataclass(frozen=True, slots=True)
class History:
    """Made by `after`, event by event. `reigns`: who served, one after the other; a rollback takes back its last ones.

    `kept`: whose artefacts are there, in the order in which they were added; `retired`: challengers that gave up;
    `demoted`: how the champion gave way to the EWMA, None where it serves.
    """

    events: tuple[Event, ...] = ()
    reigns: tuple[str, ...] = (SHIPPED,)
    kept: tuple[str, ...] = ()
    reigned: frozenset[str] = frozenset({SHIPPED})
    retired: frozenset[str] = frozenset()
    lineages: dict[str, Lineage] = field(default_factory=dict)
    demoted: Event | None = None

    @property
    def champion(self) -> str:
        """The one that serves."""
        return self.reigns[-1]

    @property
    def before(self) -> str | None:
        """The one that a rollback leads to: the latest that served before the champion and is kept; None: none is."""
        there = {SHIPPED, *self.kept} - {self.champion}
        return next((one for one in reversed(self.reigns[:-1]) if one in there), None)

    @property
    def challengers(self) -> tuple[str, ...]:
        """Those that may yet serve, the oldest first."""
        return tuple(one for one in self.kept if self.state(one) is State.CHALLENGER)

    @property
    def models(self) -> tuple[str, ...]:
        """All that ever were, the shipped one first, then as they were first added."""
        return (SHIPPED, *self.lineages)

    @property
    def to_serve(self) -> tuple[str, ...]:
        """Whom to try, one after the other: the champion, the one before, and what ships."""
        return tuple(dict.fromkeys(one for one in (self.champion, self.before, SHIPPED) if one is not None))

    def state(self, model: str) -> State:
        """Tell what a model is now."""
        if model == self.champion:
            return State.CHAMPION
        over = model in self.reigned or model in self.retired or not self.has(model)
        return State.RETIRED if over else State.CHALLENGER

    def has(self, model: str) -> bool:
        """Tell whether a model's artefact is kept."""
        return model == SHIPPED or model in self.kept

    def of(self, model: str) -> tuple[Event, ...]:
        """Return what happened to a model."""
        return tuple(event for event in self.events if event.model == model)

    def surplus(self, running: Collection[str] = ()) -> tuple[str, ...]:
        """Return whose artefacts need not be kept: all but the champion, the one before, challengers, what runs, and
        the newest of the rest.
        """
        needed = {self.champion, self.before, *self.challengers, *running}
        rest = [one for one in self.kept if one not in needed]
        return tuple(rest[: max(0, len(rest) - NEWEST)])

    def after(self, event: Event) -> "History":
        """Return the history with one more event. Raises Rejected, saying what is possible, for one that cannot be."""
        grown = replace(self, events=(*self.events, event))
        model = event.model
        match event.act:
            case Act.ADDED:
                return _added(grown, model, event.lineage)
            case Act.PROMOTED:
                return _promoted(grown, model)
            case Act.ROLLED_BACK:
                return _rolled_back(grown, model)
            case Act.RETIRED if self.state(model) is State.CHALLENGER:
                return replace(grown, retired=self.retired | {model})
            case Act.DEMOTED if model == self.champion and self.demoted is None:
                return replace(grown, demoted=event)
            case Act.RESTORED if model == self.champion and self.demoted is not None:
                return replace(grown, demoted=None)
            case Act.REMOVED if model in self.kept and model not in (self.champion, self.before):
                return replace(grown, kept=tuple(one for one in self.kept if one != model))
        raise Rejected(f"{model} is {self.state(model)}: it cannot be {event.act}")


def _added(history: History, model: str, lineage: Lineage | None) -> History:
    if model == SHIPPED or model in history.kept:
        raise Rejected(f"{model} is in the registry already: it is {history.state(model)}")
    if lineage is None:
        raise Rejected(f"{model} has no lineage")
    return replace(
        history,
        kept=(*history.kept, model),
        retired=history.retired - {model},
        lineages=history.lineages | {model: lineage},
    )


def _promoted(history: History, model: str) -> History:
    if model == history.champion and history.demoted is not None:
        return replace(history, demoted=None)
    if model == history.champion:
        raise Rejected(f"{model} is the champion already")
    if not history.has(model):
        known = model in history.lineages
        why = "its artefact is no longer kept" if known else "it is not in the registry"
        raise Rejected(
            f"{model} cannot be promoted: {why}; add it with `hedged model add DIR`, see `hedged model list`"
        )
    return replace(history, reigns=(*history.reigns, model), reigned=history.reigned | {model}, demoted=None)


def _rolled_back(history: History, model: str) -> History:
    if model != history.before:
        able = f"only to {history.before}" if history.before else "to none: nothing served before"
        raise Rejected(f"a rollback from {history.champion} leads {able}; `hedged model promote` takes any")
    end = max(i for i, one in enumerate(history.reigns[:-1]) if one == model)
    return replace(history, reigns=history.reigns[: end + 1], demoted=None)
