"""Overview: the book, the funding to come, what was saved, what is hedged, what fires."""

from grafana_foundation_sdk.models.dashboard import Dashboard
from pages import page
from panels import BLUE, GOOD_ABOVE_ZERO, GREEN, ORANGE, RED, AnyPanel, bars, lines, listing, number, states

SIGN = "Plus is received, minus is paid."
FIRING = 'ALERTS{alertstate="firing",alertname!="HedgedDeadMansSwitch"}'


def overview() -> Dashboard:
    """Build it."""
    return page(
        "hedged", "hedged: Overview", "Is it well, what does funding cost, what is done about it?",
        [("Alerts", alerts()), ("The book", book()), ("Saved so far", saved()), ("Hedge", hedge())],
    )  # fmt: skip


def alerts() -> list[AnyPanel]:
    """What fires."""
    return [
        listing(
            "Fires now", FIRING, "Critical: get up. Warning: within the day. The runbook (above, right) has a section for each.",
            columns=("severity", "alertname", "venue", "symbol"), height=7, empty="nothing fires",
        ),
        states(
            "Fired", {"{{alertname}} {{venue}} {{symbol}}": f"max by (alertname, venue, symbol) ({FIRING})"},
            "When which alert fired. Empty: none within this time.", {1: ("fires", RED)}, height=7,
        ),
    ]  # fmt: skip


def book() -> list[AnyPanel]:
    """What is held, and what funding will be."""
    ahead = "hedged_funding_ahead_usd"
    return [
        bars(
            "Own positions", 'hedged_own_position_usd{symbol=~"$symbol"}', "currencyUSD",
            "Your positions on Injective, after what was cut of them; plus is long. Missing: Injective does not tell.",
            legend="{{symbol}}", width=6,
        ),
        bars(
            "Funding expected over the horizon", 'hedged_expected_funding_usd{symbol=~"$symbol"}', "currencyUSD",
            f"Of your own positions, unhedged, over hedge.horizon_h. {SIGN} What is much below zero is what hedging is about.",
            GOOD_ABOVE_ZERO, legend="{{symbol}}", width=6,
        ),
        number(
            "Next 8 hours",
            {"unhedged": f'{ahead}{{hours="8",kind="unhedged",band="mean"}}', "hedged": f'{ahead}{{hours="8",kind="hedged",band="mean"}}'},
            "currencyUSD", f"Of the whole book. {SIGN}", GOOD_ABOVE_ZERO, names=True, width=4, height=8,
        ),
        lines(
            "Next 7 days",
            {
                "unhedged": f'{ahead}{{hours="168",kind="unhedged",band="mean"}}',
                "hedged": f'{ahead}{{hours="168",kind="hedged",band="mean"}}',
                "hedged, 1 in 10 below": f'{ahead}{{hours="168",kind="hedged",band="p10"}}',
                "hedged, 1 in 10 above": f'{ahead}{{hours="168",kind="hedged",band="p90"}}',
            },
            "currencyUSD", f"Funding that the whole book can expect, as forecast at that time. {SIGN}", width=8,
        ),
    ]  # fmt: skip


def saved() -> list[AnyPanel]:
    """What hedging has brought."""
    return [
        number(
            "Hedging has brought", "hedged_hedge_pnl_usd", "currencyUSD",
            "Since the journal began: funding received or spared, less costs, plus what prices moved between the two sides "
            "of a hedge. Below zero for weeks: ask `hedged check --economics` whether hedging is worth it for this book.",
            GOOD_ABOVE_ZERO, width=4, height=8, alerts=("HedgedLossLimit",),
        ),
        lines(
            "What it is made of", {"{{part}}": "hedged_hedge_pnl_part_usd"}, "currencyUSD",
            "funding: received or spared. price: the basis; it comes back where the hedge is held on. costs: fees and spread.",
            width=10,
        ),
        lines(
            "Funding since the start", {"{{kind}}": 'sum by (kind) (hedged_funding_usd{symbol=~"$symbol"})'}, "currencyUSD",
            f"Of all that is held (hedged) and as it would have been without the daemon (unhedged). {SIGN} Begins anew with "
            "each start of the daemon.",
            width=10,
        ),
    ]  # fmt: skip


def hedge() -> list[AnyPanel]:
    """What is held against it."""
    market = 'venue=~"$venue",symbol=~"$symbol"'
    return [
        lines(
            "Hedges held", {"{{symbol}} {{venue}}": f"hedged_hedge_quantity_usd{{{market}}} != 0"}, "currencyUSD",
            "The daemon's own part: plus is long. On Injective it is a cut of your position. Empty: no hedge is held, which is "
            "right most of the time; `hedged explain` says why.",
        ),
        lines(
            "Decisions an hour", {"{{action}}": 'sum by (action) (increase(hedged_decisions_total{symbol=~"$symbol"}[1h]))'},
            "none", "By what was decided. `none` most of the time is right.", least=0,
        ),
        bars(
            "To liquidation", f"hedged_liquidation_distance_ratio{{{market}}}", "percentunit",
            "Adverse price move until a leg or your own position is liquidated. Below 15 % nothing is opened, below 10 % add "
            "collateral, below risk.margin_stop the hedge is unwound. Empty: nothing is held, or the venue does not tell.",
            ((None, RED), (0.10, ORANGE), (0.15, GREEN)), legend="{{symbol}} {{venue}}", least=0, most=1,
            alerts=("HedgedNearLiquidation", "HedgedCollateralLow"),
        ),
        bars(
            "Free collateral", 'hedged_collateral_free_usd{venue=~"$venue"}', "currencyUSD",
            "What margins nothing, by venue. Missing: the venue does not tell now.",
            ((None, RED), (1, BLUE)), legend="{{venue}}", alerts=("HedgedCollateralLow",),
        ),
    ]  # fmt: skip
