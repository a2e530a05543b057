"""Bybit's tickers: snapshot and deltas, frames that are refused as a whole."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.collectors.bybit import ARGS_CHARS, CONFIRM_MS, TICKER, Ticker, bybit
from hedged.collectors.updates import NOTHING, QUIET, Instrument, Settles, Top
from hedged.domain.bars import Field

AT_MS = 1673272861686
SNAPSHOT: dict[str, Any] = {
    "topic": "tickers.BTCUSDT",
    "type": "snapshot",
    "data": {
        "symbol": "BTCUSDT", "tickDirection": "PlusTick", "price24hPcnt": "0.017103", "lastPrice": "17216.00",
        "prevPrice24h": "16926.50", "highPrice24h": "17281.50", "lowPrice24h": "16915.00", "prevPrice1h": "17238.00",
        "markPrice": "17217.33", "indexPrice": "17227.36", "openInterest": "68744.761",
        "openInterestValue": "1183601235.91", "turnover24h": "1570383121.943499", "volume24h": "91705.276",
        "nextFundingTime": "1673280000000", "fundingRate": "-0.000212", "bid1Price": "17215.50", "bid1Size": "84.489",
        "ask1Price": "17216.00", "ask1Size": "83.020",
    },
    "cs": 24987956059,
    "ts": AT_MS,
}  # fmt: skip


def connection(*coins: str, hours: float | None = 8.0) -> Any:
    (one,) = bybit([Instrument(coin, f"{coin}USDT") for coin in coins or ("BTC",)], lambda _: hours)
    one.open()
    return one


def delta(cs: int, after_ms: int = 100, **data: str) -> str:
    return json.dumps(SNAPSHOT | {"type": "delta", "data": data, "cs": cs, "ts": AT_MS + after_ms})


def test_a_snapshot_is_read_whole() -> None:
    """If this fails, Bybit's funding, open interest or prices are not what the venue says."""
    ((update,), send, *_) = connection().read(json.dumps(SNAPSHOT))
    assert not send
    assert update.values == {
        Field.MARK: 17217.33,
        Field.INDEX: 17227.36,
        Field.OPEN_INTEREST: 68744.761,
        Field.FUNDING_ESTIMATE: pytest.approx(-0.000212 / 8),
    }
    assert update.settles == Settles(1673280000000, 8.0)
    assert update.top == Top(17215.5, 84.489, 17216.0, 83.02)


def test_a_delta_tells_what_changed_and_keeps_the_rest() -> None:
    """If this fails, a field that a delta leaves out becomes unknown, or a value is told that nobody sent."""
    bybit_ = connection()
    bybit_.read(json.dumps(SNAPSHOT))
    ((update,), *_) = bybit_.read(delta(24987956060, fundingRate="0.0004"))
    assert update.values == {Field.FUNDING_ESTIMATE: pytest.approx(0.0004 / 8)}
    ((update,), *_) = bybit_.read(delta(24987956061, bid1Price="17215.80"))
    assert update.top == Top(17215.8, 84.489, 17216.0, 83.02)
    assert bybit_.read(delta(24987956062, lastPrice="17216.50", markPrice="17217.33")) is QUIET


def test_what_does_not_change_is_confirmed_every_second() -> None:
    """If this fails, an open interest that stands still for an hour counts as lost though the stream is up."""
    bybit_ = connection()
    bybit_.read(json.dumps(SNAPSHOT))
    assert bybit_.read(delta(24987956060, CONFIRM_MS - 1, turnover24h="1")) is QUIET
    ((update,), *_) = bybit_.read(delta(24987956061, CONFIRM_MS, turnover24h="2"))
    assert update.values[Field.OPEN_INTEREST] == 68744.761
    assert update.settles == Settles(1673280000000, 8.0)


def test_the_interval_that_the_venue_states_counts() -> None:
    """If this fails, a market that Bybit has moved to 1 h is divided by the 8 h that REST told in the morning."""
    stated = SNAPSHOT | {"data": SNAPSHOT["data"] | {"fundingIntervalHour": "1"}}
    ((update,), *_) = connection().read(json.dumps(stated))
    assert update.values[Field.FUNDING_ESTIMATE] == pytest.approx(-0.000212)


def test_a_delta_without_its_snapshot_asks_for_one_once() -> None:
    """If this fails, a lost snapshot leaves a market half known until the next reconnection, or floods the venue."""
    bybit_ = connection()
    ((update,), send, *_) = bybit_.read(delta(5, markPrice="17000"))
    assert update.values == {Field.MARK: 17000.0}
    assert [json.loads(frame)["op"] for frame in send] == ["unsubscribe", "subscribe"]
    assert not bybit_.read(delta(6, markPrice="17001")).send
    assert bybit_.read(json.dumps(SNAPSHOT)).updates[0].values[Field.MARK] == 17217.33


