"""Walk-forward folds: stretches of time one after another, each scored by what was chosen on those before it."""

from collections.abc import Sequence
from dataclasses import dataclass

from hedged.backtest.runner import Window
from hedged.domain.clock import DAY_MS, iso
from hedged.domain.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Step:
    """Choose on the folds `train` (by number, all of them earlier), score on the fold `test`."""

    train: tuple[int, ...]
    test: int


def folds_of(from_ms: int, to_ms: int, count: int, length_d: int | None) -> list[Window]:
    """Cut the window into `count` folds of whole days that end with it. Raises ConfigError when they do not fit.

    Without a length they fill the window but for less than a day each at its beginning.
    """
    days = (to_ms - from_ms) // DAY_MS
    length = length_d or days // count
    if length < 1 or count * length > days:
        wanted = f"{count} folds of {length_d} days" if length_d else f"{count} folds of whole days"
        raise ConfigError(f"folds: {wanted} do not fit between {iso(from_ms)[:10]} and {iso(to_ms)[:10]}")
    starts = [to_ms - (count - i) * length * DAY_MS for i in range(count)]
    return [Window(start, start + length * DAY_MS) for start in starts]


def steps_of(count: int, rolling: int | None, first: int = 1) -> Sequence[Step]:
    """Return a step for each fold from number `first` on; `rolling`: only so many folds before it count."""
    return [Step(tuple(range(max(0, i - (rolling or i)), i)), i) for i in range(first, count)]
