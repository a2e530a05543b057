"""The cascade hedge: an opposite perpetual beside the trader's own position while a liquidation cascade threatens it.

Size = κ(probability of a cascade against the position) × the largest hedge, which is what the cap leaves beside the
funding hedge. The probability is small most of the time: below the first knot nothing is opened. Two overrides stand
above the model (requirement C6): one-sided open interest on the position's side asks for the largest hedge; one-sided
open interest on any side together with a funding spike reduces the exposure to the cap, whatever the model says.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite, isnan

from hedged.config import CascadeHedgeConfig, HedgeConfig
from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import CascadeView
from hedged.domain.market import INJECTIVE, SeriesKey, decimal_of
from hedged.domain.orders import Purpose
from hedged.strategy.budget import Budget
from hedged.strategy.economics import kelly_share
from hedged.strategy.programme import Z_95
from hedged.strategy.snapshot import DesiredPosition, Snapshot

PER_8H = 8
GONE_H = 18
"""A hedge that no model watches any more is closed after the head's own horizon."""


MOVE = 0.15
"""Relative move of a cascade: open interest concentrated 15 to 20 % away is its signature (requirement C3)."""


@dataclass(frozen=True, slots=True)
class CascadePlan:
    """What one symbol's cascade hedge should be. `wanted`: danger calls for a hedge now; `figures` for the record."""

    desired: tuple[DesiredPosition, ...]
    reason: str
    wanted: bool
    figures: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class CascadeState:
    """One protected position, as this strategy sees it. Coins are signed; `largest` ≥ 0: what the cap leaves, coins.

    `free`: hedge venues whose market nobody else holds or wants; `since_ms`: when the hedge was last called for.
    """

    symbol: str
    own: Decimal
    largest: Decimal
    held: Mapping[SeriesKey, Decimal]
    free: tuple[SeriesKey, ...]
    since_ms: int


def decide(
    state: CascadeState,
    snapshot: Snapshot,
    config: CascadeHedgeConfig,
    hedge: HedgeConfig,
    budget: Budget,
) -> CascadePlan:
    """Plan one symbol."""
    side = 1 if state.own > 0 else -1
    view = snapshot.forecasts.cascades.get(state.symbol)
    held = sum((abs(q) for q in state.held.values()), Decimal(0))
    age_h = (snapshot.now_ms - state.since_ms) / HOUR_MS
    if view is None or (isnan(view.probability) and not view.crowd):
        why = "the model tells no cascades" if view is None else "the coin's past is too short to tell"
        keep = held if age_h < GONE_H else Decimal(0)
        return _plan(state, snapshot, config, budget, keep, f"cascade hedge: {why}; nothing is opened", view)
    share, why = _share(view, side, _spike(state.symbol, snapshot, config), config)
    target = decimal_of(share) * state.largest
    wanted = share > 0
    if target < held:
        # each turn costs: a hedge is not trimmed with every breath of the probability, it is held or closed
        if age_h < config.min_hold_h:
            target, why = held, f"{why}; held for {config.min_hold_h:g} h after it was last called for"
        elif view.against(side) >= config.close_below:
            target, why = held, f"{why}; held until it falls below {config.close_below:g}"
    target = min(target, state.largest)
    small = abs(target - held) < hedge.min_change * abs(state.own)
    if small and target and held <= state.largest:
        why = why if target == held else f"{why}; the change is too small for an order"
        target = held
    return _plan(state, snapshot, config, budget, target, why, view, wanted=wanted)


def insured_usd(desired: Iterable[DesiredPosition], snapshot: Snapshot) -> dict[str, float]:
    """Return by symbol the loss that its cascade hedges are held against, USD: what they may cost, their stop says.

    A move to where the open interest lies (MOVE), at the probability that called for them, at least a half. What is no
    number allows nothing: a stop that compares with it would never come.
    """
    told: dict[str, float] = {}
    for want in desired:
        symbol, mark = want.key.symbol, snapshot.marks.get(want.key, Decimal(0))
        view, own = snapshot.forecasts.cascades.get(symbol), snapshot.own.get(symbol, Decimal(0))
        p = view.against(1 if own > 0 else -1) if view is not None else float("nan")
        likely = min(p, 1.0) if p >= 0.5 else 0.5  # an override asks for it whatever the model says
        usd = float(abs(want.quantity) * mark)
        told[symbol] = told.get(symbol, 0.0) + (usd * MOVE * likely if isfinite(usd) else 0.0)
    return told


