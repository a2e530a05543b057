"""The risk gate: every order passes here or is not sent. The only maker of `ApprovedIntent`.

Rules are checked in the order of `Refusal`; the first that fails names the refusal. Orders that only reduce what the
daemon itself holds are exempt from the limits on size and rate, and from what venues announce: reducing risk is never
blocked by them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum, StrEnum

from hedged.config import RiskConfig
from hedged.domain.approved import ApprovedIntent, GateSeal
from hedged.domain.market import INJECTIVE, Market, SeriesKey
from hedged.domain.orders import Hashes, Intent, Purpose, Strategy
from hedged.risk.exposure import cap_usage, reduces


class KillLevel(IntEnum):
    """What the kill latch still lets through."""

    NONE = 0
    REDUCE_ONLY = 1  # only orders that reduce a hedge leg at its venue
    PAUSE = 2  # nothing

    @property
    def label(self) -> str:
        """The level as it is written on the command line."""
        return self.name.lower().replace("_", "-")


class Refusal(StrEnum):
    """Why the gate said no."""

    KILLED = "killed"  # the kill latch is set
    HASH_MISMATCH = (
        "hash_mismatch"  # decided with another model, feature schema or configuration than is loaded
    )
    NOT_RECONCILED = "not_reconciled"  # positions or orders of some venue are unknown
    UNKNOWN_MARKET = "unknown_market"
    STALE_PRICE = "stale_price"  # no fresh mark to judge the order by
    BAD_NUMBER = "bad_number"  # not finite, not positive, or off the venue's ticks
    BELOW_MINIMUM = "below_minimum"  # less than the venue's minimum notional
    PRICE_COLLAR = "price_collar"  # worst price too far from the mark
    VENUE_CLOSED = "venue_closed"  # maintenance, a halt or a delisting; or a signal asks to open nothing
    TOO_DEEP = "too_deep"  # larger than the share of the resting depth that may be taken
    OVER_CAP = "over_cap"  # the hedge would exceed its share of the own position
    OVER_LEVERAGE = "over_leverage"  # hedge legs at the venue would exceed leverage × collateral
    ORDER_RATE = "order_rate"  # too many orders within an hour
    NOTIONAL_RATE = "notional_rate"  # too much notional within an hour
    OTHER_LEG = (
        "other_leg"  # the other leg of the same relocation was refused: half of one is a different hedge
    )


@dataclass(frozen=True, slots=True)
class GateFacts:
    """What the gate judges by, as known now. `attributed`: the daemon's signed coins by market, `owners`: for which
    strategy they are held; `closed`: markets on which nothing may be opened, and why; `unknown`: venues not reconciled.
    """

    loaded: Hashes
    kill: KillLevel
    reconciled: bool
    own: Mapping[str, Decimal]
    attributed: Mapping[SeriesKey, Decimal]
    marks: Mapping[SeriesKey, Decimal]
    markets: Mapping[SeriesKey, Market]
    collateral_usd: Mapping[str, Decimal]
    cap: Decimal
    max_notional_per_hour_usd: Decimal
    orders_last_hour: int
    notional_last_hour_usd: Decimal
    closed: Mapping[SeriesKey, str] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    owners: Mapping[SeriesKey, Strategy] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """An intent the gate did not approve. `detail`: what there is to say beyond the refusal's name."""

    intent: Intent
    refusal: Refusal
    detail: str = ""

    @property
    def text(self) -> str:
        """The refusal with its detail."""
        return f"{self.refusal} ({self.detail})" if self.detail else str(self.refusal)


@dataclass(frozen=True, slots=True)
class Review:
    """The gate's answer to one cycle's intents."""

    approved: tuple[ApprovedIntent, ...] = field(default=())
    refused: tuple[Refused, ...] = field(default=())


def review(intents: Iterable[Intent], facts: GateFacts, config: RiskConfig, account: str) -> Review:
    """Judge the intents in their order; each is judged as if all approved before it had been filled.

    A relocation is approved with both legs or not at all.
    """
    wanted = list(intents)
    first = _review(wanted, facts, config, account, frozenset())
    halves = frozenset(r.intent.key.symbol for r in first.refused if r.intent.purpose is Purpose.RELOCATE)
    return _review(wanted, facts, config, account, halves) if halves else first


def _review(
    intents: Iterable[Intent], facts: GateFacts, config: RiskConfig, account: str, halves: frozenset[str]
) -> Review:
    """`halves`: symbols of which a relocation leg is refused; what would open the other leg is refused too."""
    attributed = dict(facts.attributed)
    orders, notional = facts.orders_last_hour, facts.notional_last_hour_usd
    approved, refused = [], []
    for intent in intents:
        refusal = _refusal(intent, facts, config, attributed, orders, notional)
        if refusal is None and intent.purpose is Purpose.RELOCATE and intent.key.symbol in halves:
            opens = not reduces(attributed.get(intent.key, Decimal(0)), intent.signed_quantity)
            refusal = Refusal.OTHER_LEG if opens else None
        if refusal is not None:
            why = facts.closed[intent.key] if refusal is Refusal.VENUE_CLOSED else ""
            refused.append(Refused(intent, refusal, why))
            continue
        approved.append(ApprovedIntent(intent, intent.client_id(account), GateSeal()))
        attributed[intent.key] = attributed.get(intent.key, Decimal(0)) + intent.signed_quantity
        orders += 1
        notional += intent.quantity * facts.marks[intent.key]
    return Review(tuple(approved), tuple(refused))


