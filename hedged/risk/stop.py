"""The stop of the funding hedge: a hedge must not lose more than the funding it protects against (requirement A10).

Loss = −(PnL of the legs + mark-to-market of the part of N they offset − fees − spread + funding the legs received).
Price moves cancel between a leg and what it offsets, so what remains of them is the basis between the venues. The
hedge is unwound when this loss exceeds the funding expected on the protected quantity over the horizon when it was
opened or enlarged, plus what the hedge has already saved.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

from hedged.domain.funding import FundingPayment
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Fill


@dataclass(frozen=True, slots=True)
class Episode:
    """One market's hedge from flat to flat. USD; `marks`: last price per coin by venue at which it was valued."""

    basis_pnl_usd: float = 0.0
    costs_usd: float = 0.0
    received_usd: float = 0.0
    saved_usd: float = 0.0
    expected_usd: float = 0.0
    marks: Mapping[str, float] = field(default_factory=dict)
    stopped_until_ms: int = 0

    @property
    def loss_usd(self) -> float:
        """What the hedge has lost so far, > 0 a loss; funding it spared is not in it."""
        return self.costs_usd - self.basis_pnl_usd - self.received_usd

    @property
    def allowance_usd(self) -> float:
        """The loss at which it is unwound."""
        return max(0.0, self.expected_usd) + max(0.0, self.saved_usd)

    @property
    def must_stop(self) -> bool:
        """Whether the loss exceeds the allowance."""
        return self.loss_usd > self.allowance_usd

    def to_json(self) -> dict[str, Any]:
        """Turn into a plain tree for the journal."""
        return asdict(self)


def advance(
    episode: Episode,
    symbol: str,
    own: Decimal,
    attributed: Mapping[SeriesKey, Decimal],
    marks: Mapping[SeriesKey, Decimal],
    payments: Iterable[FundingPayment],
) -> Episode:
    """Value the hedge at today's marks and count the funding since the last call.

    `attributed`: what was held since then (call before trading). A market without a fresh mark keeps its last value.
    While nothing is held only the marks are kept, so that a hedge is valued from the moment it is opened.
    """
    held = {k: q for k, q in attributed.items() if k.symbol == symbol and q != 0}
    now = dict(episode.marks) | {
        key.venue: float(mark) for key, mark in marks.items() if key.symbol == symbol
    }
    if not held:
        return Episode(marks=now, stopped_until_ms=episode.stopped_until_ms)
    moves = {venue: price - episode.marks.get(venue, price) for venue, price in now.items()}
    basis = sum(
        float(quantity) * (moves.get(key.venue, 0.0) - moves.get(INJECTIVE, 0.0))
        for key, quantity in held.items()
        if key.venue != INJECTIVE
    )
    received = saved = 0.0
    for payment in payments:
        s = payment.settlement
        if s.key.symbol != symbol:
            continue
        if s.key.venue == INJECTIVE:
            saved -= float((payment.quantity - own) * s.rate.rate * s.price)
        else:
            received += float(payment.payment_usd)
    return replace(
        episode,
        basis_pnl_usd=episode.basis_pnl_usd + basis,
        received_usd=episode.received_usd + received,
        saved_usd=episode.saved_usd + saved,
        marks=now,
    )


def charge(episode: Episode, fills: Iterable[Fill], expected_usd: float | None) -> Episode:
    """Add the cost of fills. `expected_usd`: the funding now protected, when the hedge was opened or enlarged."""
    costs = sum(float(fill.execution.fee_usd + fill.spread_usd) for fill in fills)
    allowed = episode.expected_usd if expected_usd is None else max(episode.expected_usd, expected_usd)
    return replace(episode, costs_usd=episode.costs_usd + costs, expected_usd=allowed)