def asked_usd(symbol: str, snapshot: Snapshot, config: CascadeHedgeConfig, cap: Decimal) -> float:
    """Return what the cascade hedge asks of a symbol's cap beyond all that takes price exposure away already, USD."""
    view, own = snapshot.forecasts.cascades.get(symbol), snapshot.own.get(symbol, Decimal(0))
    mark = snapshot.marks.get(SeriesKey(INJECTIVE, symbol))
    if view is None or not own or mark is None:
        return 0.0
    share, _ = _share(view, 1 if own > 0 else -1, _spike(symbol, snapshot, config), config)
    held = {k: q for k, q in snapshot.attributed.items() if k.symbol == symbol and q * own < 0}
    far = sum((q for k, q in snapshot.attributed.items() if k.symbol == symbol and q * own > 0), Decimal(0))
    away = sum((abs(q) for q in held.values()), Decimal(0)) - abs(far)  # what is relocated is not away
    return float(max(Decimal(0), decimal_of(share) * cap * abs(own) - max(Decimal(0), away)) * mark)


def _share(view: CascadeView, side: int, spike: str, config: CascadeHedgeConfig) -> tuple[float, str]:
    """Return the share of the largest hedge, and why."""
    p = view.against(side)
    told = "unknown" if isnan(p) else f"{p:.2f}"
    if view.crowd and spike:
        crowd = "longs" if view.crowd > 0 else "shorts"
        return (
            1.0,
            f"open interest is one-sided ({crowd}, by {view.evidence}) and {spike}: exposure is reduced",
        )
    if view.crowd == side:
        return 1.0, f"open interest is one-sided on the position's side (by {view.evidence}): largest hedge"
    share = 0.0 if isnan(p) else kelly_share(p, tuple(config.knots))
    text = f"probability {told} of a cascade against the position within {view.horizon_h:g} h"
    if share <= 0:
        return 0.0, f"{text}, below {config.knots[0][0]:g}: no hedge"
    return share, f"{text}: {share:.0%} of the largest hedge"


def _spike(symbol: str, snapshot: Snapshot, config: CascadeHedgeConfig) -> str:
    """Say which venue's funding spikes, of the position's own venue first; empty where none does."""
    found = sorted(
        (
            (key.venue != INJECTIVE, key, r)
            for key, r in snapshot.now.readings.items()
            if key.symbol == symbol
        ),
        key=lambda item: item[:2],
    )
    for _, key, reading in found:
        rate, mean = reading.rate * PER_8H, reading.mean_24h * PER_8H
        # as floats: a rate that is not known now is no spike, and cannot be compared with a Decimal at all
        if abs(rate) >= float(config.spike_rate) or abs(rate - mean) >= float(config.spike_deviation):
            return f"funding spikes on {key.venue} ({rate * 100:+.3f} % per 8 h, mean of a day {mean * 100:+.3f} %)"
    return ""


def _plan(
    state: CascadeState,
    snapshot: Snapshot,
    config: CascadeHedgeConfig,
    budget: Budget,
    target: Decimal,
    why: str,
    view: CascadeView | None,
    *,
    wanted: bool = False,
) -> CascadePlan:
    """Spread the hedge over the venues, cheapest first; what no venue has room for is said."""
    side = 1 if state.own > 0 else -1
    left, risk_usd = max(Decimal(0), target), budget.risk_usd
    desired: list[DesiredPosition] = []
    for key in _by_cost(state, snapshot, side):
        held = abs(state.held.get(key, Decimal(0)))
        mark = snapshot.marks[key]
        most = held
        if key not in snapshot.closed:
            basis = snapshot.moments.basis_sigma.get(key, 0.0) * Z_95
            room = budget.room_usd(key.venue, config.max_leverage)
            room = min(room, risk_usd / basis) if basis > 0 else room
            most = max(held, snapshot.markets[key].quantise_quantity(decimal_of(room) / mark))
        size = min(left, most)
        left -= size
        if size > held:
            risk_usd -= Z_95 * snapshot.moments.basis_sigma.get(key, 0.0) * float(size * mark)
        if size or held:
            purpose = Purpose.CASCADE_OPEN if size > held else Purpose.CASCADE_CLOSE
            desired.append(DesiredPosition(key, -side * size, purpose, why))
    if left > 0 and (wanted or not desired):
        why += "; no room at an open venue for the rest" if desired else "; no open venue has room"
    probability = view.against(side) if view is not None else float("nan")
    figures = {
        "cascade_probability": probability if isfinite(probability) else None,
        "crowd": float(view.crowd) if view is not None and view.crowd is not None else None,
        "target": float(-side * sum((abs(d.quantity) for d in desired), Decimal(0))),
    }
    return CascadePlan(tuple(desired), why, wanted, figures)


def _by_cost(state: CascadeState, snapshot: Snapshot, side: int) -> list[SeriesKey]:
    """Return the venues to use: where something is held first, then by what a hedge costs there over the horizon."""

    def cost(key: SeriesKey) -> float:
        costs, told = snapshot.markets[key].costs, snapshot.forecasts.marginals.get(key)
        funding = -side * told.mean * snapshot.forecasts.horizon_h if told is not None else 0.0
        return 2 * float(costs.taker_fee + costs.half_spread) + funding

    keys = {*state.free, *state.held}
    usable = [k for k in keys if k in snapshot.marks and k in snapshot.markets]
    return sorted(usable, key=lambda k: (k not in state.held, cost(k), k))
