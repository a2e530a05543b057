"""The funding hedge: protects the operator's own positions on Injective with three layers.

Layer 1 cuts the position, layer 2 holds an opposite perpetual elsewhere, relocation cuts here and holds the same side
there. This module turns a snapshot into the planner's state and the plan back into desired positions.
"""

from collections.abc import Sequence
from decimal import Decimal

from hedged.config import HedgeConfig, RiskConfig
from hedged.domain.market import INJECTIVE, Market, SeriesKey, decimal_of
from hedged.domain.orders import Purpose, Strategy
from hedged.domain.signals import SignalEffect
from hedged.strategy.economics import RELOCATE
from hedged.strategy.kelly import NEGLIGIBLE
from hedged.strategy.planner import plan
from hedged.strategy.snapshot import DesiredPosition, Snapshot
from hedged.strategy.state import LegCosts, PlannerSettings, PlannerState, SymbolPlan, SymbolState


def decide(
    snapshot: Snapshot, hedge: HedgeConfig, risk: RiskConfig, protect: Sequence[str] | None = None
) -> tuple[list[SymbolPlan], list[DesiredPosition], dict[str, str]]:
    """Plan the hedge of every protected position.

    Returns the plans, the desired positions, and for each symbol without a plan the reason. A symbol that cannot be
    planned now keeps what it has; one that is no longer held or protected gets its hedge closed.
    """
    states, desired, unplanned = [], [], {}
    mine = snapshot.part_of(Strategy.FUNDING_HEDGE)
    for symbol in sorted({*snapshot.own, *(key.symbol for key in mine)}):
        if not snapshot.own.get(symbol) or (protect is not None and symbol not in protect):
            released = _release(symbol, snapshot)
            if released:
                desired += released
                unplanned[symbol] = released[0].reason
            continue
        why = _unplannable(snapshot, symbol)
        if why:
            held_back = snapshot.closed.get(SeriesKey(INJECTIVE, symbol))
            unplanned[symbol] = f"{why}; {held_back}" if held_back else why
        else:
            states.append(_symbol_state(snapshot, symbol, hedge, risk))
    if not states:
        return [], desired, unplanned
    state = PlannerState(
        symbols=tuple(states),
        correlation=snapshot.moments.correlation_of({s.symbol: s.side for s in states}),
        collateral_usd={v: float(snapshot.collateral_usd.get(v, Decimal(0))) for v in hedge.venues},
        settings=planner_settings(hedge, risk, snapshot.equity_usd),
    )
    plans = list(plan(state))
    desired += [d for p, s in zip(plans, states, strict=True) for d in _desired(p, s, snapshot)]
    return plans, desired, unplanned


def _release(symbol: str, snapshot: Snapshot) -> list[DesiredPosition]:
    """Close whatever the daemon holds for a symbol that needs no hedge any more."""
    reason = "the position is gone or no longer protected: its hedge is closed"
    return [
        DesiredPosition(
            key, Decimal(0), Purpose.OWN_RESTORE if key.venue == INJECTIVE else Purpose.HEDGE_CLOSE, reason
        )
        for key, quantity in sorted(snapshot.part_of(Strategy.FUNDING_HEDGE).items())
        if key.symbol == symbol
    ]


def planner_settings(hedge: HedgeConfig, risk: RiskConfig, equity_usd: Decimal) -> PlannerSettings:
    """Translate the configuration; leverage is also bounded by the liquidation distance that must remain."""
    distance = float(risk.min_liquidation_distance + risk.liquidation_cushion)
    return PlannerSettings(
        horizon_h=float(hedge.horizon_h),
        cap=float(hedge.cap),
        delta_band=float(hedge.delta_band),
        allow_own_cut=hedge.allow_own_cut,
        min_change=float(hedge.min_change),
        equity_usd=float(equity_usd),
        equity_at_risk=float(hedge.equity_at_risk),
        max_leverage=min(float(risk.max_leverage), 1.0 / distance),
        capital_rate_per_year=float(hedge.capital_rate_per_year),
        knots=tuple(hedge.confidence_knots),
        tail_h=float(hedge.tail_h),
        min_leverage=min(float(risk.min_leverage), float(risk.max_leverage), 1.0 / distance),
    )


def _unplannable(snapshot: Snapshot, symbol: str) -> str | None:
    here = SeriesKey(INJECTIVE, symbol)
    if here not in snapshot.markets:
        return (
            "no data are kept of this market: it was not held when the daemon started; restart to protect it"
        )
    if here not in snapshot.marks:
        return "Injective's mark price is stale or unknown"
    if here not in snapshot.forecasts.keys:
        return "Injective's funding cannot be forecast: history too short, the last print overdue, or the model fails"
    return None