def _refusal(
    intent: Intent,
    facts: GateFacts,
    config: RiskConfig,
    attributed: Mapping[SeriesKey, Decimal],
    orders: int,
    notional_usd: Decimal,
) -> Refusal | None:
    return (
        _refusal_of_state(intent, facts)
        or _refusal_of_form(intent, facts.markets[intent.key], facts.marks[intent.key], config)
        or _refusal_of_size(intent, facts, config, attributed, orders, notional_usd)
    )


def killed(intent: Intent, level: KillLevel) -> bool:
    """Tell whether a kill level forbids an intent. Reduce-only never trades the trader's own position."""
    if level is KillLevel.REDUCE_ONLY:
        return not intent.reduce_only or intent.key.venue == INJECTIVE
    return level is KillLevel.PAUSE


def _refusal_of_state(intent: Intent, facts: GateFacts) -> Refusal | None:
    """Is the daemon in a state to send anything, and is this market known?"""
    if killed(intent, facts.kill):
        return Refusal.KILLED
    if intent.hashes != facts.loaded:
        return Refusal.HASH_MISMATCH
    if not facts.reconciled and not _stop_can_go_on(intent, facts):
        return Refusal.NOT_RECONCILED
    if intent.key not in facts.markets:
        return Refusal.UNKNOWN_MARKET
    if intent.key not in facts.marks:
        return Refusal.STALE_PRICE
    return None


def _stop_can_go_on(intent: Intent, facts: GateFacts) -> bool:
    """Tell whether a stop takes off risk at a venue that is known while another is not: it does not wait for that one.

    Whether the other half of what is held there may stay behind is for `strategy.stopped` to say.
    """
    held = facts.attributed.get(intent.key, Decimal(0))
    known = bool(facts.unknown) and intent.key.venue not in facts.unknown
    return known and intent.purpose is Purpose.STOP and reduces(held, intent.signed_quantity)


def _refusal_of_form(intent: Intent, market: Market, mark: Decimal, config: RiskConfig) -> Refusal | None:
    """Is the order well formed for its venue and near the market?"""
    numbers = (intent.quantity, intent.worst_price, intent.reference_price, mark)
    if not all(n.is_finite() and n > 0 for n in numbers):
        return Refusal.BAD_NUMBER
    if intent.quantity % market.quantity_step or intent.worst_price % market.price_tick:
        return Refusal.BAD_NUMBER
    if intent.quantity * mark < market.min_notional_usd:
        return Refusal.BELOW_MINIMUM
    collar = config.price_collar_bp / 10_000 * mark + market.price_tick
    if (intent.worst_price - mark) * intent.side.sign > collar:
        return Refusal.PRICE_COLLAR
    return None


def _refusal_of_size(
    intent: Intent,
    facts: GateFacts,
    config: RiskConfig,
    attributed: Mapping[SeriesKey, Decimal],
    orders: int,
    notional_usd: Decimal,
) -> Refusal | None:
    """Is the market open, the order within the limits? Not asked where the daemon's own part only goes towards zero."""
    held = attributed.get(intent.key, Decimal(0))
    if reduces(held, intent.signed_quantity):
        return None
    if intent.key in facts.closed:
        return Refusal.VENUE_CLOSED
    usd = intent.quantity * facts.marks[intent.key]  # at the mark, whatever price the plan refers to
    if usd > config.depth_share * facts.markets[intent.key].costs.depth_usd:
        return Refusal.TOO_DEEP
    symbol = intent.key.symbol
    after = dict(attributed) | {intent.key: held + intent.signed_quantity}
    own = facts.own.get(symbol, Decimal(0))
    if cap_usage(symbol, own, after) > facts.cap * abs(own):
        return Refusal.OVER_CAP
    if intent.key.venue != INJECTIVE and _venue_usd(intent.key.venue, after, facts.marks) > (
        config.max_leverage * facts.collateral_usd.get(intent.key.venue, Decimal(0))
    ):
        return Refusal.OVER_LEVERAGE
    if orders >= config.max_orders_per_hour:
        return Refusal.ORDER_RATE
    if notional_usd + usd > facts.max_notional_per_hour_usd:
        return Refusal.NOTIONAL_RATE
    return None


def _venue_usd(
    venue: str, attributed: Mapping[SeriesKey, Decimal], marks: Mapping[SeriesKey, Decimal]
) -> Decimal:
    """Gross notional of the daemon's legs at a venue; infinite when one of them cannot be priced."""
    total = Decimal(0)
    for key, quantity in attributed.items():
        if key.venue == venue and quantity != 0:
            total += abs(quantity) * marks.get(key, Decimal("Infinity"))
    return total
