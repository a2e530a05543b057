"""Venues and data age: who tells what, how late, and what is not believed."""

from grafana_foundation_sdk.models.dashboard import Dashboard
from pages import page
from panels import BAD_ABOVE_ZERO, GREEN, ORANGE, RED, AnyPanel, bars, lines, listing, number, states

VENUE = 'venue=~"$venue"'
MARKET = 'venue=~"$venue",symbol=~"$symbol"'
LIVE = "Empty with data.source: simulator, which has no streams."


def venues() -> Dashboard:
    """Build it."""
    return page(
        "hedged-venues", "hedged: Venues and data age", "Who tells what, how late, and what is not believed?",
        [("Ages", ages()), ("Streams", streams()), ("Not believed, not open", doubts()), ("Outside sources and signals", outside())],
    )  # fmt: skip


def ages() -> list[AnyPanel]:
    """How old what is known is."""
    return [
        bars("Age of each market's price", f"hedged_series_age_seconds{{{MARKET}}}", "s",
             "At the last cycle. Older than cycle.stale_after_s decides nothing; older than an hour alerts.",
             ((None, GREEN), (1800, ORANGE), (3600, RED)), legend="{{symbol}} {{venue}}", least=0, alerts=("HedgedSeriesStale",)),
        lines("Age of live values", {"{{venue}} {{kind}}": f"hedged_feed_age_seconds{{{VENUE}}}"}, "s",
              f"Of the oldest market, by kind. Prices older than two minutes alert. {LIVE}",
              ((None, GREEN), (120, RED)), least=0, alerts=("HedgedFeedOld",)),
        lines("How late values arrive", {"{{venue}} {{kind}}": f"hedged_feed_lag_seconds{{{VENUE}}}"}, "s",
              f"Receipt minus the venue's own stamp. Below zero: this machine's clock is behind. {LIVE}"),
        lines("How often values change", {"{{venue}} {{kind}}": f"hedged_feed_period_seconds{{{VENUE}}}"}, "s",
              f"Mean time between changes at the venue. {LIVE}", least=0),
    ]  # fmt: skip


def streams() -> list[AnyPanel]:
    """The wires."""

    def rate(metric: str) -> dict[str, str]:
        return {"{{venue}}": f"rate({metric}{{{VENUE}}}[$__rate_interval])"}

    def hourly(metric: str) -> dict[str, str]:
        return {"{{venue}}": f"increase({metric}{{{VENUE}}}[1h])"}

    return [
        states("Streams", {"{{venue}} {{stream}}": f"hedged_feed_up{{{VENUE}}}"},
               f"Down: polls stand in. One alone is no alert. {LIVE}", {1: ("up", GREEN), 0: ("down", RED)}, alerts=("HedgedFeedOld",)),
        lines("Messages a second", rate("hedged_feed_messages_total"), "none", f"A line at zero is a dead stream. {LIVE}", least=0),
        lines("Connections made an hour", hourly("hedged_feed_connections_total"), "none",
              f"Many: the venue or the network drops it. {LIVE}", width=6, least=0),
        lines("Polls an hour for silent streams", hourly("hedged_feed_fallback_polls_total"), "none", f"Zero is right. {LIVE}",
              width=6, least=0),
        lines("Unreadable messages an hour", hourly("hedged_feed_messages_unreadable_total"), "none",
              f"Above zero: the venue has changed its protocol; keep the log. {LIVE}", width=6, least=0),
        lines("Refused subscriptions an hour", hourly("hedged_feed_subscriptions_refused_total"), "none",
              f"A market that is not listed, or too many. {LIVE}", width=6, least=0),
    ]  # fmt: skip


def doubts() -> list[AnyPanel]:
    """What is held back."""
    return [
        listing("Series not believed", f"hedged_series_quarantined{{{VENUE}}} > 0",
                "By what is wrong. Nothing is opened there; released after four sound observations. The status page has the figures.",
                columns=("venue", "reason"), value="series", width=8, alerts=("HedgedSeriesQuarantined",), empty="all believed"),
        listing("Markets closed", f"hedged_venue_closed{{{MARKET}}} == 1",
                "Maintenance, delisting, a halt, or a signal. What is held can still be reduced.",
                columns=("venue", "symbol"), width=8, alerts=("HedgedVenueClosed",), empty="all open"),
        listing("Markets that do not agree", f"hedged_reconcile_frozen{{{MARKET}}} == 1",
                "Nothing is opened there until positions, executions and funding agree. The status page says why.",
                columns=("venue", "symbol"), width=8, alerts=("HedgedAccountDisagrees",), empty="all agree"),
        lines("Put into quarantine an hour", {"{{venue}} {{reason}}": f"increase(hedged_quarantines_total{{{VENUE}}}[1h])"}, "none",
              "Again and again: a threshold in quality: is too narrow, or the venue is ill. Empty: none since the start.", least=0),
        lines("Orphaned orders", {"{{venue}} open": f"hedged_orphan_orders{{{VENUE}}}",
                                  "{{venue}} gone": f"hedged_orphan_orders_swept{{{VENUE}}}"}, "none",
              "Under our tag, owned by nobody. Open ones may fill at any moment.", least=0, alerts=("HedgedOrphanOrder",)),
    ]  # fmt: skip


def outside() -> list[AnyPanel]:
    """What comes from outside."""
    return [
        bars("Outside sources answered", "time() - hedged_outside_last_answer_timestamp_seconds", "s",
             "How long ago. After two hours it alerts. Empty: none is configured.", ((None, GREEN), (7200, RED)),
             legend="{{source}}", width=6, least=0, alerts=("HedgedOutsideSilent",)),
        number("Venues that hide their status", f"sum(hedged_venue_status_unknown{{{VENUE}}}) or vector(0)", "none",
               "Their maintenance is not known ahead.", BAD_ABOVE_ZERO, width=6, height=8),
        lines("Signals an hour", {"{{verdict}}": "increase(hedged_signals_total[1h])"}, "none",
              "Webhook messages, by what became of them. wrong_secret: somebody guesses. Empty: the webhook is off.", width=6, least=0,
              alerts=("HedgedWebhookGuessed",)),
        listing("Signals came", 'time() - hedged_signal_last_received_timestamp_seconds{symbol=~"$symbol"}', "How long ago.",
                columns=("symbol", "action"), value="ago", unit="s", width=6, alerts=("HedgedSignalAlert",), empty="none"),
        bars("Signals scale increases by", 'hedged_signal_increase_factor{symbol=~"$symbol"}', "none",
             "1 without a signal in force; below 1 hedges grow less.", ((None, ORANGE), (1, GREEN)), legend="{{symbol}}", width=24,
             height=5, least=0),
    ]  # fmt: skip
