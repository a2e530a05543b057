"""The alerts that stand, and which of them to tell now: each once, and no more an hour than the budget allows.

Pure: it is shown what stands and what happened, and answers with messages. A condition is told when it is first seen,
again when it gets worse, as a reminder while it lasts, and when it is over. What finds no room waits while it stands;
what is over before there was room is summed up in one line.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from hedged.alerts.budget import Budget
from hedged.alerts.wording import lasted
from hedged.domain.alert import Alert, Kind, Severity
from hedged.domain.clock import HOUR_MS, MINUTE_MS

MOST = 256
"""Conditions that are kept; of more the least severe are dropped."""


class Phase(StrEnum):
    """Where in its life an alert is told."""

    EVENT = "event"
    RAISED = "raised"
    REMINDER = "reminder"
    CLEARED = "cleared"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class Message:
    """One line to send: `alert.text` says it in words. `level`: how bad it has to be for whoever is told; the end of
    something critical is for those who were told of its begin.
    """

    alert: Alert
    phase: Phase
    level: Severity

    @property
    def addressed(self) -> Alert:
        """The alert as severe as whoever is told must want it."""
        return replace(self.alert, severity=self.level)


@dataclass(frozen=True, slots=True)
class Rules:
    """`remind_after_ms`: of a standing condition, 0: never; `over_after_ms`: it must be gone so long to be over."""

    per_hour: int = 20
    remind_after_ms: int = 4 * HOUR_MS
    over_after_ms: int = 5 * MINUTE_MS


@dataclass(slots=True)
class Standing:
    """A condition. `told_ms`: when it was last told, 0: not yet; `told`: the worst that was told of it; `edition`: the
    one that was told; `gone_ms`: since when it is not seen any more, 0 while it stands; `ripe`: it stood long enough to
    be worth telling.
    """

    alert: Alert
    told_ms: int = 0
    told: int = 0
    edition: str = ""
    gone_ms: int = 0
    ripe: bool = False


@dataclass(slots=True)
class AlertBook:
    """What stands and what was told of it. `wanted`: whether anybody is to be told of an alert at all."""

    rules: Rules = field(default_factory=Rules)
    wanted: Callable[[Alert], bool] = lambda _: True
    standing: dict[tuple[Kind, str], Standing] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)

    def active(self) -> tuple[Alert, ...]:
        """Return what stands and is worth telling, the worst first, told or not."""
        alerts = (one.alert for one in self.standing.values() if one.ripe and not one.gone_ms)
        return tuple(sorted(alerts, key=worst_first))

    def look(
        self,
        now_ms: int,
        found: Iterable[Alert],
        judged: Callable[[Alert], bool] = lambda _: True,
        events: Iterable[Alert] = (),
        endings: Mapping[tuple[Kind, str], str] | None = None,
    ) -> list[Message]:
        """Take what stands now and what happened since the last look; return what to tell, the most urgent first.

        `judged`: whether `found` would tell of this condition if it stood; another stays as it was. `endings`: words
        for what is over, where better ones are known than that it is.
        """
        self._note(now_ms, found, judged)
        told = [
            message
            for message in sorted(
                [
                    *(Message(event, Phase.EVENT, event.severity) for event in events),
                    *self._news(),
                    *self._reminders(now_ms),
                    *self._cleared(now_ms, endings or {}),
                ],
                key=lambda message: worst_first(message.alert),
            )
            if self._told(now_ms, message)
        ]
        for key, one in list(self.standing.items()):
            if one.gone_ms and not one.told_ms and self._over(now_ms, one):
                del self.standing[key]
                if one.ripe and self.wanted(one.alert):
                    self.budget.hold(now_ms, one.alert)
        if summary := self.budget.summary(now_ms, self.rules.per_hour):
            told.append(Message(summary, Phase.SUMMARY, summary.severity))
        return told

    def _note(self, now_ms: int, found: Iterable[Alert], judged: Callable[[Alert], bool]) -> None:
        """Bring what stands up to date."""
        seen = set()
        for alert in found:
            seen.add(alert.key)
            kept = self.standing.get(alert.key)
            if kept is None:
                self.standing[alert.key] = Standing(alert)
            else:  # gone for a moment is not over
                begun_ms = kept.alert.since_ms if kept.ripe or not kept.gone_ms else alert.since_ms
                kept.alert = replace(alert, since_ms=min(alert.since_ms, begun_ms))
                kept.gone_ms = 0
        for key, one in self.standing.items():
            if key not in seen and not one.gone_ms and judged(one.alert):
                one.gone_ms = now_ms
            one.ripe = one.ripe or (one.gone_ms or now_ms) - one.alert.since_ms >= one.alert.patience_ms
        by_rank = sorted(
            self.standing.values(), key=lambda one: (-one.alert.severity, not one.told_ms, one.alert.since_ms)
        )
        for one in by_rank[MOST:]:
            del self.standing[one.alert.key]

    def _news(self) -> list[Message]:
        """Return what is new, worse, or another than what was told."""
        return [
            Message(one.alert, Phase.RAISED, one.alert.severity)
            for one in self.standing.values()
            if one.ripe
            and not one.gone_ms
            and (one.alert.severity > one.told or one.alert.edition != one.edition)
        ]

    def _reminders(self, now_ms: int) -> list[Message]:
        after_ms = self.rules.remind_after_ms
        due = [
            one.alert
            for one in self.standing.values()
            if one.told_ms and not one.gone_ms and now_ms - one.told_ms >= after_ms
            # what is news is told as such
            and one.alert.severity <= one.told and one.alert.edition == one.edition
        ]  # fmt: skip
        return [
            Message(
                replace(alert, text=f"Still, for {lasted(now_ms - alert.since_ms)}: {alert.text}"),
                Phase.REMINDER,
                alert.severity,
            )
            for alert in due
            if after_ms and alert.reminds and alert.severity > Severity.INFO
        ]

    def _cleared(self, now_ms: int, endings: Mapping[tuple[Kind, str], str]) -> list[Message]:
        """Return what is over, addressed to those who were told of it."""
        messages = []
        for key, one in self.standing.items():
            if one.told_ms and one.gone_ms and (key in endings or self._over(now_ms, one)):
                text = (
                    endings.get(key)
                    or f"Over after {lasted(one.gone_ms - one.alert.since_ms)}: {one.alert.text}"
                )
                ended = replace(one.alert, severity=Severity.INFO, text=text)
                messages.append(Message(ended, Phase.CLEARED, Severity(one.told)))
        return messages

    def _over(self, now_ms: int, one: Standing) -> bool:
        return not 0 <= now_ms - one.gone_ms < self.rules.over_after_ms

    def _told(self, now_ms: int, message: Message) -> bool:
        """Tell one message where there is room for it and somebody to be told; note it as told."""
        alert = message.alert
        wanted = self.wanted(message.addressed)
        if wanted and not self.budget.take(now_ms, self.rules.per_hour, alert.severity):
            if message.phase is Phase.EVENT:  # a condition waits for room
                self.budget.hold(now_ms, alert)
            return False
        if message.phase is Phase.CLEARED:
            del self.standing[alert.key]
        elif message.phase is not Phase.EVENT:
            kept = self.standing[alert.key]
            # whoever was told of the worst of it hears of its end
            kept.told = max(kept.told, int(alert.severity))
            kept.told_ms, kept.edition = now_ms, alert.edition
        return wanted

    def to_json(self) -> dict[str, Any]:
        """Return what was told, for the next life."""
        rows = [
            {
                "kind": one.alert.kind.value,
                "severity": int(one.alert.severity),
                "subject": one.alert.subject,
                "text": one.alert.text,
                "since_ms": one.alert.since_ms,
                "told_ms": one.told_ms,
                "told": one.told,
                "edition": one.edition,
                "gone_ms": one.gone_ms,
                "reminds": one.alert.reminds,
            }
            for one in self.standing.values()
            if one.told_ms
        ]
        return {"standing": rows, "budget": self.budget.to_json()}

    def go_on(self, state: Mapping[str, Any]) -> None:
        """Go on from what an earlier life told. Raises ValueError, KeyError, TypeError or AttributeError where it is
        no such state; then nothing is changed.
        """
        budget, standing = Budget.from_json(state["budget"]), {}
        for row in state["standing"][:MOST]:
            alert = Alert(
                Kind(row["kind"]), Severity(row["severity"]), str(row["subject"]), str(row["text"]),
                int(row["since_ms"]), str(row["edition"]), reminds=bool(row["reminds"]),
            )  # fmt: skip
            standing[alert.key] = Standing(
                alert, int(row["told_ms"]), int(row["told"]), alert.edition, int(row["gone_ms"]), ripe=True
            )
        self.budget, self.standing = budget, standing


def worst_first(alert: Alert) -> tuple[int, int, str, str]:
    """By which alerts are ordered: severity, then age."""
    return -alert.severity, alert.since_ms, alert.kind, alert.subject
