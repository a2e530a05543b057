"""All strategies together, on one snapshot: in order of priority, on one risk budget, never against each other.

A market belongs to one strategy at a time. What a strategy holds stays its own until it is flat; a free market goes to
the first that wants it: funding hedge, cascade hedge, divergence. What the others hold already counts against the
margin and the risk that the funding hedge plans with. What the cascade hedge asks of a position's cap the funding hedge
leaves free, and gives up where it holds it: protection from a cascade goes before funding (C6).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from hedged.config import HedgeConfig, RiskConfig, StrategiesConfig
from hedged.domain.market import INJECTIVE, SeriesKey, decimal_of
from hedged.domain.orders import Purpose, Strategy
from hedged.strategy import cascade_hedge, divergence, funding_hedge
from hedged.strategy.budget import Budget, plan_risk_usd
from hedged.strategy.divergence_episode import DivergenceEpisode
from hedged.strategy.memory import StrategyMemory
from hedged.strategy.programme import Z_95
from hedged.strategy.snapshot import DesiredPosition, Snapshot
from hedged.strategy.state import SymbolPlan

BESIDE = (Strategy.CASCADE_HEDGE, Strategy.DIVERGENCE)
FUNDING_OFF = "the funding hedge is off"
OFF = "the strategy is off: what it held is closed"


@dataclass(frozen=True, slots=True)
class Note:
    """What a strategy beside the funding hedge decided on a symbol, for the record."""

    reason: str
    figures: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decided:
    """What all strategies want. `plans` and `unplanned` are the funding hedge's, `notes` the others' by symbol;
    `insured_usd`: by symbol the loss that its cascade hedge is held against.
    """

    plans: list[SymbolPlan]
    desired: list[DesiredPosition]
    unplanned: dict[str, str]
    notes: dict[Strategy, dict[str, Note]]
    memory: StrategyMemory
    insured_usd: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration that decides. `protect`: symbols that the hedges protect; None: all that are held."""

    strategies: StrategiesConfig
    hedge: HedgeConfig
    risk: RiskConfig
    protect: Sequence[str] | None = None


def decide(snapshot: Snapshot, settings: Settings, memory: StrategyMemory) -> Decided:
    """Run every strategy that is on; one that is off closes what it holds."""
    plans, wanted, unplanned = _funding(snapshot, settings)
    # to hold nothing where nothing is held is no claim on a market
    desired = [d for d in wanted if d.quantity or snapshot.attributed.get(d.key)]
    notes: dict[Strategy, dict[str, Note]] = {strategy: {} for strategy in BESIDE}
    budget = _budget(snapshot, settings, plans, desired)
    cascades, budget, since = _cascades(snapshot, settings, memory, desired, budget, notes)
    desired += cascades
    insured = cascade_hedge.insured_usd(cascades, snapshot)
    trades, episodes = _divergence(snapshot, settings, memory, desired, budget, notes)
    return Decided(plans, desired + trades, unplanned, notes, StrategyMemory(episodes, since), insured)


def _funding(
    snapshot: Snapshot, settings: Settings
) -> tuple[list[SymbolPlan], list[DesiredPosition], dict[str, str]]:
    """Run the funding hedge on what the others leave of margin and risk."""
    hedge, risk = settings.hedge, settings.risk
    if not settings.strategies.funding_hedge.enabled:
        plans, desired, unplanned = funding_hedge.decide(snapshot, hedge, risk, protect=())
        return (
            plans,
            desired,
            {symbol: FUNDING_OFF for symbol, own in snapshot.own.items() if own} | unplanned,
        )
    reserved = _reserved(snapshot, settings)
    left = dict(snapshot.collateral_usd)
    for strategy in BESIDE:
        for key, quantity in snapshot.part_of(strategy).items():
            usd = abs(quantity) * snapshot.marks.get(key, Decimal(0))
            left[key.venue] = left.get(key.venue, Decimal(0)) - usd / risk.max_leverage
    # where the cascade hedge will go is not known yet: each venue keeps the margin for it
    margin = decimal_of(sum(reserved.values())) / min(
        settings.strategies.cascade_hedge.max_leverage, risk.max_leverage
    )
    left = {venue: max(Decimal(0), usd - margin) for venue, usd in left.items()}
    share = decimal_of(_held_risk_usd(snapshot) + _asked_risk_usd(reserved, snapshot)) / snapshot.equity_usd
    hedge = hedge.model_copy(update={"equity_at_risk": max(Decimal(0), hedge.equity_at_risk - share)})
    snapshot = replace(snapshot, collateral_usd=left, reserved_usd=reserved)
    return funding_hedge.decide(snapshot, hedge, risk, settings.protect)


