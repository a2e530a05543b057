"""Conditions of the models that forecast. Pure."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from hedged.alerts.facts import Facts
from hedged.alerts.wording import line, market
from hedged.domain.alert import Alert, Kind, Severity


class _Condition(NamedTuple):
    """`told`: what is wrong, "" where nothing is; `text`: what is said of it, {} is what is told."""

    told: Callable[[Facts], str]
    severity: Severity
    subject: str
    text: str


_CONDITIONS = (
    _Condition(
        lambda facts: facts.model_failed, Severity.WARNING, "forecaster",
        "The forecaster fails: {}. Nothing is opened or changed; stops hold.",
    ),
    _Condition(
        lambda facts: facts.seen.model_refused, Severity.WARNING, "model",
        "A model does not serve though it should ({}). Another one forecasts, hedging goes on. `hedged model list` "
        "says which; `hedged model rollback` settles it.",
    ),
    _Condition(
        lambda facts: facts.seen.training_failing, Severity.WARNING, "training",
        "Trainings fail: {}. The model that serves grows old; hedging goes on. `hedged model training` says more.",
    ),
    _Condition(
        lambda facts: facts.seen.model_demoted, Severity.WARNING, "stand-in",
        "The EWMA forecasts in a model's place: {}. Stops and reductions go on; `hedged model list` says who serves.",
    ),
    _Condition(
        lambda facts: facts.seen.model_better, Severity.INFO, "challenger",
        "Model {0} is better than the champion, surely; `models.promote` is off: `hedged model promote {0}` lets it "
        "serve.",
    ),
    _Condition(
        lambda facts: facts.seen.model_damaged, Severity.WARNING, "model on disk",
        "The model that serves is damaged on disk: {}. It goes on from memory, but not after a restart: restore it, or "
        "promote another.",
    ),
    _Condition(
        lambda facts: facts.seen.model_drifts, Severity.WARNING, "drift",
        "The model has drifted: {}. Bands widen and hedges shrink by themselves; a new one is trained where that is "
        "allowed (models.retrain).",
    ),
    _Condition(
        lambda facts: facts.seen.inputs_silent, Severity.WARNING, "inputs",
        "The model lacks inputs that it was trained on, for weeks now: {}. It forecasts without them; look whether a "
        "source of data has gone silent.",
    ),
)  # fmt: skip


def of_models(facts: Facts) -> list[Alert]:
    """Return all that stands of models and their forecasts."""
    stand = ((one, one.told(facts)) for one in _CONDITIONS)
    alerts = [
        Alert(Kind.DRIFT, one.severity, one.subject, line(one.text.format(told)), facts.now_ms)
        for one, told in stand
        if told
    ]
    return [*alerts, *_misses(facts)]


def _misses(facts: Facts) -> Iterator[Alert]:
    for key, misses in sorted(facts.missing.items()):
        seen = f"{misses.missed} of the last {misses.of} settlements left" if misses.of else "too many leave"
        text = (
            f"Forecasts of {market(key)} miss: {seen} their 80 % band. Nothing is opened there until they hit "
            "again; what is held may be reduced."
        )
        yield Alert(Kind.DRIFT, Severity.WARNING, market(key), text, facts.now_ms)
