"""The rules that can have the last word on a decision, by name, and what each says to a person."""

from enum import StrEnum


class Rule(StrEnum):
    """What had the last word on a leg or a market. Journalled: a name is never given another meaning."""

    PLAN = "plan"
    NO_SAVING = "no_saving"
    COST = "cost"
    RISK = "risk"
    BETTER_LEG = "better_leg"
    CONFIDENCE = "confidence"
    MIN_CHANGE = "min_change"
    CAP = "cap"
    DELTA_BAND = "delta_band"
    MARGIN = "margin"
    EQUITY_AT_RISK = "equity_at_risk"
    OWN_CUT_OFF = "own_cut_off"
    VENUE_CLOSED = "venue_closed"
    QUARANTINE = "quarantine"
    SIGNAL = "signal"
    UNSOLVED = "unsolved"
    NOT_FOLLOWED = "not_followed"
    NO_PRICE = "no_price"
    NO_FORECAST = "no_forecast"
    RELEASED = "released"
    VENUE_SILENT = "venue_silent"
    STOP = "stop"
    GATE = "gate"
    ORDER_FAILED = "order_failed"
    SWITCHED_OFF = "switched_off"
    STRATEGY = "strategy"


TEXTS = {
    Rule.PLAN: "the plan weighs saving, cost, risk and confidence",
    Rule.NO_SAVING: "it would save nothing",
    Rule.COST: "it does not earn its cost",
    Rule.RISK: "its risk outweighs its gain",
    Rule.BETTER_LEG: "another leg does it better",
    Rule.CONFIDENCE: "its confidence is too low for any increase",
    Rule.MIN_CHANGE: "the change is too small for an order",
    Rule.CAP: "the cap on all hedges of a market is used up",
    Rule.DELTA_BAND: "the band of the price exposure is used up",
    Rule.MARGIN: "the margin at the venue is used up",
    Rule.EQUITY_AT_RISK: "the equity that may be at risk is used up",
    Rule.OWN_CUT_OFF: "the own position may not be cut (hedge.allow_own_cut)",
    Rule.VENUE_CLOSED: "nothing may be opened there now",
    Rule.QUARANTINE: "its data are not believed",
    Rule.SIGNAL: "a signal asks for less",
    Rule.UNSOLVED: "the optimiser found no solution: everything stays",
    Rule.NOT_FOLLOWED: "no data are kept of this market",
    Rule.NO_PRICE: "its price on Injective is stale or unknown",
    Rule.NO_FORECAST: "its funding on Injective cannot be forecast",
    Rule.RELEASED: "the position needs no hedge any more",
    Rule.VENUE_SILENT: "a venue does not say what is held: everything stays",
    Rule.STOP: "the stop: the hedge lost more than it protects",
    Rule.GATE: "the risk gate refused",
    Rule.ORDER_FAILED: "an order failed",
    Rule.SWITCHED_OFF: "the funding hedge is switched off",
    Rule.STRATEGY: "a strategy beside the funding hedge decides",
}
