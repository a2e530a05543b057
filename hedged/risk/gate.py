"""The risk gate: every order passes here or is not sent. The only maker of `ApprovedIntent`.

The rules (`hedged.risk.rules`) are asked one after another: one that refuses ends it, one that shrinks hands the
smaller order to the next. What only reduces the daemon's own part is asked by none that is meant for openings.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from functools import partial

from hedged.domain.approved import ApprovedIntent, GateSeal
from hedged.domain.orders import Intent, Purpose
from hedged.risk.exposure import reduces
from hedged.risk.facts import GateFacts
from hedged.risk.kill import KillLevel, killed
from hedged.risk.limits import Limits
from hedged.risk.rules import RULES, Rule
from hedged.risk.verdict import ALLOW, Allow, Reason, Refuse, Shrink, Verdict, said

__all__ = ["GateFacts", "KillLevel", "Refused", "Review", "Shrunk", "killed", "review"]

PAIRED = (Purpose.RELOCATE, Purpose.DIVERGENCE_OPEN)
"""What is approved with all legs and by the same factor, or not at all."""
PASSES = 16
"""A pair that shrinks more often is refused: a few times are enough unless something is strange."""

Pair = tuple[str, Purpose]


@dataclass(frozen=True, slots=True)
class Refused:
    """An intent the gate did not approve. `detail`: the figures."""

    intent: Intent
    reason: Reason
    detail: str = ""

    @property
    def text(self) -> str:
        """The reason with its figures."""
        return said(self.reason, self.detail)


@dataclass(frozen=True, slots=True)
class Shrunk:
    """An intent that was approved smaller than it was asked for: `quantity` of the intent's coins."""

    intent: Intent
    quantity: Decimal
    reason: Reason
    detail: str = ""

    @property
    def text(self) -> str:
        """From how much to how much, and why."""
        price = self.intent.reference_price
        return (
            f"shrunk from {self.intent.quantity * price:,.0f} to {self.quantity * price:,.0f} USD: "
            f"{said(self.reason, self.detail)}"
        )


@dataclass(frozen=True, slots=True)
class Review:
    """The gate's answer to one cycle's intents. `shrunk` says which of the approved are smaller than asked for."""

    approved: tuple[ApprovedIntent, ...] = field(default=())
    refused: tuple[Refused, ...] = field(default=())
    shrunk: tuple[Shrunk, ...] = field(default=())

    def joined(self, other: "Review") -> "Review":
        """Return both answers as one."""
        return Review(
            self.approved + other.approved, self.refused + other.refused, self.shrunk + other.shrunk
        )


@dataclass(frozen=True, slots=True)
class _Factor:
    """So much of every leg of a pair may be traded: by the leg at `index` of the intents, and why."""

    share: Fraction
    index: int
    why: Shrink | Refuse

    def told(self, index: int) -> tuple[Reason, str]:
        """Return reason and figures as they are told of the leg at an index: its own, or those of the other leg."""
        if index == self.index:
            return self.why.reason, self.why.detail
        return Reason.OTHER_LEG, said(self.why.reason, self.why.detail)


def review(intents: Iterable[Intent], facts: GateFacts, limits: Limits, account: str) -> Review:
    """Judge the intents in their order; each is judged as if all approved before it had been filled.

    The legs of a pair are approved at the same share of their sizes or not at all; what closes one is never held up.
    Reviewing what was approved once more, with the same facts, changes nothing.
    """
    wanted = list(intents)
    factors: dict[Pair, _Factor] = {}
    passes: Counter[Pair] = Counter()
    while True:
        answer = _pass(wanted, facts, limits, account, factors)
        if isinstance(answer, Review):
            return answer
        pair, factor = answer
        passes[pair] += 1
        factors[pair] = replace(factor, share=Fraction(0)) if passes[pair] > PASSES else factor


