"""How the venues' feeds stand: asked every few seconds, for metrics and status page."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from hedged.collectors.feed import FeedStatus
from hedged.telemetry.metrics import Metrics

EVERY_S = 5.0


class Reporting(Protocol):
    """A feed that tells how it stands."""

    def status(self) -> FeedStatus | None:
        """Tell it; None before there is anything to tell."""
        ...


class FeedReports:
    """Asks the feeds. `run` is one task with one owner."""

    def __init__(self, feeds: Sequence[Reporting], metrics: Metrics) -> None:
        self._feeds, self._metrics = feeds, metrics
        self._told: dict[str, FeedStatus] = {}

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            self.ask()

    def ask(self) -> None:
        """Ask once."""
        for feed in self._feeds:
            status = feed.status()
            if status is not None:
                publish_feed(status, self._told.get(status.venue), self._metrics)
                self._told[status.venue] = status

    @property
    def told(self) -> Mapping[str, FeedStatus]:
        """What every feed said at the last asking, by venue."""
        return self._told

    def price_ages_s(self) -> dict[str, float]:
        """Return by venue how old the oldest price is, as of the last asking."""
        return {
            venue: status.ages_s["price"] for venue, status in self._told.items() if "price" in status.ages_s
        }


def publish_feed(status: FeedStatus, before: FeedStatus | None, metrics: Metrics) -> None:
    """Set what a feed says of itself, and count what happened since it was asked before."""
    venue = status.venue
    for stream, live in status.live.items():
        metrics.feed_up.labels(venue, stream).set(1 if live else 0)
    for counter, now, then in (
        (metrics.feed_connections, status.connections, before.connections if before else 0),
        (metrics.feed_messages, status.messages, before.messages if before else 0),
        (metrics.feed_garbage, status.garbage, before.garbage if before else 0),
        (metrics.feed_refused, status.refused, before.refused if before else 0),
        (metrics.feed_fallbacks, status.fallbacks, before.fallbacks if before else 0),
    ):
        counter.labels(venue).inc(now - then)
    for gauge, values in (
        (metrics.feed_age, status.ages_s),
        (metrics.feed_lag, status.lags_s),
        (metrics.feed_period, status.periods_s),
    ):
        for kind, seconds in values.items():
            gauge.labels(venue, kind).set(seconds)