def _reserved(snapshot: Snapshot, settings: Settings) -> dict[str, float]:
    """Return by symbol what the cascade hedge asks of the cap: the funding hedge makes room for it (C6)."""
    config = settings.strategies.cascade_hedge
    if not config.enabled:
        return {}
    return {
        symbol: cascade_hedge.asked_usd(symbol, snapshot, config, settings.hedge.cap)
        for symbol in snapshot.own
        if (config.symbols is None or symbol in config.symbols) and _protected(symbol, settings)
    }


def _asked_risk_usd(reserved: Mapping[str, float], snapshot: Snapshot) -> float:
    """95 % loss of what the cascade hedge asks for: the basis of its worst venue."""
    basis = snapshot.moments.basis_sigma
    return sum(
        Z_95 * usd * max((sigma for key, sigma in basis.items() if key.symbol == symbol), default=0.0)
        for symbol, usd in reserved.items()
    )


def _budget(
    snapshot: Snapshot,
    settings: Settings,
    plans: Sequence[SymbolPlan],
    desired: Sequence[DesiredPosition],
) -> Budget:
    """Return what the funding hedge, as it is and as it wants to be, and all that is held leave."""
    want = {d.key: abs(d.quantity) for d in desired}
    used: dict[str, float] = {}
    for key in {*snapshot.attributed, *want}:
        coins = max(abs(snapshot.attributed.get(key, Decimal(0))), want.get(key, Decimal(0)))
        if key.venue != INJECTIVE and coins:
            mark = snapshot.marks.get(key, snapshot.marks.get(SeriesKey(INJECTIVE, key.symbol), Decimal(0)))
            used[key.venue] = used.get(key.venue, 0.0) + float(coins * mark)
    at_risk = float(settings.hedge.equity_at_risk * snapshot.equity_usd)
    spent = sum(plan_risk_usd(plan, snapshot.moments) for plan in plans) + _held_risk_usd(snapshot)
    collateral = {venue: float(usd) for venue, usd in snapshot.collateral_usd.items()}
    return Budget(max(0.0, at_risk - spent), collateral, used, settings.risk)


def _held_risk_usd(snapshot: Snapshot) -> float:
    """95 % loss of what the strategies beside the funding hedge hold: basis, or price where a leg stands alone."""
    total = 0.0
    for key, quantity in snapshot.part_of(Strategy.CASCADE_HEDGE).items():
        usd = float(abs(quantity) * snapshot.marks.get(key, Decimal(0)))
        total += Z_95 * usd * snapshot.moments.basis_sigma.get(key, 0.0)
    trades = snapshot.part_of(Strategy.DIVERGENCE)
    for symbol in {key.symbol for key in trades}:
        legs = sorted(key for key in trades if key.symbol == symbol)
        sigma = snapshot.now.basis_of(legs[0], legs[-1]) if len(legs) > 1 else snapshot.now.sigma.get(legs[0])
        usd = max(float(abs(trades[key]) * snapshot.marks.get(key, Decimal(0))) for key in legs)
        total += Z_95 * usd * (sigma or 0.0)
    return total


