"""The stop of a hedge that protects the trader's own position: it must not lose more than the funding it protects
against (requirement A10).

Loss = −(PnL of the legs and of the cut + mark-to-market of the part of N that they offset) + fees and shortfall of
execution − funding that the legs received. Price moves cancel between what is held and what it offsets, so what remains
of them is the basis between the venues; what offsets nothing (a leg whose other half is gone) counts in full. The hedge
is unwound when this loss exceeds the funding expected on the protected quantity over the horizon when it was opened or
enlarged, plus what the hedge has already saved.

Every market of the hedge is valued at one instant or none is: half of a price move is a loss that nobody has. Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from hedged.domain.funding import FundingPayment
from hedged.domain.market import INJECTIVE


@dataclass(frozen=True, slots=True)
class Episode:
    """One coin's hedge from flat to flat. USD; `marks`: price per coin by venue at which it was last valued.

    `planned_usd`: the funding that a hedge in the making is to protect, `expected_usd` once it is filled;
    `legs_pnl_usd`: of the legs elsewhere alone, for the literal stop; `valued_ms`: when all its markets could last be
    valued; `unwinding`: it was stopped and is not flat yet; `why`: the words of the latest stop.
    """

    basis_pnl_usd: float = 0.0
    costs_usd: float = 0.0
    received_usd: float = 0.0
    saved_usd: float = 0.0
    expected_usd: float = 0.0
    marks: Mapping[str, float] = field(default_factory=dict)
    stopped_until_ms: int = 0
    planned_usd: float = 0.0
    legs_pnl_usd: float = 0.0
    valued_ms: int = 0
    unwinding: bool = False
    why: str = ""

    @property
    def loss_usd(self) -> float:
        """What the hedge has lost so far, > 0 a loss; funding it spared is not in it."""
        return self.costs_usd - self.basis_pnl_usd - self.received_usd

    @property
    def leg_loss_usd(self) -> float:
        """What the legs elsewhere have lost by themselves, whatever the trader's position gained meanwhile."""
        return self.costs_usd - self.legs_pnl_usd - self.received_usd

    @property
    def allowance_usd(self) -> float:
        """The loss at which it is unwound."""
        return max(0.0, self.expected_usd) + max(0.0, self.saved_usd)

    @property
    def must_stop(self) -> bool:
        """Whether the loss exceeds the allowance."""
        return self.loss_usd > self.allowance_usd

    @property
    def leg_must_stop(self) -> bool:
        """The same of the legs by themselves: `risk.leg_stop`."""
        return self.leg_loss_usd > self.allowance_usd

    def to_json(self) -> dict[str, Any]:
        """Turn into a plain tree for the journal."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Trade:
    """A fill as the stop counts it: `quantity` signed coins; `price`: what it is valued from (the mark it was decided
    on; the execution itself where others took the leg away); `cost_usd`: fee, and what was lost against that price;
    `here`: Injective's mark when it happened, None where that is not known.
    """

    venue: str
    quantity: float
    price: float
    cost_usd: float
    here: float | None = None


def offset(own: float, held: Mapping[str, float]) -> float:
    """Return the part of N that the daemon's coins offset, signed coins: never more than N, never against its side."""
    against = -sum(held.values())
    return min(max(against, min(own, 0.0)), max(own, 0.0))


def value(
    episode: Episode, own: float, held: Mapping[str, float], marks: Mapping[str, float], now_ms: int
) -> Episode:
    """Value what was held since the last call at marks that are believed.

    `held`: the daemon's signed coins by venue. While nothing is held only the marks are kept, so that a hedge is valued
    from the moment it is opened. Where a mark is missing that the hedge needs, nothing is valued.
    """
    holding = {venue: quantity for venue, quantity in held.items() if quantity}
    if not holding:
        return replace(episode, marks=dict(episode.marks) | dict(marks), valued_ms=now_ms)
    if not {INJECTIVE, *holding} <= set(marks):
        return episode
    moves = {venue: price - episode.marks.get(venue, price) for venue, price in marks.items()}
    legs = sum(q * moves[venue] for venue, q in holding.items() if venue != INJECTIVE)
    here = (holding.get(INJECTIVE, 0.0) + offset(own, holding)) * moves[INJECTIVE]
    return replace(
        episode,
        basis_pnl_usd=episode.basis_pnl_usd + legs + here,
        legs_pnl_usd=episode.legs_pnl_usd + legs,
        marks=dict(episode.marks) | dict(marks),
        valued_ms=now_ms,
    )


def book(episode: Episode, own: float, held: Mapping[str, float], trades: Iterable[Trade]) -> Episode:
    """Count fills: what each cost, and its price against the mark at which the episode was last valued.

    `held`: before them; from there on `value` counts what is held after. A hedge that they made larger may lose as much
    as it now protects; what it might lose before is never taken back.
    """
    holding = dict(held)
    for trade in trades:
        before = offset(own, holding)
        holding[trade.venue] = holding.get(trade.venue, 0.0) + trade.quantity
        there = trade.quantity * (episode.marks.get(trade.venue, trade.price) - trade.price)
        since = 0.0 if trade.here is None else episode.marks.get(INJECTIVE, trade.here) - trade.here
        here = (offset(own, holding) - before) * since
        episode = replace(
            episode,
            basis_pnl_usd=episode.basis_pnl_usd + there + here,
            legs_pnl_usd=episode.legs_pnl_usd + (there if trade.venue != INJECTIVE else 0.0),
            costs_usd=episode.costs_usd + trade.cost_usd,
        )
    if sum(map(abs, holding.values())) > sum(map(abs, held.values())):
        episode = replace(episode, expected_usd=max(episode.expected_usd, episode.planned_usd))
    return episode


def credit(episode: Episode, own: float, payments: Iterable[FundingPayment]) -> Episode:
    """Count the coin's funding payments: what the legs received, and what Injective charged less than for all of N."""
    received = saved = 0.0
    for payment in payments:
        s = payment.settlement
        if s.key.venue == INJECTIVE:
            saved -= (float(payment.quantity) - own) * float(s.rate.rate * s.price)
        else:
            received += float(payment.payment_usd)
    return replace(
        episode,
        received_usd=episode.received_usd + received,
        saved_usd=episode.saved_usd + saved,
    )


def stop(episode: Episode, why: str, until_ms: int, *, held: bool) -> Episode:
    """Begin to unwind: what comes after is measured anew, and nothing is opened until `until_ms`."""
    return Episode(
        marks=episode.marks, valued_ms=episode.valued_ms, stopped_until_ms=until_ms, unwinding=held, why=why
    )


def flat(episode: Episode) -> Episode:
    """Return what is left of a hedge that is flat: a new beginning, but the pause after a stop holds."""
    return Episode(
        marks=episode.marks,
        valued_ms=episode.valued_ms,
        stopped_until_ms=episode.stopped_until_ms,
        why=episode.why,
    )
