"""All strategies on one snapshot: one owner a market, one budget, never against each other."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
from fakes import HASHES, NOW_MS, market
from hypothesis import given
from hypothesis import strategies as st
from states import rates

from hedged.config import HedgeConfig, RiskConfig, StrategiesConfig
from hedged.domain.forecast import LEVELS, CascadeView, ForecastSet, RateForecast
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Purpose, Strategy
from hedged.features.market_now import MarketsNow, Reading
from hedged.features.moments import Moments
from hedged.strategy.divergence_episode import DivergenceEpisode
from hedged.strategy.memory import StrategyMemory
from hedged.strategy.portfolio import Decided, Settings, decide
from hedged.strategy.snapshot import Snapshot

VENUES = ("binance", "bybit", "okx")
SYMBOLS = ("ETH", "IMX")
KEYS = tuple(SeriesKey(v, s) for v in (INJECTIVE, *VENUES) for s in SYMBOLS if (v, s) != (INJECTIVE, "IMX"))
FAR = tuple(key for key in KEYS if key.venue != INJECTIVE)
RISK = RiskConfig()
HEDGE = HedgeConfig(venues=list(VENUES), delta_band=Decimal("0.4"))
ALL_ON = StrategiesConfig.model_validate(
    {"cascade_hedge": {"enabled": True}, "divergence": {"enabled": True, "symbols": ["IMX", "ETH"]}}
)


def snapshot(
    means_a_year_bp: dict[SeriesKey, float] | None = None,
    now_8h: dict[SeriesKey, float] | None = None,
    held: dict[SeriesKey, tuple[Decimal, Strategy]] | None = None,
    view: CascadeView | None = None,
    own: Decimal = Decimal(1_000),
    **changes: Any,
) -> Snapshot:
    """A position in ETH of 100,000 USD; IMX is not held and not listed on Injective."""
    columns = {key: rates((means_a_year_bp or {}).get(key, 100.0), 0.2, i) for i, key in enumerate(KEYS)}
    marginals = {
        key: RateForecast(key, NOW_MS, 24.0, float(c.mean()), np.quantile(c, LEVELS), 0.5)
        for key, c in columns.items()
    }
    forecasts = ForecastSet(
        NOW_MS, 24.0, KEYS, marginals, np.stack(list(columns.values()), axis=1), "model", "features",
        cascades={} if view is None else {"ETH": view},
    )  # fmt: skip
    now = {key: (now_8h or {}).get(key, 0.0001) / 8 for key in KEYS}
    usual = Snapshot(
        now_ms=NOW_MS,
        hashes=HASHES,
        forecasts=forecasts,
        moments=Moments(
            24, ("ETH",), {"ETH": 0.03}, {k: 0.001 for k in FAR if k.symbol == "ETH"}, np.ones((1, 1))
        ),
        own={"ETH": own} if own else {},
        attributed={key: quantity for key, (quantity, _) in (held or {}).items()},
        owners={key: owner for key, (_, owner) in (held or {}).items()},
        marks=dict.fromkeys(KEYS, Decimal(100)),
        markets={key: market(key) for key in KEYS},
        collateral_usd=dict.fromkeys(VENUES, Decimal(10_000)),
        equity_usd=Decimal(50_000),
        now=MarketsNow(
            {key: Reading(r, r, 0.0, 0.0, float("nan"), 0.0) for key, r in now.items()},
            dict.fromkeys(KEYS, 0.03),
            {(a, b): 0.001 for a in KEYS for b in KEYS if a < b and a.symbol == b.symbol},
        ),
    )
    return replace(usual, **changes)


def run(
    seen: Snapshot, strategies: StrategiesConfig = ALL_ON, memory: StrategyMemory | None = None
) -> Decided:
    return decide(seen, Settings(strategies, HEDGE, RISK), memory or StrategyMemory())


coins = st.integers(-400, 400).map(Decimal)
holdings = st.dictionaries(
    st.sampled_from(FAR), st.tuples(coins, st.sampled_from(list(Strategy))), max_size=len(FAR)
)
yearly = st.dictionaries(st.sampled_from(KEYS), st.floats(-60_000, 60_000), max_size=len(KEYS))
now = st.dictionaries(st.sampled_from(KEYS), st.floats(-0.005, 0.005), max_size=len(KEYS))
views = st.none() | st.builds(
    CascadeView, st.just(18.0), st.floats(0, 1), st.just(0.62), st.sampled_from([-1, 0, 1, None]), st.just("a test")
)  # fmt: skip


@given(yearly, now, holdings, views, st.sampled_from([Decimal(1_000), Decimal(-1_000), Decimal(0)]))
def test_strategies_never_meet_on_a_market_and_stay_within_the_budget(
    means: dict[SeriesKey, float],
    rates_8h: dict[SeriesKey, float],
    held: dict[SeriesKey, tuple[Decimal, Strategy]],
    view: CascadeView | None,
    own: Decimal,
) -> None:
    """If this fails, two strategies trade one market in one cycle, maybe against each other, or over the limits."""
    seen = snapshot(means, rates_8h, held, view, own)
    found = run(seen)
    keys = [d.key for d in found.desired]
    assert len(keys) == len(set(keys)), "a market is wanted once"
    for want in found.desired:
        now_held = seen.attributed.get(want.key, Decimal(0))
        owner = seen.owners.get(want.key) if now_held else None
        if now_held:
            assert want.purpose.strategy is owner, "nobody trades what another holds"
        if want.purpose.strategy is not Strategy.FUNDING_HEDGE:
            assert want.key.venue != INJECTIVE
    after = dict(seen.attributed) | {d.key: d.quantity for d in found.desired}
    for venue in VENUES:

        def usd(book: Any, venue: str = venue) -> float:
            return float(sum(abs(q) * 100 for k, q in book.items() if k.venue == venue))

        most = float(RISK.max_leverage) * 10_000
        assert usd(after) <= max(most, usd(seen.attributed)) * (1 + 1e-6) + 0.2


def test_the_cascade_hedge_leaves_the_venue_that_the_funding_hedge_wants() -> None:
    """If this fails, both hedges of a position open on one market, and neither knows what is its own."""
    dear = {SeriesKey(INJECTIVE, "ETH"): 30_000.0, SeriesKey("binance", "ETH"): 900.0}
    found = run(snapshot(dear, view=CascadeView(18.0, 1.0, 0.9)))
    by = {d.key: d.purpose.strategy for d in found.desired if d.quantity}
    assert by[SeriesKey(INJECTIVE, "ETH")] is Strategy.FUNDING_HEDGE
    cascade = [key for key, strategy in by.items() if strategy is Strategy.CASCADE_HEDGE]
    funding = [key for key, strategy in by.items() if strategy is Strategy.FUNDING_HEDGE]
    assert not set(cascade) & set(funding)
    cut = -float(next(d.quantity for d in found.desired if d.key == SeriesKey(INJECTIVE, "ETH")))
    assert cut + sum(-float(d.quantity) for d in found.desired if d.key in cascade) <= 400 + 1e-6, (
        "one cap for both"
    )


def test_a_protected_coin_is_traded_for_divergence_on_free_markets_alone() -> None:
    """If this fails, a trade of its own is put where the position's hedge lies or is about to lie."""
    dear = {SeriesKey(INJECTIVE, "ETH"): 30_000.0, SeriesKey("binance", "ETH"): 900.0}
    apart = {SeriesKey("binance", "ETH"): -0.004, SeriesKey("bybit", "ETH"): 0.004}
    means = dear | {SeriesKey("bybit", "ETH"): 60_000.0, SeriesKey("okx", "ETH"): 29_000.0}
    rich = dict.fromkeys(VENUES, Decimal(20_000))
    seen = snapshot(means, apart | {SeriesKey("okx", "ETH"): -0.003}, collateral_usd=rich)
    hedge = HEDGE.model_copy(update={"delta_band": Decimal(0)})
    found = decide(seen, Settings(ALL_ON, hedge, RISK), StrategyMemory())
    trades = {d.key for d in found.desired if d.purpose is Purpose.DIVERGENCE_OPEN}
    hedges = {d.key for d in found.desired if d.purpose.strategy is Strategy.FUNDING_HEDGE and d.quantity}
    assert trades == {SeriesKey("bybit", "ETH"), SeriesKey("okx", "ETH")}
    assert SeriesKey("binance", "ETH") in hedges


