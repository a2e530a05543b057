"""Execution and risk: is anything half done, what may be lost, how far is what hurts?"""

from grafana_foundation_sdk.models.dashboard import Dashboard
from pages import page
from panels import BAD_ABOVE_ZERO, BLUE, GREEN, ORANGE, RED, AnyPanel, bars, lines, listing, number

MARKET = 'venue=~"$venue",symbol=~"$symbol"'
SYMBOL = 'symbol=~"$symbol"'


def execution() -> Dashboard:
    """Build it."""
    return page(
        "hedged-execution", "hedged: Execution and risk", "Is anything half done, what may be lost, how far is what hurts?",
        [("Half done", half_done()), ("Stops and losses", stops()), ("Collateral and keys", margin()), ("Orders", orders())],
    )  # fmt: skip


def half_done() -> list[AnyPanel]:
    """What must not stay so."""
    return [
        number("Leg alone", "hedged_naked_seconds", "s",
               "For how long a leg of a pair now stands without its other one. After execution.naked_s the daemon halts.",
               ((None, GREEN), (1, ORANGE), (30, RED)), alerts=("HedgedLegAlone",)),
        number("Outcome unknown", "hedged_orders_outcome_unknown", "none",
               "Orders that may have been filled. Each is looked up, never sent again; never place it by hand.",
               BAD_ABOVE_ZERO, alerts=("HedgedOutcomeUnknown",)),
        number("Not flat after a stop", f"sum(hedged_stop_unwinding{{{SYMBOL}}}) or vector(0)", "none",
               "Tried again at least once a minute. If it lasts, close by hand at the venue.", BAD_ABOVE_ZERO,
               alerts=("HedgedNotFlat",)),
        number("Without a stop", f"sum(hedged_hedge_not_valued{{{SYMBOL}}}) or vector(0)", "none",
               "Hedges of which a price is missing or not believed for too long.", BAD_ABOVE_ZERO, alerts=("HedgedNotValued",)),
        number("Orphaned orders", 'sum(hedged_orphan_orders{venue=~"$venue"}) or vector(0)', "none",
               "Ours, and nobody owns them: left by a life that was killed. Cancel by hand what stays.", BAD_ABOVE_ZERO,
               alerts=("HedgedOrphanOrder",)),
        number("Left of a kill", "hedged_kill_left", "none", "What a kill at cancel or flatten has not done yet.", BAD_ABOVE_ZERO,
               alerts=("HedgedKillNotDone",)),
        lines("Time a leg stood alone", {
                "half of the pairs": "histogram_quantile(0.5, sum by (le) (increase(hedged_pair_alone_seconds_bucket[$__range])))",
                "19 in 20": "histogram_quantile(0.95, sum by (le) (increase(hedged_pair_alone_seconds_bucket[$__range])))"},
              "s", "Between the first fill of a pair and its being whole or gone. Empty: no pair within this time.", least=0),
        listing("Does not agree", f"hedged_position_mismatch_coins{{{MARKET}}} != 0 or hedged_ledger_mismatch_usd{{{MARKET}}} > 0",
                "Coins that no execution explains, or USD of funding that was not paid as it should be. The status page says which.",
                columns=("symbol", "venue"), value="coins or USD", alerts=("HedgedAccountDisagrees", "HedgedLedgerMismatch"),
                empty="all agrees"),
    ]  # fmt: skip


