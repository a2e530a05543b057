"""The risk gate: every order passes here or is not sent. The only maker of `ApprovedIntent`.

The rules (`hedged.risk.rules`) are asked one after another: one that refuses ends it, one that shrinks hands the
smaller order to the next. What only reduces the daemon's own part is asked by none that is meant for openings.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

from hedged.domain.approved import ApprovedIntent, GateSeal
from hedged.domain.orders import Intent, Purpose
from hedged.risk.exposure import reduces
from hedged.risk.facts import GateFacts
from hedged.risk.kill import KillLevel, killed
from hedged.risk.limits import Limits
from hedged.risk.rules import RULES, Rule
from hedged.risk.verdict import ALLOW, Reason, Refuse, Shrink, Verdict, said

__all__ = ["GateFacts", "KillLevel", "Refused", "Review", "Shrunk", "killed", "review"]

PAIRED = (Purpose.RELOCATE, Purpose.DIVERGENCE_OPEN)
"""What is approved with all legs and by the same factor, or not at all."""
PASSES = 8
"""Pairs that still shrink after so many passes are refused: two or three are enough unless something is strange."""

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


@dataclass(frozen=True, slots=True)
class _Factor:
    """So much of every leg of a pair may be traded: by the leg at `index` of the intents, and why."""

    share: Fraction
    index: int
    why: Shrink | Refuse


def review(intents: Iterable[Intent], facts: GateFacts, limits: Limits, account: str) -> Review:
    """Judge the intents in their order; each is judged as if all approved before it had been filled.

    The legs of a pair are approved at the same share of their sizes or not at all; what closes one is never held up.
    Reviewing what was approved once more, with the same facts, changes nothing.
    """
    wanted = list(intents)
    factors: dict[Pair, _Factor] = {}
    passes = 0
    while True:
        answer, tighter = _pass(wanted, facts, limits, account, factors)
        if not tighter:
            return answer
        passes += 1
        strange = passes > PASSES
        factors |= {p: replace(f, share=Fraction(0)) if strange else f for p, f in tighter.items()}


def _pass(
    wanted: Sequence[Intent], facts: GateFacts, limits: Limits, account: str, factors: dict[Pair, _Factor]
) -> tuple[Review, dict[Pair, _Factor]]:
    """Judge all intents, pairs at their factors. Returns what came of it, and the pairs that must be smaller still."""
    approved, refused, shrunk = [], [], []
    tighter: dict[Pair, _Factor] = {}
    to_come = [_scaled(i, facts, factors) for i in wanted]
    for index, intent in enumerate(wanted):
        pair = _pair(intent, facts)
        factor = factors.get(pair) if pair else None
        order = _scaled(intent, facts, factors)
        known = replace(facts, pending=tuple(o for o in to_come[index + 1 :] if _pair(o, facts)))
        verdict: Verdict = ALLOW
        if factor is not None:
            mine, figures = factor.index == index, said(factor.why.reason, factor.why.detail)
            reason = factor.why.reason if mine else Reason.OTHER_LEG
            detail = factor.why.detail if mine else figures
            if factor.share == 0:
                refused.append(Refused(intent, reason, detail))
                continue
            verdict = Shrink(reason, order.quantity, detail)
        order, last = _judge(order, known, limits)
        if isinstance(last, Refuse):
            refused.append(Refused(intent, last.reason, last.detail))
            if pair:
                tighter[pair] = _Factor(Fraction(0), index, last)
            continue
        if isinstance(last, Shrink):
            verdict = last
            share = Fraction(order.quantity) / Fraction(intent.quantity)
            if pair and (pair not in tighter or share < tighter[pair].share):
                tighter[pair] = _Factor(share, index, last)
        if isinstance(verdict, Shrink):
            shrunk.append(Shrunk(intent, order.quantity, verdict.reason, verdict.detail))
        approved.append(ApprovedIntent(order, order.client_id(account), GateSeal()))
        facts = facts.after(order, limits)
    return Review(tuple(approved), tuple(refused), tuple(shrunk)), tighter


def _judge(order: Intent, facts: GateFacts, limits: Limits) -> tuple[Intent, Verdict]:
    """Ask every rule; return the order as it may be sent, and the verdict that decided on it."""
    decided: Verdict = ALLOW
    for rule in RULES:
        verdict = _ask(rule, order, facts, limits)
        if isinstance(verdict, Refuse):
            return order, verdict
        if isinstance(verdict, Shrink):
            market, mark = facts.markets[order.key], facts.marks[order.key]
            quantity = min(order.quantity, market.quantise_quantity(verdict.quantity))
            if quantity <= 0 or quantity * mark < market.min_notional_usd:
                return order, Refuse(Reason.BELOW_MINIMUM, f"left by {said(verdict.reason, verdict.detail)}")
            order, decided = replace(order, quantity=quantity), verdict
    return order, decided


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