def _pass(
    wanted: Sequence[Intent], facts: GateFacts, limits: Limits, account: str, factors: dict[Pair, _Factor]
) -> Review | tuple[Pair, _Factor]:
    """Judge all intents, pairs at their factors, up to the first leg that shows that its pair must be smaller still."""
    approved, shrunk = [], []
    refused: list[Callable[[], Refused]] = []  # said at the end, when the pass stands
    to_come = [_scaled(i, facts, factors) if _pair(i, facts) else None for i in wanted]
    for index, intent in enumerate(wanted):
        pair = _pair(intent, facts)
        factor = factors.get(pair) if pair else None
        known = replace(facts, pending=tuple(o for o in to_come[index + 1 :] if o is not None))
        if factor is not None and factor.share == 0:
            refused.append(partial(_without_its_pair, intent, index, factor, known, limits))
            continue
        order, verdict = _judge(_scaled(intent, facts, factors), known, limits, whole=pair is not None)
        if factor is not None and order.key in facts.markets and _too_little(order, facts):
            verdict = Refuse(Reason.BELOW_MINIMUM, f"left by {said(*factor.told(index))}")
        if pair and not isinstance(verdict, Allow):
            whole = isinstance(verdict, Refuse)
            share = Fraction(0) if whole else Fraction(order.quantity) / Fraction(intent.quantity)
            return pair, _Factor(share, index, verdict)
        if isinstance(verdict, Refuse):
            refused.append(partial(Refused, intent, verdict.reason, verdict.detail))
            continue
        if factor is not None:
            reason, detail = factor.told(index)
            shrunk.append(Shrunk(intent, order.quantity, reason, detail))
        elif isinstance(verdict, Shrink):
            shrunk.append(Shrunk(intent, order.quantity, verdict.reason, verdict.detail))
        approved.append(ApprovedIntent(order, order.client_id(account), GateSeal()))
        facts = facts.after(order, limits)
    return Review(tuple(approved), tuple(told() for told in refused), tuple(shrunk))


def _without_its_pair(
    intent: Intent, index: int, factor: _Factor, facts: GateFacts, limits: Limits
) -> Refused:
    """Refuse a leg of a pair that may not be traded: for its own reason where it has one, else for the other leg's."""
    _, verdict = _judge(intent, facts, limits, whole=True)
    if isinstance(verdict, Refuse) and factor.index != index:
        return Refused(intent, verdict.reason, verdict.detail)
    return Refused(intent, *factor.told(index))


def _judge(order: Intent, facts: GateFacts, limits: Limits, *, whole: bool) -> tuple[Intent, Verdict]:
    """Ask every rule; return the order as it may be sent, and the verdict that decided on it.

    `whole`: stop at the first rule that shrinks it, as its other legs must shrink before the next is asked.
    """
    decided: Verdict = ALLOW
    for rule in RULES:
        verdict = _ask(rule, order, facts, limits)
        if isinstance(verdict, Refuse):
            return order, verdict
        if isinstance(verdict, Shrink):
            most = facts.markets[order.key].quantise_quantity(verdict.quantity)
            order, decided = replace(order, quantity=min(order.quantity, most)), verdict
            if _too_little(order, facts):
                return order, Refuse(Reason.BELOW_MINIMUM, f"left by {said(verdict.reason, verdict.detail)}")
            if whole:
                break
    return order, decided


def _too_little(order: Intent, facts: GateFacts) -> bool:
    """Tell whether what is left of an order is less than the venue takes."""
    market = facts.markets[order.key]
    return order.quantity <= 0 or facts.usd(order.key, order.quantity) < market.min_notional_usd


def _ask(rule: Rule, order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """Ask one rule; what cannot be computed (a NaN, an overflow) never passes."""
    try:
        return rule(order, facts, limits)
    except ArithmeticError:
        return Refuse(Reason.BAD_NUMBER, f"{rule.__name__} cannot be computed")


def _pair(intent: Intent, facts: GateFacts) -> Pair | None:
    """Return the pair of which an order opens a leg; None for one that stands alone or closes."""
    held = facts.held(intent.key)
    if intent.purpose not in PAIRED or not held.is_finite() or not intent.quantity.is_finite():
        return None
    return None if reduces(held, intent.signed_quantity) else (intent.key.symbol, intent.purpose)


def _scaled(intent: Intent, facts: GateFacts, factors: dict[Pair, _Factor]) -> Intent:
    """Return an order at its pair's factor, rounded towards zero to the market's step."""
    pair, market = _pair(intent, facts), facts.markets.get(intent.key)
    factor = factors.get(pair) if pair else None
    if factor is None or market is None:
        return intent
    steps = Fraction(intent.quantity) * factor.share // Fraction(market.quantity_step)
    return replace(intent, quantity=steps * market.quantity_step)