def stops() -> list[AnyPanel]:
    """What may be lost."""
    return [
        lines("Loss of each hedge beside its stop", {
                "{{symbol}} lost": f"hedged_stop_loss_usd{{{SYMBOL}}}", "{{symbol}} stop": f"hedged_stop_allowance_usd{{{SYMBOL}}}"},
              "currencyUSD", "As the stop counts it: basis and fees less funding received. Where loss meets stop, it is unwound. "
              "Empty: nothing was hedged since the start.", alerts=("HedgedStopped", "HedgedNotFlat")),
        listing("Resting after a stop", f"hedged_stop_no_new_hedge_before_timestamp_seconds{{{SYMBOL}}} - time() > 0",
                "Nothing is opened there for so long.", columns=("symbol",), value="opened again in", unit="s", width=6,
                alerts=("HedgedStopped",), empty="none rests"),
        number("Lost", {"{{since}}": "hedged_hedge_loss_usd"}, "currencyUSD",
               "Since 00:00 UTC, and since the best moment of 30 days. At risk.max_daily_loss and risk.max_drawdown only "
               "reductions are sent.", ((None, BLUE),), width=6, height=8, names=True, alerts=("HedgedLossLimit",)),
        lines("PnL of the hedges", {"{{part}}": "hedged_hedge_pnl_part_usd", "together": "hedged_hedge_pnl_usd"}, "currencyUSD",
              "Price is the basis alone, where a hedge offsets a position. Costs that grow faster than funding: raise hedge.min_change."),
        lines("Fees a day", "increase(hedged_fees_usd_total[1d])", "currencyUSD", "Rebates not deducted.", legend="fees", least=0),
    ]  # fmt: skip


def margin() -> list[AnyPanel]:
    """How far what hurts is."""
    near = ((None, RED), (0.10, ORANGE), (0.15, GREEN))
    return [
        lines("Distance to liquidation", {"{{symbol}} {{venue}}": f"hedged_liquidation_distance_ratio{{{MARKET}}}"}, "percentunit",
              "Adverse move until a leg, or your own position, is liquidated. Add collateral below 10 %. Your own position is "
              "never traded for it.", near, least=0, alerts=("HedgedNearLiquidation",)),
        bars("Move to a margin call, by venue", 'venue:hedged_liquidation_distance_ratio:min{venue=~"$venue"}', "percentunit",
             "The nearest hedge leg of the venue. Empty: no leg is held.", near, legend="{{venue}}", least=0, most=1,
             alerts=("HedgedCollateralLow",)),
        lines("Collateral", {"{{venue}}": 'hedged_collateral_usd{venue=~"$venue"}', "{{venue}} free": 'hedged_collateral_free_usd{venue=~"$venue"}'},
              "currencyUSD", "With unrealised profit. A rally bleeds a short leg here while the gain sits on Injective: move it in time.",
              least=0, alerts=("HedgedCollateralLow",)),
        number("INJ for gas", {"{{address}}": "hedged_gas_inj"}, "none", "On the trading key. Send INJ below 0.05. Empty: paper, no key.",
               ((None, RED), (0.05, GREEN)), width=6, height=8, decimals=3, alerts=("HedgedGasLow",), empty="no key"),
        number("Permission of the key ends in", {"{{address}}": "hedged_grants_end_timestamp_seconds - time()"}, "s",
               "Grant it anew in time: afterwards nothing can be sent on Injective. Empty: paper, no key.",
               ((None, RED), (86_400, ORANGE), (14 * 86_400, GREEN)), width=6, height=8, alerts=("HedgedGrantExpiring",), empty="no key"),
    ]  # fmt: skip


def orders() -> list[AnyPanel]:
    """What is sent and refused."""

    def hourly(metric: str, by: str) -> dict[str, str]:
        legend = " ".join(f"{{{{{name}}}}}" for name in by.split(", "))
        return {legend: f"sum by ({by}) (increase({metric}[1h]))"}

    return [
        lines("Orders an hour", hourly("hedged_orders_total", "venue, purpose"), "none",
              "Approved by the risk gate, by purpose. Empty: none since the start.", least=0),
        lines("Refusals an hour", hourly("hedged_refusals_total", "reason"), "none",
              "Intents that the risk gate refused; docs/risk-gate.md explains each reason.", least=0),
        lines("Made smaller an hour", hourly("hedged_shrinks_total", "reason"), "none", "Approved, but for less.", least=0),
        lines("Decisions an hour", hourly("hedged_decisions_total", "symbol, action"), "none", "`hedged explain` tells each.", least=0),
    ]  # fmt: skip
