"""What a feed makes of updates, and how a stream that cannot be had is tried again, on virtual time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from hedged.adapters.cex.board import Board
from hedged.backtest.virtual_time import run_virtually
from hedged.collectors.bybit import bybit
from hedged.collectors.feed import FeedStatus, Patience, Poll, VenueFeed
from hedged.collectors.lags import Lags
from hedged.collectors.reconnecting import Pace, Route, Stream
from hedged.collectors.updates import Instrument, Settles, Top, Update
from hedged.domain.bars import Field
from hedged.domain.clock import LoopClock
from hedged.domain.errors import Retryable

START_MS = 1_750_000_000_000
BTC = Instrument("BTC", "BTCUSDT")


def feed(polls: list[Poll], board: Board | None = None, **options: Any) -> VenueFeed:
    clock, rng = LoopClock(START_MS), np.random.default_rng(1)
    return VenueFeed("bybit", ["BTC"], [], board or Board("bybit"), clock, rng, polls=polls, **options)


def for_a_while(run: Callable[[], Coroutine[Any, Any, None]], seconds: float) -> None:
    async def main() -> None:
        task = asyncio.create_task(run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtually(main)


def attempts(seed: int, seconds: float) -> list[float]:
    """When a stream that is refused every connection tries it, s since its start."""
    at: list[float] = []

    def refuse(host: str, port: int) -> tuple[str, int]:
        at.append(asyncio.get_running_loop().time())
        raise OSError(f"no route to {host}:{port}")

    def stream() -> Stream:
        (dialect,) = bybit([BTC], lambda _: 8.0)
        rng = np.random.default_rng(seed)
        return Stream(dialect, lambda *_: None, LoopClock(START_MS), rng, Route(resolve=refuse), Pace())

    for_a_while(lambda: stream().run(), seconds)
    return at


def test_back_off_grows_is_capped_and_jittered() -> None:
    """If this fails, a venue that is down is hammered, or a stream waits for ever, or all daemons return at once."""
    at = attempts(seed=1, seconds=400)
    gaps = np.diff(at)
    limits = np.minimum(30.0, 0.5 * 2.0 ** np.arange(len(gaps)))
    assert (gaps <= limits + 1e-6).all()
    assert (gaps >= limits / 2 - 1e-6).all()
    assert len(at) < 32
    assert len(set(np.round(gaps[8:] / 30, 6))) > 3
    assert at == attempts(seed=1, seconds=400)
    assert at != attempts(seed=2, seconds=400)


def test_a_lost_stream_is_said_once(logs: list[dict[str, Any]]) -> None:
    """If this fails, a night without network fills the log, or leaves no trace in it."""
    attempts(seed=1, seconds=3_600)
    assert [line["event"] for line in logs] == ["stream_lost"]
    assert "no route" in logs[0]["why"]


def test_rest_is_asked_while_something_is_too_old_and_no_longer() -> None:
    """If this fails, a silent stream leaves the book unguarded, or REST is polled though the stream is fine."""
    board = Board("bybit")
    asked: list[float] = []

    async def ask() -> None:
        asked.append(asyncio.get_running_loop().time())
        if len(asked) == 3:  # the venue answers again
            now_ms = START_MS + round(asked[-1] * 1_000)
            board.put("BTC", now_ms, {Field.MARK: 100.0, Field.FUNDING_ESTIMATE: 0.0})

    poll = Poll("tickers", ask, every_s=10.0, while_stale=True)
    patience = Patience(look_s=1.0, limits_s={Field.MARK: 15.0})
    for_a_while(lambda: feed([poll], board, patience=patience).run(), 40)
    assert asked == pytest.approx([0.0, 10.0, 20.0, 36.0], abs=0.1)


def test_what_no_stream_tells_is_polled_all_the_time(logs: list[dict[str, Any]]) -> None:
    """If this fails, Binance's open interest, which REST alone tells, is not asked for, or not after a failure."""
    asked: list[str] = []

    async def ask() -> None:
        asked.append("x")
        if len(asked) in (2, 3):
            raise Retryable("503")
        if len(asked) == 4:
            await asyncio.sleep(1_000)

    poll = Poll("details", ask, every_s=60.0, deadline_s=20.0)
    for_a_while(lambda: feed([poll]).run(), 330)
    assert len(asked) == 6
    assert [line["event"] for line in logs] == ["venue_polls_failing", "venue_polls_back"]


def test_a_venue_that_does_not_answer_is_asked_more_and_more_slowly() -> None:
    """If this fails, a venue under maintenance is polled into a ban, or its polls stop for good."""
    asked: list[float] = []

    async def ask() -> None:
        asked.append(asyncio.get_running_loop().time())
        raise Retryable("503")

    for_a_while(lambda: feed([Poll("tickers", ask, every_s=10.0, while_stale=True)]).run(), 600)
    gaps = np.diff(asked)
    assert (gaps[:2] >= (10.0, 20.0)).all()
    assert (gaps <= 60.0).all()
    assert 10 <= len(asked) <= 22


def test_updates_reach_the_board_from_their_receipt_on() -> None:
    """If this fails, a value counts from before it was known here: look-ahead by the network's latency."""
    board = Board("bybit")

    async def main() -> None:
        tops: list[Any] = []
        one = feed([], board, on_top=lambda *told: tops.append(told))
        update = Update(
            "BTC",
            START_MS - 500,
            {Field.MARK: 100.0},
            Settles(START_MS + 1_000, 8.0),
            Top(99.0, 1.0, 101.0, 2.0),
        )
        one.take([update], START_MS)
        assert np.isnan(board.observation("BTC", START_MS - 1).values[Field.MARK])
        seen = board.observation("BTC", START_MS)
        assert seen.values[Field.MARK] == 100.0
        assert seen.values[Field.INTERVAL_H] == 8.0
        assert tops == [("BTC", START_MS, update.top)]
        board.put("ETH", START_MS - 300_000, {Field.MARK: 5.0})  # not followed
        status: FeedStatus = one.status()
        assert status.lags_s == {"price": 0.5}
        assert status.ages_s == {"price": 0.0}

    run_virtually(main)


def test_a_period_is_the_time_between_changes_not_between_messages() -> None:
    """If this fails, a venue that repeats its open interest every second seems to measure it every second (C4)."""
    lags = Lags()
    for second in range(601):
        interest = float(second // 60)
        lags.saw(
            Update("BTC", START_MS + second * 1_000, {Field.OPEN_INTEREST: interest}),
            START_MS + second * 1_000 + 250,
        )
    assert lags.periods_s() == {"open_interest": pytest.approx(60.0)}
    assert lags.lags_s() == {"open_interest": 0.25}
    assert lags.lags_s() == {}
