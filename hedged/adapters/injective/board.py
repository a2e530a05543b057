"""What is known of every market, and since when: one memory for the present, the past bars and the ledger.

A value counts from the moment it was received. The present comes from states of the chain; before the first of them the
past is told by the funding prints and by the prices of trades, as the indexer keeps them.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np
import structlog

from hedged.adapters.injective.markets import MarketState, Perpetual
from hedged.adapters.injective.prints import Print, Prints, charged, settlement
from hedged.adapters.injective.tape import Tape
from hedged.domain.bars import BAR_MS, Field, Observation, blank_observation
from hedged.domain.clock import DAY_MS, SECOND_MS
from hedged.domain.funding import Settlement
from hedged.domain.injective import FundingState, nowcast

log = structlog.get_logger(__name__)

STATES_KEPT = 256
PRICE_LIFE_MS = DAY_MS
"""The price of a trade longer ago says nothing any more."""

KEPT_MS = 100 * DAY_MS
"""Prints older than this are dropped."""

Put = Callable[[Field, Decimal | float | None, int], None]
"""Writes a value and since when it is known; None and NaN stay unknown."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A state, with what the tape said of the next trade when it was received."""

    state: MarketState
    trades_per_s: float
    premiums: tuple[float, ...]


@dataclass(slots=True)
class Ticker:
    """All that is known of one market. `prices`: (ms, price) of past trades, ascending; `traded`: (ms, coins).

    `traded_from_ms`: since when no trade was missed; `complete_to_ms`: up to when the indexer's prints were read;
    `priced`: whether `prices` were.
    """

    perpetual: Perpetual
    seen: deque[Seen] = field(default_factory=lambda: deque(maxlen=STATES_KEPT))
    prints: Prints = field(default_factory=Prints)
    prices: list[tuple[int, Decimal]] = field(default_factory=list)
    traded: deque[tuple[int, Decimal]] = field(default_factory=lambda: deque(maxlen=4_096))
    traded_from_ms: int | None = None
    complete_to_ms: int = 0
    priced: bool = False
    tape: Tape = field(default_factory=Tape)

    @property
    def state(self) -> MarketState | None:
        """The latest state."""
        return self.seen[-1].state if self.seen else None

    def put(self, state: MarketState) -> None:
        """Take over a new state."""
        before = self.state
        self.tape.see(before.funding if before else None, state.funding, self.perpetual.rule)
        premiums = self.tape.coming(state.mark, state.bid, state.ask)
        self.seen.append(Seen(state, self.tape.trades_per_s(state.received_ms / SECOND_MS), premiums))

    def snapshot(self, state: MarketState) -> bool:
        """Take over a state that was polled; True when settlements happened that only the indexer can still tell."""
        before, missed = self.state, False
        if before is not None:
            interval_s = self.perpetual.rule.interval_s
            passed = state.funding.next_settlement_s - before.funding.next_settlement_s
            if _older(state.funding, before.funding):
                # this node has not seen what another (or the stream) told already: only its prices are news
                state = replace(state, funding=before.funding, cumulative_funding=before.cumulative_funding)
            elif passed == interval_s:
                # one settlement lies between: the chain charged what the cumulative funding grew by
                gained = state.cumulative_funding - before.cumulative_funding
                self._charged_between(before, state, gained)
            else:
                missed = passed > interval_s
            state = replace(
                state,
                bid_depth_usd=before.bid_depth_usd,
                ask_depth_usd=before.ask_depth_usd,
                open_interest=before.open_interest,
                details_received_ms=before.details_received_ms,
            )
        self.put(state)
        return missed

    def _charged_between(self, before: MarketState, after: MarketState, gained: Decimal) -> None:
        """Record the settlement that lies between two polls, at the mark that was read nearest to it."""
        due_ms = before.funding.next_settlement_s * SECOND_MS
        nearest = min((before, after), key=lambda s: abs(s.mark_received_ms - due_ms))
        age_ms = abs(nearest.mark_received_ms - due_ms)
        one = replace(charged(gained, nearest.mark, due_ms, after.received_ms), mark_age_ms=age_ms)
        if self.record(one):
            log.info("settlement_by_polls", symbol=self.perpetual.symbol, mark_age_s=age_ms / SECOND_MS)

    def at(self, ts_ms: int) -> Seen | None:
        """Return the last state that had been received at an instant."""
        if not self.seen or self.seen[0].state.received_ms > ts_ms:  # as of all bars before the start
            return None
        return next((s for s in reversed(self.seen) if s.state.received_ms <= ts_ms), None)

    def price_at(self, ts_ms: int) -> tuple[Decimal, int] | None:
        """Return the price known at an instant and since when: the mark, else that of the last trade within a day."""
        seen = self.at(ts_ms)
        if seen is not None:
            return seen.state.mark, seen.state.mark_received_ms
        index = bisect_right(self.prices, ts_ms, key=lambda row: row[0]) - 1
        if index < 0 or ts_ms - self.prices[index][0] > PRICE_LIFE_MS:
            return None
        return self.prices[index][1], self.prices[index][0]

    def observe(self, ts_ms: int) -> Observation:
        """Return what was known at an instant."""
        told = blank_observation(self.perpetual.market.key, ts_ms)

        def put(name: Field, value: Decimal | float | None, known_ms: int) -> None:
            if value is not None and np.isfinite(float(value)):
                told.values[name], told.known_at_ms[name] = float(value), known_ms

        self._put_settled(put, ts_ms)
        price = self.price_at(ts_ms)
        if price is not None:
            put(Field.MARK, *price)
        seen = self.at(ts_ms)
        if seen is not None:
            self._put_state(put, seen, ts_ms)
        return told

    def _put_settled(self, put: Put, ts_ms: int) -> None:
        interval_s = self.perpetual.rule.interval_s
        hours, interval_ms = interval_s / 3_600, interval_s * SECOND_MS
        last = self.prints.known_at(ts_ms)
        if last is None:
            return
        put(Field.FUNDING_SETTLED, float(last.rate) / hours, last.known_ms)
        put(Field.SETTLED_INTERVAL_H, hours, last.known_ms)
        put(Field.SETTLED_AGO_S, (ts_ms - last.ts_ms) / SECOND_MS, last.known_ms)
        put(Field.INTERVAL_H, hours, last.known_ms)
        put(Field.SETTLES_IN_S, (interval_ms - ts_ms % interval_ms) / SECOND_MS, last.known_ms)

    def _put_state(self, put: Put, seen: Seen, ts_ms: int) -> None:
        state, rule = seen.state, self.perpetual.rule
        known_ms = state.received_ms
        hours = rule.interval_s / 3_600
        put(Field.INDEX, state.mark, state.mark_received_ms)  # Injective marks at the oracle's price
        put(Field.INTERVAL_H, hours, known_ms)
        left_s = state.funding.next_settlement_s - ts_ms / SECOND_MS
        if (
            0 < left_s <= 2 * rule.interval_s
        ):  # none is further away: that would be no settlement of this market
            put(Field.SETTLES_IN_S, left_s, known_ms)
            if seen.premiums and np.isfinite(seen.trades_per_s):
                law = nowcast(
                    state.funding, rule, ts_ms / SECOND_MS, seen.trades_per_s, np.array(seen.premiums)
                )
                put(Field.FUNDING_ESTIMATE, law.mean / hours, known_ms)
            elapsed_s = state.funding.last_ts_s - state.funding.interval_start_s(rule)
            if elapsed_s > 0:
                put(Field.PREMIUM, state.funding.cum_price / elapsed_s, known_ms)
        put(Field.OPEN_INTEREST, state.open_interest, state.details_received_ms)
        put(Field.BID_DEPTH_USD, state.bid_depth_usd, state.details_received_ms)
        put(Field.ASK_DEPTH_USD, state.ask_depth_usd, state.details_received_ms)
        if self.traded_from_ms is not None and self.traded_from_ms <= ts_ms - BAR_MS:
            in_bar = (coins for ms, coins in self.traded if ts_ms - BAR_MS < ms <= ts_ms)
            put(Field.VOLUME, sum(in_bar, Decimal(0)), known_ms)

    def settlements(self, since_ms: int, until_ms: int) -> list[Settlement]:
        """Return the prints with since < ts ≤ until that have a price: without one nothing can be paid."""
        rule, key = self.perpetual.rule, self.perpetual.market.key
        priced = (
            (one, one.price or (p[0] if (p := self.price_at(one.known_ms)) else None))
            for one in self.prints.between(since_ms, until_ms)
        )
        return [settlement(key, one, rule, price) for one, price in priced if price is not None]

    def record(self, one: Print) -> bool:
        """Add a print; False when it was known."""
        added = self.prints.add(one)
        if added:
            self.prints.forget(one.ts_ms - KEPT_MS)
        return added


def _older(state: FundingState, known: FundingState) -> bool:
    return (state.next_settlement_s, state.last_ts_s) < (known.next_settlement_s, known.last_ts_s)
