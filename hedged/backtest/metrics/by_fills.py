"""What only the fills can tell: how long a leg of a pair stood alone, and how much rested before it was filled."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise

import numpy as np

from hedged.backtest.metrics.formulas import Part, ratio
from hedged.domain.clock import HOUR_MS
from hedged.domain.market import INJECTIVE, Market, SeriesKey
from hedged.domain.orders import Fill, Purpose, Side, Strategy

PAIRED = frozenset({Purpose.RELOCATE, Purpose.DIVERGENCE_OPEN, Purpose.DIVERGENCE_CLOSE, Purpose.STOP})
"""What is traded on two venues at once."""


def naked_hours(
    fills: Sequence[Fill],
    own: Mapping[str, Decimal],
    markets: Mapping[SeriesKey, Market],
    cycle_ms: int,
    to_ms: int,
) -> float:
    """Return the hours, summed over symbols, in which a leg of a pair stood alone.

    `own`: signed coins on Injective; `cycle_ms`: what was decided in one cycle is one pair; `to_ms`: end of the run.
    Less than the coarser of the markets' quantity steps is no leg.
    """
    by_symbol: dict[str, list[Fill]] = defaultdict(list)
    for fill in sorted(fills, key=lambda f: f.execution.ts_ms):
        by_symbol[fill.key.symbol].append(fill)
    return (
        sum(
            _alone_ms(
                of, 1 if own.get(symbol, Decimal(0)) >= 0 else -1, _step(symbol, markets), cycle_ms, to_ms
            )
            for symbol, of in by_symbol.items()
        )
        / HOUR_MS
    )


def _step(symbol: str, markets: Mapping[SeriesKey, Market]) -> Decimal:
    return max((m.quantity_step for key, m in markets.items() if key.symbol == symbol), default=Decimal(0))


def _alone_ms(fills: Sequence[Fill], side: int, step: Decimal, cycle_ms: int, to_ms: int) -> int:
    held: dict[str, Decimal] = defaultdict(Decimal)
    waiting = _waiting(fills, step, cycle_ms)
    total, ends = 0, [f.execution.ts_ms for f in fills[1:]] + [to_ms]
    for i, (fill, end_ms) in enumerate(zip(fills, ends, strict=True)):
        if fill.purpose.strategy is not Strategy.DIVERGENCE:
            held[fill.key.venue] += fill.signed_quantity
        far = sum((max(side * q, Decimal(0)) for v, q in held.items() if v != INJECTIVE), Decimal(0))
        uncovered = far - max(-side * held[INJECTIVE], Decimal(0)) > step
        if uncovered or i in waiting:
            total += end_ms - fill.execution.ts_ms
    return total


def _waiting(fills: Sequence[Fill], step: Decimal, cycle_ms: int) -> set[int]:
    """Return the numbers of fills after which a pair is whole only with a later fill of the same cycle."""
    cycles: dict[int, list[int]] = defaultdict(list)
    for i, fill in enumerate(fills):
        if fill.purpose in PAIRED:
            cycles[fill.execution.ts_ms // cycle_ms].append(i)
    found = set()
    for pair in cycles.values():
        if {fills[i].execution.side for i in pair} != {Side.BUY, Side.SELL}:
            continue
        apart = Decimal(0)
        for i, following in pairwise(pair):
            apart += fills[i].signed_quantity
            if abs(apart) > step:
                found |= set(range(i, following))
    return found


def maker_share(fills: Sequence[Fill]) -> Part:
    """Return made notional ÷ all notional; not known where it was not looked up how a fill came about.

    What a venue took by force was not made.
    """
    made, traded = (
        sum((f.execution.quantity * f.execution.price for f in some), Decimal(0))
        for some in ([f for f in fills if f.made], fills)
    )
    told = all(f.made is not None or f.execution.client_id is None for f in fills)
    part = ratio(np.array([float(made)]), np.array([float(traded)]))
    return part if told else Part(np.array([np.nan]))