def _cascades(
    snapshot: Snapshot,
    settings: Settings,
    memory: StrategyMemory,
    desired: Sequence[DesiredPosition],
    budget: Budget,
    notes: dict[Strategy, dict[str, Note]],
) -> tuple[list[DesiredPosition], Budget, dict[str, int]]:
    """Run the cascade hedge over the protected positions; one of a position that is gone is closed."""
    config, mine = settings.strategies.cascade_hedge, snapshot.part_of(Strategy.CASCADE_HEDGE)
    since = {s: ts for s, ts in memory.cascade_since_ms.items() if any(k.symbol == s for k in mine)}
    out: list[DesiredPosition] = []
    for symbol in sorted({*(snapshot.own if config.enabled else ()), *(key.symbol for key in mine)}):
        held = {key: q for key, q in mine.items() if key.symbol == symbol}
        own = snapshot.own.get(symbol, Decimal(0))
        listed = config.symbols is None or symbol in config.symbols
        protected = config.enabled and own != 0 and listed and _protected(symbol, settings)
        wrong_side = any(q * own > 0 for q in held.values())
        if not protected or wrong_side:
            if held:
                why = "the position is gone, turned or no longer protected: its cascade hedge is closed"
                out += [
                    DesiredPosition(k, Decimal(0), Purpose.CASCADE_CLOSE, why if config.enabled else OFF)
                    for k in sorted(held)
                ]
                notes[Strategy.CASCADE_HEDGE][symbol] = Note(why if config.enabled else OFF)
            continue
        state = cascade_hedge.CascadeState(
            symbol, own, _largest(symbol, own, snapshot, settings, desired), held,
            _free(symbol, Strategy.CASCADE_HEDGE, snapshot, settings, desired), since.get(symbol, snapshot.now_ms),
        )  # fmt: skip
        plan = cascade_hedge.decide(state, snapshot, config, settings.hedge, budget)
        out += plan.desired
        grown = {d.key.venue: float((abs(d.quantity) - abs(held.get(d.key, Decimal(0)))) * snapshot.marks[d.key])
                 for d in plan.desired if abs(d.quantity) > abs(held.get(d.key, Decimal(0)))}  # fmt: skip
        risk = sum(
            usd * Z_95 * snapshot.moments.basis_sigma.get(SeriesKey(v, symbol), 0.0)
            for v, usd in grown.items()
        )
        budget = budget.taken(risk, grown)
        if plan.wanted or held:
            since[symbol] = snapshot.now_ms if plan.wanted else since.get(symbol, snapshot.now_ms)
        notes[Strategy.CASCADE_HEDGE][symbol] = Note(plan.reason, plan.figures)
    return out, budget, since


def _divergence(
    snapshot: Snapshot,
    settings: Settings,
    memory: StrategyMemory,
    desired: Sequence[DesiredPosition],
    budget: Budget,
    notes: dict[Strategy, dict[str, Note]],
) -> tuple[list[DesiredPosition], dict[str, DivergenceEpisode]]:
    """Run the divergence trades."""
    config, mine = settings.strategies.divergence, snapshot.part_of(Strategy.DIVERGENCE)
    episodes = dict(memory.divergence)
    out: list[DesiredPosition] = []
    for symbol in sorted({*(config.symbols if config.enabled else ()), *(key.symbol for key in mine)}):
        held = {key: q for key, q in mine.items() if key.symbol == symbol}
        if not config.enabled or symbol not in config.symbols:
            out += divergence.close(held, OFF)
            notes[Strategy.DIVERGENCE][symbol] = Note(OFF)
            continue
        free = _free(symbol, Strategy.DIVERGENCE, snapshot, settings, desired)
        episode = episodes.get(symbol, DivergenceEpisode())
        plan = divergence.decide(held, free, episode, snapshot, config, settings.hedge, budget)
        budget = budget.taken(plan.risk_usd, plan.legs_usd)
        episodes[symbol] = plan.episode
        out += plan.desired
        notes[Strategy.DIVERGENCE][symbol] = Note(plan.reason, plan.figures)
    return out, episodes


def _protected(symbol: str, settings: Settings) -> bool:
    return settings.protect is None or symbol in settings.protect


def _largest(
    symbol: str,
    own: Decimal,
    snapshot: Snapshot,
    settings: Settings,
    desired: Sequence[DesiredPosition],
) -> Decimal:
    """Return the coins that the cap leaves beside the funding hedge, as it is and as it wants to be."""
    side = 1 if own > 0 else -1
    mine = snapshot.part_of(Strategy.FUNDING_HEDGE)
    want = {d.key: d.quantity for d in desired}
    cut = same = opposite = Decimal(0)
    for key in {k for k in (*mine, *want) if k.symbol == symbol}:
        now = mine.get(key, Decimal(0))
        then = want.get(key, now)
        if key.venue == INJECTIVE:
            cut = max(cut, -side * now, -side * then)
        else:
            same += max(Decimal(0), side * now, side * then)
            opposite += max(Decimal(0), -side * now, -side * then)
    return max(Decimal(0), settings.hedge.cap * abs(own) - max(cut, same) - opposite)


def _free(
    symbol: str,
    strategy: Strategy,
    snapshot: Snapshot,
    settings: Settings,
    desired: Sequence[DesiredPosition],
) -> tuple[SeriesKey, ...]:
    """Return the symbol's markets at hedge venues that nobody else holds, wants, or is about to leave."""
    taken = {d.key for d in desired if d.quantity or d.key in snapshot.attributed}
    taken |= {
        key for key, q in snapshot.attributed.items()
        if q and snapshot.owners.get(key, Strategy.FUNDING_HEDGE) is not strategy
    }  # fmt: skip
    keys = (SeriesKey(venue, symbol) for venue in settings.hedge.venues)
    return tuple(key for key in keys if key in snapshot.markets and key not in taken)
