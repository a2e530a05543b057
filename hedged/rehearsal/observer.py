"""Watches a life from within: who serves, what is judged, what comes true; nothing is changed by it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hedged.domain.clock import DAY_MS, Clock, iso
from hedged.domain.forecast import STAND_IN
from hedged.wiring.models.life import ModelLife

LATE_MS = 14 * DAY_MS
"""No outcome is known later than that after its origin; of earlier ones all was taken."""


@dataclass(frozen=True, slots=True)
class Row:
    """The losses of a forecaster at one hour beside the EWMA's, mean pinball in s over `of` series; how many of its
    `called` directions were `right`.
    """

    origin_ms: int
    name: str
    loss: float
    ewma_loss: float
    of: int
    right: int
    called: int


@dataclass(slots=True)
class Observer:
    """`every_s`: of the virtual clock, as the cycles come. `run` is one task with one owner.

    `changes`: (ms, what, value, why) whenever who serves, the verdict on drift or the regime is another one.
    """

    models: ModelLife
    clock: Clock
    every_s: float
    on_hour: Callable[[int], None] = lambda _: None
    rows: list[Row] = field(default_factory=list)
    changes: list[tuple[int, str, str, str]] = field(default_factory=list)
    _now: dict[str, str] = field(default_factory=dict)
    _sheets: object = None
    _seen: set[tuple[str, int]] = field(default_factory=set)

    async def run(self) -> None:
        """Look with every cycle until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(self.every_s)

    def look(self) -> None:
        """Take down what is another than it was, and what has come true."""
        models, now_ms = self.models, self.clock.now_ms()
        self.on_hour(now_ms)
        served, drift = models.follower.served, models.drift
        self._note(now_ms, "serves", served.model, models.follower.demotion.told or served.why)
        self._note(now_ms, "drift", "proven" if drift.verdict.proven else "", drift.verdict.why)
        self._note(now_ms, "regime", drift.regime, drift.market.why)
        self.collect()

    def collect(self) -> None:
        """Take what is judged and was not taken yet."""
        book = self.models.scoring.book
        if book is None or book.sheets is self._sheets:
            return
        self._sheets = book.sheets
        for name in book.names():
            if name == STAND_IN:
                continue
            told = book.paired(name, STAND_IN, since_ms=self.clock.now_ms() - LATE_MS)
            for i, origin_ms in enumerate(told.origin_ms.tolist()):
                if (name, origin_ms) not in self._seen:
                    self._seen.add((name, origin_ms))
                    losses, counts = (
                        (float(told.loss[i]), float(told.other[i])),
                        (told.of, told.right, told.called),
                    )
                    self.rows.append(Row(origin_ms, name, *losses, *(int(one[i]) for one in counts)))

    def told(self) -> dict[str, Any]:
        """Return it as a plain tree."""
        return {
            "rows": [
                [one.origin_ms, one.name, one.loss, one.ewma_loss, one.of, one.right, one.called]
                for one in sorted(self.rows, key=lambda one: (one.origin_ms, one.name))
            ],
            "changes": [
                {"ts": iso(ts_ms), "ms": ts_ms, "what": what, "value": value, "why": why}
                for ts_ms, what, value, why in self.changes
            ],
        }

    def _note(self, now_ms: int, what: str, value: str, why: str) -> None:
        if self._now.get(what, "") != value:
            self._now[what] = value
            self.changes.append((now_ms, what, value, why))