def _symbol_state(snapshot: Snapshot, symbol: str, hedge: HedgeConfig, risk: RiskConfig) -> SymbolState:
    here = SeriesKey(INJECTIVE, symbol)
    mark = float(snapshot.marks[here])
    own = snapshot.own[symbol]
    side = 1 if own > 0 else -1
    keys = [here] + [k for v in sorted(hedge.venues) if (k := SeriesKey(v, symbol)) in snapshot.markets]
    mine = snapshot.part_of(Strategy.FUNDING_HEDGE)
    taken = {k for k, owner in snapshot.owners.items() if k.symbol == symbol and k not in mine}
    hedging = [k for k in taken if snapshot.owners[k] is Strategy.CASCADE_HEDGE]  # uses up the same cap
    tradable = [k for k in keys if k in snapshot.marks and k in snapshot.forecasts.keys and k not in taken]
    legs = {
        k.venue: float(q) * mark
        for k, q in sorted(mine.items())
        if k.symbol == symbol and k.venue != INJECTIVE
    }
    signal = snapshot.signals.get(symbol, SignalEffect())
    return SymbolState(
        symbol=symbol,
        side=side,
        own_usd=float(abs(own)) * mark,
        cut_usd=max(0.0, -side * float(mine.get(here, Decimal(0))) * mark),
        legs_usd=legs,
        rates={k.venue: snapshot.forecasts.column(k) for k in tradable},
        costs={k.venue: LegCosts.of(snapshot.markets[k].costs) for k in tradable},
        sigma=snapshot.moments.sigma[symbol],
        basis_sigma={k.venue: snapshot.moments.basis_sigma[k] for k in tradable if k != here},
        closed={k.venue: snapshot.closed[k] for k in keys if k in snapshot.closed},
        increase_factor=signal.factor,
        note=signal.note,
        leverage={
            k.venue: _leverage(snapshot.markets[k], snapshot.moments.sigma[symbol], risk) for k in tradable
        },
        usual={k.venue: snapshot.moments.usual[k] for k in tradable if k in snapshot.moments.usual},
        reserved_usd=snapshot.reserved_usd.get(symbol, 0.0),
        taken_usd=sum(float(abs(snapshot.attributed.get(k, Decimal(0)))) * mark for k in hedging),
    )


def _leverage(market: Market, sigma: float, risk: RiskConfig) -> float:
    """Return the leverage that outlives the distance asked for, and three standard deviations of the horizon."""
    distance = float(risk.min_liquidation_distance + risk.liquidation_cushion)
    return float(market.most_leverage(decimal_of(max(distance, 3 * sigma))))


def _desired(result: SymbolPlan, state: SymbolState, snapshot: Snapshot) -> list[DesiredPosition]:
    here = SeriesKey(INJECTIVE, result.symbol)
    mark = snapshot.marks[here]
    cut = decimal_of(result.cut_usd) / mark
    targets: dict[str, float] = {v: usd for v, usd in result.legs_usd.items() if v in state.rates}
    desired = [DesiredPosition(here, -state.side * cut, _own_purpose(result, state), result.reason)]
    for venue, usd in sorted(targets.items()):
        purpose = _leg_purpose(state.side, state.legs_usd.get(venue, 0.0), usd)
        desired.append(
            DesiredPosition(SeriesKey(venue, result.symbol), decimal_of(usd) / mark, purpose, result.reason)
        )
    return desired


def _own_purpose(result: SymbolPlan, state: SymbolState) -> Purpose:
    """Name the trade on Injective; with any part of a relocation in it, it stands and falls with the other leg."""
    change = result.cut_usd - state.cut_usd
    moved = sum(leg.target_usd - leg.now_usd for leg in result.legs if leg.kind == RELOCATE)
    if change * moved > 0 and abs(moved) > NEGLIGIBLE * state.own_usd:
        return Purpose.RELOCATE
    return Purpose.OWN_CUT if change > 0 else Purpose.OWN_RESTORE


def _leg_purpose(side: int, now_usd: float, then_usd: float) -> Purpose:
    """Name the trade at a hedge venue; on a change of sign only the closing part is traded in this cycle."""
    if side * now_usd > 0 or (now_usd == 0 and side * then_usd > 0):
        return Purpose.RELOCATE
    return Purpose.HEDGE_OPEN if side * then_usd < side * now_usd else Purpose.HEDGE_CLOSE