def test_a_strategy_that_is_switched_off_closes_what_it_holds() -> None:
    """If this fails, positions stay open that nobody watches any more."""
    held = {
        SeriesKey("okx", "ETH"): (Decimal(-50), Strategy.CASCADE_HEDGE),
        SeriesKey("binance", "IMX"): (Decimal(70), Strategy.DIVERGENCE),
        SeriesKey("bybit", "IMX"): (Decimal(-70), Strategy.DIVERGENCE),
    }
    found = run(snapshot(held=held), StrategiesConfig())
    mine = {d.key: (d.quantity, d.purpose) for d in found.desired if d.key in held}
    assert mine == {
        SeriesKey("okx", "ETH"): (Decimal(0), Purpose.CASCADE_CLOSE),
        SeriesKey("binance", "IMX"): (Decimal(0), Purpose.DIVERGENCE_CLOSE),
        SeriesKey("bybit", "IMX"): (Decimal(0), Purpose.DIVERGENCE_CLOSE),
    }
    off = StrategiesConfig.model_validate({"funding_hedge": {"enabled": False}})
    hedged = {SeriesKey("binance", "ETH"): (Decimal(-50), Strategy.FUNDING_HEDGE)}
    closed = run(snapshot(held=hedged), off)
    assert [(d.key, d.quantity) for d in closed.desired] == [(SeriesKey("binance", "ETH"), Decimal(0))]


def test_a_cascade_hedge_of_a_position_that_turned_is_closed() -> None:
    """If this fails, the hedge of a long doubles the short that the trader has turned to."""
    held = {SeriesKey("okx", "ETH"): (Decimal(-50), Strategy.CASCADE_HEDGE)}
    for own in (Decimal(-1_000), Decimal(0)):
        found = run(snapshot(held=held, own=own, view=CascadeView(18.0, 1.0, 0.9)))
        wanted = {d.key: d.quantity for d in found.desired if d.key in held}
        assert wanted == {SeriesKey("okx", "ETH"): Decimal(0)}


def test_what_the_strategies_remember_survives_the_journal() -> None:
    """If this fails, a restart forgets why a trade was opened, and where it is stopped."""
    trade = DivergenceEpisode(NOW_MS, 80.0, 45.0, 20.0, 12.5, 22.0, -3.0, {"binance": 1.87}, NOW_MS + 5)
    memory = StrategyMemory({"IMX": trade}, {"ETH": NOW_MS})
    assert StrategyMemory.from_json(memory.to_json()) == memory
    assert StrategyMemory.from_json({}) == StrategyMemory()
