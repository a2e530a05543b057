"""What the lives amounted to: losses of what served beside the EWMA's, events in order, money. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import DAY_MS, iso
from hedged.domain.forecast import STAND_IN

ROLLING_MS = 21 * DAY_MS
WEEK_MS = 7 * DAY_MS
DRAWS = 2_000
Floats = NDArray[np.float64]


class Course:
    """The losses of what served in one life. All arrays (n,), by hour of origin, oldest first.

    `loss`, `ewma`: mean pinball in s over `of` series; where the EWMA itself served both are its own.
    """

    def __init__(self, life: Mapping[str, Any]) -> None:
        """`life`: as `Observer.told` has it."""
        by_origin: dict[int, dict[str, Sequence[float]]] = {}
        for origin_ms, name, *rest in life["rows"]:
            by_origin.setdefault(int(origin_ms), {})[str(name)] = rest
        serving = [(one["ms"], one["value"]) for one in life["changes"] if one["what"] == "serves"]
        rows = []
        for origin_ms, told in sorted(by_origin.items()):
            name = next((value for ms, value in reversed(serving) if ms <= origin_ms), "")
            row = _served(told, name)
            if row is not None:
                rows.append((float(origin_ms), *row))
        columns = np.array(rows, dtype=np.float64).reshape(len(rows), 6).T
        self.origin_ms = columns[0].astype(np.int64)
        self.loss, self.ewma, self.of, self.right, self.called = columns[1:]

    def within(self, from_ms: int, to_ms: int) -> NDArray[np.bool_]:
        """Tell which hours lie in [from, to)."""
        inside: NDArray[np.bool_] = (self.origin_ms >= from_ms) & (self.origin_ms < to_ms)
        return inside

    def ratio(self, rows: NDArray[np.bool_]) -> float | None:
        """Return loss ÷ the EWMA's; None where nothing was lost."""
        theirs = float((self.ewma * self.of)[rows].sum())
        return float((self.loss * self.of)[rows].sum()) / theirs if theirs > 0 else None

    def rolling(self, at_ms: Sequence[int]) -> list[float | None]:
        """Return the ratio of the weeks before each instant."""
        return [self.ratio(self.within(at - ROLLING_MS, at)) for at in at_ms]

    def direction(self, rows: NDArray[np.bool_]) -> float | None:
        """Return the share of directions called right."""
        called = float(self.called[rows].sum())
        return float(self.right[rows].sum()) / called if called else None


def _served(told: Mapping[str, Sequence[float]], name: str) -> tuple[float, ...] | None:
    if name == STAND_IN:
        _, ewma, of, _, _ = next(iter(told.values()))
        return ewma, ewma, of, 0.0, 0.0
    return tuple(told[name]) if name in told else None


def compared(ours: Course, theirs: Course, from_ms: int, to_ms: int) -> dict[str, float | None]:
    """Return loss ÷ the other life's on the hours that both know, with its 95 % interval by weeks drawn anew."""
    shared, i, j = np.intersect1d(ours.origin_ms, theirs.origin_ms, return_indices=True)
    inside = (shared >= from_ms) & (shared < to_ms)
    a, b = (ours.loss * ours.of)[i][inside], (theirs.loss * theirs.of)[j][inside]
    if not len(a) or not b.sum() > 0:
        return {"value": None, "low": None, "high": None}
    _, week = np.unique(shared[inside] // WEEK_MS, return_inverse=True)
    sums = np.array([np.bincount(week, a), np.bincount(week, b)])
    drawn = np.random.default_rng(0).integers(0, sums.shape[1], (DRAWS, sums.shape[1]))
    ratios = sums[0][drawn].sum(axis=1) / np.maximum(sums[1][drawn].sum(axis=1), 1e-300)
    low, high = np.quantile(ratios, (0.025, 0.975))
    return {"value": float(a.sum() / b.sum()), "low": float(low), "high": float(high)}


def events_of(life: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return all that happened in a life, in order: `ts`, `what`, `model`, `why`."""
    found = [
        {"ts": one["ts"], "what": one["act"], "model": one["model"], "why": one["why"]}
        for one in life["registry"]
    ]
    found += [
        {
            "ts": iso(one["ordered_ms"]), "what": f"trained: {one['outcome']}", "model": one["model"],
            "why": f"{one['why']}; {one['text']}",
        }
        for one in life["trainings"]
    ]  # fmt: skip
    serves = ""
    for one in life["changes"]:
        what, value = one["what"], one["value"]
        if what == "serves":
            if STAND_IN in (value, serves):
                said = "gave way to the EWMA" if value == STAND_IN else "serves again"
                found.append({"ts": one["ts"], "what": said, "model": value, "why": one["why"]})
            serves = value
        elif what == "drift":
            said = "drift is proven" if value else "drift is proven no more"
            found.append({"ts": one["ts"], "what": said, "model": serves, "why": one["why"]})
        else:
            found.append({"ts": one["ts"], "what": f"regime: {value}", "model": "", "why": one["why"]})
    return sorted(found, key=lambda one: one["ts"])


def spans_of(life: Mapping[str, Any], what: str, to_ms: int) -> list[dict[str, Any]]:
    """Return how long each value lasted: `from`, `to` (ms), `name`."""
    told = [(one["ms"], one["value"]) for one in life["changes"] if one["what"] == what]
    ends = [*(ms for ms, _ in told[1:]), to_ms]
    return [{"from": ms, "to": end, "name": name} for (ms, name), end in zip(told, ends, strict=False)]


def reckoned(
    lives: Mapping[str, Mapping[str, Any]], parts: Mapping[str, tuple[int, int]], from_ms: int, to_ms: int
) -> dict[str, Any]:
    """Return the summary of `living`, `never` and `ewma`. `parts`: stretches [from, to) ms that are told apart."""
    living, never = Course(lives["living"]), Course(lives["never"])
    at = list(range(from_ms + WEEK_MS, to_ms + 1, DAY_MS))
    stretches = {"the whole": (from_ms, to_ms), **parts}
    events = events_of(lives["living"])
    counts = Counter(one["what"] for one in events)
    return {
        "from": iso(from_ms), "to": iso(to_ms),
        "losses": {
            name: {
                "from": iso(begin), "to": iso(end),
                "living": living.ratio(living.within(begin, end)),
                "never": never.ratio(never.within(begin, end)),
                "living_to_never": compared(living, never, begin, end),
                "direction": living.direction(living.within(begin, end)),
                "direction_never": never.direction(never.within(begin, end)),
            }
            for name, (begin, end) in stretches.items()
        },
        "money": {name: life["money"] for name, life in lives.items()},
        "counts": {
            "trainings": len(lives["living"]["trainings"]), "promotions": counts["promoted"] - 1,
            "rollbacks": counts["rolled back to"], "demotions": counts["gave way to the EWMA"],
            "drift_alarms": counts["drift is proven"], "origins": len(living.origin_ms),
        },
        "rolling": {"at": at, "living": living.rolling(at), "never": never.rolling(at)},
        "regimes": spans_of(lives["living"], "regime", to_ms),
        "served": spans_of(lives["living"], "serves", to_ms),
        "events": events,
    }  # fmt: skip