def test_a_snapshot_replaces_everything() -> None:
    """If this fails, what a market was before the venue started anew is mixed into what it is."""
    bybit_ = connection()
    bybit_.read(json.dumps(SNAPSHOT))
    bare = SNAPSHOT | {"data": {"symbol": "BTCUSDT", "markPrice": "5"}, "cs": 1}
    ((update,), *_) = bybit_.read(json.dumps(bare))
    assert update.values == {Field.MARK: 5.0}
    assert update.top is None


names = st.sampled_from(sorted(TICKER))
deltas = st.lists(st.dictionaries(names, st.integers(0, 3).map(str), max_size=4), max_size=12)


@given(deltas, st.randoms(use_true_random=False))
def test_deltas_in_any_order_end_in_the_same_ticker(changes: list[dict[str, str]], random: Any) -> None:
    """If this fails, a late delta overwrites what came after it, or what it alone tells is lost."""
    numbered = list(enumerate(changes))
    in_order, shuffled = Ticker(whole=True), Ticker(whole=True)
    for sequence, data in numbered:
        in_order.merge(data, sequence)
    random.shuffle(numbered)
    for sequence, data in numbered:
        shuffled.merge(data, sequence)
        shuffled.merge(data, sequence)  # told twice changes nothing
    assert shuffled.texts == in_order.texts


def accepted(one: Any, frames: list[str], bad: set[str]) -> tuple[set[str], int]:
    """Play the venue: refuse each frame that names a bad topic, as a whole."""
    taken: set[str] = set()
    refused = 0
    while frames:
        frame = json.loads(frames.pop())
        if frame["op"] != "subscribe":
            continue
        wrong = bad.intersection(frame["args"])
        answer = {
            "success": not wrong,
            "ret_msg": "error:handler not found" if wrong else "",
            "op": "subscribe",
        }
        heard = one.read(json.dumps(answer | {"req_id": frame["req_id"]}))
        taken |= set() if wrong else set(frame["args"])
        refused += bool(heard.refused)
        frames += heard.send
    return taken, refused


@given(st.sets(st.integers(0, 119), max_size=4))
def test_a_bad_topic_costs_only_itself(bad: set[int]) -> None:
    """If this fails, one delisted market takes a hundred others of its frame with it."""
    one = connection(*(f"C{n}" for n in range(120)))
    wrong = {f"tickers.C{n}USDT" for n in bad}
    taken, refused = accepted(one, list(one.open()), wrong)
    assert taken == {f"tickers.C{n}USDT" for n in range(120)} - wrong
    assert refused == len(wrong)


def test_many_markets_are_spread_over_connections() -> None:
    """If this fails, Bybit cuts a connection whose topics are longer than it takes."""
    many = bybit([Instrument(f"COIN{n}", f"COIN{n}USDT") for n in range(2_000)], lambda _: 8.0)
    assert len(many) > 1
    subscribed = []
    for one in many:
        topics = [topic for frame in one.open() for topic in json.loads(frame)["args"]]
        assert len(json.dumps(topics)) <= ARGS_CHARS + len(topics)
        subscribed += topics
    assert len(set(subscribed)) == 2_000


def test_pongs_and_acknowledgements_say_nothing() -> None:
    """If this fails, what keeps the connection open is counted as garbage."""
    one = connection()
    pong = {"success": True, "ret_msg": "pong", "conn_id": "x", "req_id": "", "op": "ping"}
    assert one.read(json.dumps(pong)) is NOTHING
    twice = {"success": False, "ret_msg": "error:already subscribed,topic:tickers.BTCUSDT", "op": "subscribe"}
    assert not one.read(json.dumps(twice | {"req_id": "1"})).refused


def test_what_cannot_be_read_may_have_been_a_delta() -> None:
    """If this fails, a market whose delta was damaged is told, and confirmed, at the price before it for ever."""
    one = connection("BTC", "ETH")
    one.read(json.dumps(SNAPSHOT))
    heard = one.lost()
    frames = [json.loads(frame) for frame in heard.send]
    assert [frame["op"] for frame in frames] == ["unsubscribe", "subscribe"]
    assert all(frame["args"] == ["tickers.BTCUSDT", "tickers.ETHUSDT"] for frame in frames)
    assert one.read(delta(24987956061, CONFIRM_MS, turnover24h="2")) is QUIET  # nothing old is confirmed
    assert one.read(json.dumps(SNAPSHOT)).updates[0].values[Field.MARK] == 17217.33
    while not (heard := one.lost()).leave:
        assert heard.send
    assert not heard.send
