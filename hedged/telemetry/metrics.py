"""Every metric of the daemon. Names follow Prometheus' conventions; labels stay few: venue, symbol, a small enum."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from hedged.telemetry.models import ModelMetrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # a _created series beside every counter helps nobody


class Metrics(ModelMetrics):
    """One registry per daemon, so that several may live in one process (tests, backtests)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._of_process(self.registry)
        self._of_series(self.registry)
        self._of_models(self.registry)
        self._of_book(self.registry)
        self._of_money(self.registry)
        self._of_pairs(self.registry)
        self._of_stops(self.registry)
        self._of_feeds(self.registry)
        self._of_doubts(self.registry)
        self._of_upkeep(self.registry)
        self._of_reconciliation(self.registry)
        self._of_control(self.registry)
        self._of_alerts(self.registry)

    def _of_process(self, r: CollectorRegistry) -> None:
        """The process and its cycles. Memory, CPU and open files are the library's own `process_…`."""
        ProcessCollector(registry=r)
        self.info = Gauge(
            "hedged_info", "1, with version and hashes", ["version", "mode", "model", "config"], registry=r
        )
        self.ready = Gauge("hedged_ready", "1 when data are fresh and the account is reconciled", registry=r)
        self.cycles = Counter("hedged_cycles", "cycles completed", registry=r)
        self.cycles_missed = Counter(
            "hedged_cycles_missed", "cycles skipped because the one before ran long", registry=r
        )
        self.cycle_interval = Gauge(
            "hedged_cycle_interval_seconds", "how often a cycle is due, as configured", registry=r
        )
        self.cycle_completed = Gauge(
            "hedged_cycle_last_completed_timestamp_seconds",
            "end of the last completed cycle, Unix time",
            registry=r,
        )
        self.cycle_duration = Histogram(
            "hedged_cycle_duration_seconds", "one cycle, snapshot to execution", registry=r,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60),
        )  # fmt: skip
        self.loop_lag = Gauge(
            "hedged_loop_lag_seconds", "how late the event loop woke up, latest", registry=r
        )

    def _of_series(self, r: CollectorRegistry) -> None:
        """What is known and forecast of every series."""
        self.series_age = Gauge(
            "hedged_series_age_seconds", "age of the mark price", ["venue", "symbol"], registry=r
        )
        self.forecast = Gauge(
            "hedged_forecast_rate_per_hour",
            "forecast mean funding rate per hour over the horizon, > 0 longs pay; band: mean, p10 or p90",
            ["venue", "symbol", "band"], registry=r,
        )  # fmt: skip
        self.forecast_series = Gauge(
            "hedged_forecast_series", "series by who forecast them; none: history too short, or a print overdue",
            ["forecaster"], registry=r,
        )  # fmt: skip
        self.deviation = Gauge(
            "hedged_forecast_deviation_bands",
            "distance of the last settlement from its forecast, in half-widths of the 80 % band",
            ["venue", "symbol"], registry=r,
        )  # fmt: skip
        self.deviated = Gauge(
            "hedged_forecast_deviated_timestamp_seconds",
            "when a settlement last was alarmingly far from its forecast, Unix time",
            ["venue", "symbol"], registry=r,
        )  # fmt: skip
        self.backfilled = Gauge(
            "hedged_backfilled_ratio", "share of the window that is filled, 1 once it is prepared", registry=r
        )

    def _of_book(self, r: CollectorRegistry) -> None:
        """The book, what is held, what is done."""
        self.own_usd = Gauge(
            "hedged_own_position_usd", "own position, signed notional", ["symbol"], registry=r
        )
        self.hedge_usd = Gauge(
            "hedged_hedge_quantity_usd",
            "the daemon's own part, signed notional",
            ["venue", "symbol"],
            registry=r,
        )
        self.expected_funding = Gauge(
            "hedged_expected_funding_usd",
            "own funding expected over the horizon, > 0 received",
            ["symbol"],
            registry=r,
        )
        self.decisions = Counter("hedged_decisions", "decisions by action", ["symbol", "action"], registry=r)
        self.orders = Counter(
            "hedged_orders", "orders approved, by purpose", ["venue", "purpose"], registry=r
        )
        self.refusals = Counter(
            "hedged_refusals", "intents the gate refused, by reason", ["reason"], registry=r
        )
        self.shrinks = Counter(
            "hedged_shrinks", "intents the gate approved smaller, by reason", ["reason"], registry=r
        )
        self.unresolved = Gauge("hedged_orders_outcome_unknown", "attempts of unknown outcome", registry=r)

    def _of_money(self, r: CollectorRegistry) -> None:
        """Funding, what hedges have brought, what lies at the venues. USD."""
        self.funding = Gauge(
            "hedged_funding_usd", "funding since the start, > 0 received; kind: hedged or unhedged",
            ["symbol", "kind"], registry=r,
        )  # fmt: skip
        self.funding_ahead = Gauge(
            "hedged_funding_ahead_usd",
            "funding to come, > 0 received; hours: of the span, kind: hedged or unhedged, band: mean, p10 or p90",
            ["hours", "kind", "band"], registry=r,
        )  # fmt: skip
        self.fees = Counter("hedged_fees_usd", "fees paid on hedge orders, rebates not deducted", registry=r)
        self.hedge_pnl = Gauge(
            "hedged_hedge_pnl_usd", "hedges all told, of the journal's whole life: basis, funding, costs; > 0 earned",
            registry=r,
        )  # fmt: skip
        self.hedge_pnl_part = Gauge(
            "hedged_hedge_pnl_part_usd",
            "parts of it: funding received or spared, price (the basis alone, where a hedge offsets), costs (≤ 0)",
            ["part"], registry=r,
        )  # fmt: skip
        self.hedge_loss = Gauge(
            "hedged_hedge_loss_usd", "lost since 00:00 UTC (day) or since the best moment of 30 days (drawdown)",
            ["since"], registry=r,
        )  # fmt: skip
        self.loss_limit = Gauge(
            "hedged_loss_limit_reached", "1 while only reductions are sent, as too much was lost", registry=r
        )
        self.collateral = Gauge(
            "hedged_collateral_usd", "collateral with unrealised profit; absent while the venue does not tell it",
            ["venue"], registry=r,
        )  # fmt: skip
        self.collateral_free = Gauge(
            "hedged_collateral_free_usd", "what of it margins nothing", ["venue"], registry=r
        )

    def _of_pairs(self, r: CollectorRegistry) -> None:
        """Legs that belong together."""
        self.naked = Gauge(
            "hedged_naked_seconds",
            "for how long a leg of a pair now stands without its other one",
            registry=r,
        )
        self.alone = Histogram(
            "hedged_pair_alone_seconds", "time between the first fill of a pair and its being whole or gone",
            registry=r, buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120),
        )  # fmt: skip

    def _of_stops(self, r: CollectorRegistry) -> None:
        """The fast loop, and how far every hedge is from its stop."""
        self.guard_last = Gauge(
            "hedged_guard_last_look_timestamp_seconds",
            "when the stops were last looked at, Unix time",
            registry=r,
        )
        self.guard_duration = Histogram(
            "hedged_guard_duration_seconds", "one look at the stops, what is done about them included", registry=r,
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 15, 60),
        )  # fmt: skip
        self.guard_late = Gauge(
            "hedged_guard_late_seconds",
            "how much later than due the last look was; a cycle holds it up",
            registry=r,
        )
        self.stop_loss = Gauge(
            "hedged_stop_loss_usd",
            "what a hedge has lost as its stop counts it, > 0 a loss",
            ["symbol"],
            registry=r,
        )
        self.stop_allowance = Gauge(
            "hedged_stop_allowance_usd", "the loss at which it is unwound", ["symbol"], registry=r
        )
        self.stop_unwinding = Gauge(
            "hedged_stop_unwinding", "1 while a stopped hedge is not flat yet", ["symbol"], registry=r
        )
        self.stop_until = Gauge(
            "hedged_stop_no_new_hedge_before_timestamp_seconds",
            "until when nothing is opened after a stop, Unix time; 0: there was none",
            ["symbol"], registry=r,
        )  # fmt: skip
        self.hedge_not_valued = Gauge(
            "hedged_hedge_not_valued", "1 once a hedge or divergence trade could not be valued for unvalued_alert_s",
            ["symbol"],
            registry=r,
        )  # fmt: skip
        self.liquidation_distance = Gauge(
            "hedged_liquidation_distance_ratio", "adverse move to liquidation, of a leg or of the own position",
            ["venue", "symbol"], registry=r,
        )  # fmt: skip

    def _of_feeds(self, r: CollectorRegistry) -> None:
        """Live data, by venue and kind of value."""
        self.feed_up = Gauge(
            "hedged_feed_up", "1 while a stream is up and tells the market", ["venue", "stream"], registry=r
        )
        self.feed_connections = Counter(
            "hedged_feed_connections", "connections that were made", ["venue"], registry=r
        )
        self.feed_messages = Counter("hedged_feed_messages", "messages received", ["venue"], registry=r)
        self.feed_garbage = Counter(
            "hedged_feed_messages_unreadable", "messages that could not be read", ["venue"], registry=r
        )
        self.feed_refused = Counter(
            "hedged_feed_subscriptions_refused", "subscriptions that a venue refused", ["venue"], registry=r
        )
        self.feed_fallbacks = Counter(
            "hedged_feed_fallback_polls", "polls because a stream was silent", ["venue"], registry=r
        )
        self.feed_age = Gauge(
            "hedged_feed_age_seconds", "how long ago the value was confirmed, of the oldest market",
            ["venue", "kind"], registry=r,
        )  # fmt: skip
        self.feed_lag = Gauge(
            "hedged_feed_lag_seconds", "receipt minus the venue's own stamp, mean of the last seconds",
            ["venue", "kind"], registry=r,
        )  # fmt: skip
        self.feed_period = Gauge(
            "hedged_feed_period_seconds", "how often a value changes at the venue, mean",
            ["venue", "kind"], registry=r,
        )  # fmt: skip

    def _of_doubts(self, r: CollectorRegistry) -> None:
        """What is not believed, what venues announce, what outsiders signal."""
        self.quarantined = Gauge(
            "hedged_series_quarantined", "series whose data are not believed, by what is wrong with them",
            ["venue", "reason"], registry=r,
        )  # fmt: skip
        self.quarantines = Counter(
            "hedged_quarantines", "series put into quarantine", ["venue", "reason"], registry=r
        )
        self.venue_closed = Gauge(
            "hedged_venue_closed", "1 while nothing is opened on a market, as announced or asked for by a signal",
            ["venue", "symbol"], registry=r,
        )  # fmt: skip
        self.venue_unknown = Gauge(
            "hedged_venue_status_unknown", "1 while a venue does not tell its status", ["venue"], registry=r
        )
        self.outside_told = Gauge(
            "hedged_outside_last_answer_timestamp_seconds", "when an outside source last answered, Unix time",
            ["source"], registry=r,
        )  # fmt: skip
        self.signals = Counter(
            "hedged_signals", "webhook messages, by what became of them", ["verdict"], registry=r
        )
        self.signal_received = Gauge(
            "hedged_signal_last_received_timestamp_seconds", "when the last signal came, Unix time",
            ["symbol", "action"], registry=r,
        )  # fmt: skip
        self.signal_factor = Gauge(
            "hedged_signal_increase_factor",
            "what signals scale increases of hedges by",
            ["symbol"],
            registry=r,
        )

    def _of_upkeep(self, r: CollectorRegistry) -> None:
        """Nodes, the recorder, the trading key."""
        self.nodes_set_aside = Gauge(
            "hedged_nodes_set_aside",
            "nodes that turned out to be of another chain: never asked again",
            registry=r,
        )
        self.recorded_rows = Counter(
            "hedged_recorded_rows", "rows written to the recorded data directory", registry=r
        )
        self.recorder_given_up = Counter(
            "hedged_recorder_bars_given_up", "bars that waited too long for the disk", registry=r
        )
        self.recorder_failing = Gauge(
            "hedged_recorder_failing", "1 while what is collected cannot be written", registry=r
        )
        self.journal_failing = Gauge(
            "hedged_journal_failing", "1 while the journal cannot be written, so nothing is sent", registry=r
        )
        # labelled, so that they are absent where there is no key, not zero
        self.gas_inj = Gauge(
            "hedged_gas_inj", "INJ left on the trading key to pay gas with", ["address"], registry=r
        )
        self.grants_end = Gauge(
            "hedged_grants_end_timestamp_seconds", "when the first grant of the trading key expires, Unix time",
            ["address"], registry=r,
        )  # fmt: skip

    def _of_reconciliation(self, r: CollectorRegistry) -> None:
        """What venues tell of the account that does not agree."""
        market = ["venue", "symbol"]
        self.frozen = Gauge(
            "hedged_reconcile_frozen", "1 while nothing is opened on a market, as what is told of it does not agree",
            market, registry=r,
        )  # fmt: skip
        self.evidence_mismatch = Gauge(
            "hedged_position_mismatch_coins", "coins of a position that no execution explains", market, registry=r
        )  # fmt: skip
        self.ledger_mismatch = Gauge(
            "hedged_ledger_mismatch_usd", "funding not paid as rate × price × quantity says", market, registry=r
        )  # fmt: skip
        self.orphans_open = Gauge(
            "hedged_orphan_orders", "orders under our tag that nobody owns, still open", ["venue"], registry=r
        )  # fmt: skip
        self.orphans_swept = Gauge(
            "hedged_orphan_orders_swept", "such orders that are gone, since the start", ["venue"], registry=r
        )  # fmt: skip

    def _of_control(self, r: CollectorRegistry) -> None:
        """The kill switch's work, the event loop, tasks that failed, reloads."""
        self.kill = Gauge(
            "hedged_kill_latch", "kill latch: 0 none, 1 reduce-only, 2 pause, 3 cancel, 4 flatten", registry=r
        )
        self.halted = Gauge(
            "hedged_halted", "1 while the latch is one that the daemon turned by itself", registry=r
        )
        self.kill_left = Gauge(
            "hedged_kill_left", "what a kill at cancel or flatten has not done yet, counted", registry=r
        )
        self.loop_stalls = Counter(
            "hedged_loop_stalls", "times that the event loop stood for control.stall_told_s", registry=r
        )
        self.task_restarts = Counter(
            "hedged_task_restarts", "tasks started again after a failure", ["task"], registry=r
        )
        self.reloads = Counter(
            "hedged_reloads",
            "readings of a changed configuration: applied or refused",
            ["outcome"],
            registry=r,
        )

    def _of_alerts(self, r: CollectorRegistry) -> None:
        """What is told, to whom, and what became of it."""
        self.alerts_active = Gauge(
            "hedged_alerts_active", "conditions that stand, told or not", ["severity"], registry=r
        )
        self.alert_messages = Counter(
            "hedged_alert_messages",
            "messages by what became of them: delivered, failed (and tried again), dropped",
            ["target", "outcome"],
            registry=r,
        )
        self.alerts_broken = Counter(
            "hedged_alerts_broken", "looks for alerts that failed by a fault of hedged", registry=r
        )
        self.heartbeat_heard = Gauge(
            "hedged_heartbeat_last_heard_timestamp_seconds",
            "when the dead man's switch last answered, Unix time; 0: never, or there is none",
            registry=r,
        )
