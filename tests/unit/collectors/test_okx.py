"""OKX's public channels in the daemon's terms."""

import json
from typing import Any

import pytest

from hedged.collectors.okx import FRAME_BYTES, okx
from hedged.collectors.updates import NOTHING, Instrument, Settles, Top
from hedged.domain.bars import Field

BTC = Instrument("BTC", "BTC-USDT-SWAP", 0.01)
FUNDING = {
    "formulaType": "withRate", "fundingRate": "0.0001875391284828", "fundingTime": "1700726400000",
    "instId": "BTC-USDT-SWAP", "instType": "SWAP", "method": "current_period", "maxFundingRate": "0.00375",
    "minFundingRate": "-0.00375", "nextFundingRate": "", "nextFundingTime": "1700740800000",
    "premium": "0.0001233824646391", "settFundingRate": "0.0001699799259033", "settState": "settled",
    "ts": "1700724675402",
}  # fmt: skip


def connection(hours: float | None = None) -> Any:
    (one,) = okx([BTC], lambda _: hours)
    return one


def pushed(channel: str, row: dict[str, Any]) -> str:
    return json.dumps({"arg": {"channel": channel, "instId": "BTC-USDT-SWAP"}, "data": [row]})


def test_a_rate_carries_the_interval_of_its_two_settlements() -> None:
    """If this fails, a 4 h rate of OKX is compared as if it were for 8 h."""
    ((update,), *_) = connection().read(pushed("funding-rate", FUNDING))
    assert update.settles == Settles(1700726400000, 4.0)
    assert update.values == {
        Field.FUNDING_ESTIMATE: pytest.approx(0.0001875391284828 / 4),
        Field.PREMIUM: 0.0001233824646391,
    }
    assert update.venue_ms == 1700724675402


def test_without_a_second_settlement_the_told_interval_counts_or_nothing() -> None:
    """If this fails, a rate is divided by a guess."""
    row = FUNDING | {"nextFundingTime": ""}
    ((update,), *_) = connection(8.0).read(pushed("funding-rate", row))
    assert update.settles == Settles(1700726400000, 8.0)
    ((update,), *_) = connection(None).read(pushed("funding-rate", row))
    assert update.settles is None
    assert Field.FUNDING_ESTIMATE not in update.values


def test_open_interest_is_in_coins() -> None:
    """If this fails, OKX's contracts are taken for coins: a hundred times too much Bitcoin."""
    row = {
        "instId": "BTC-USDT-SWAP",
        "instType": "SWAP",
        "oi": "2125419",
        "oiCcy": "21254.19",
        "ts": "1630338003010",
    }
    ((update,), *_) = connection().read(pushed("open-interest", row))
    assert update.values == {Field.OPEN_INTEREST: 21254.19}
    ((update,), *_) = connection().read(pushed("open-interest", row | {"oiCcy": ""}))
    assert update.values == {Field.OPEN_INTEREST: pytest.approx(21254.19)}


def test_a_mark_and_a_top_are_read() -> None:
    """If this fails, OKX's prices are missing, or its contracts are taken for coins."""
    row: dict[str, Any] = {
        "instId": "BTC-USDT-SWAP",
        "instType": "SWAP",
        "markPx": "42310.6",
        "ts": "1630049139746",
    }
    ((update,), *_) = connection().read(pushed("mark-price", row))
    assert update.values == {Field.MARK: 42310.6}
    row = {
        "bidPx": "42310.5",
        "bidSz": "300",
        "askPx": "42310.7",
        "askSz": "50",
        "last": "1",
        "ts": "1630049139746",
    }
    ((update,), *_) = connection().read(pushed("tickers", row))
    assert update.top == Top(42310.5, pytest.approx(3.0), 42310.7, pytest.approx(0.5))


def test_answers_are_understood() -> None:
    """If this fails, a pong is garbage, a refused topic goes unnoticed, or an announced closing comes as a surprise."""
    one = connection()
    assert one.read("pong") is NOTHING
    assert one.read('{"event":"subscribe","arg":{"channel":"tickers"},"connId":"x"}') is NOTHING
    error = '{"event":"error","code":"60018","msg":"channel:tickers,instId:X doesn\'t exist","connId":"x"}'
    assert "60018" in one.read(error).refused
    assert one.read('{"event":"notice","code":"64008","msg":"will soon be closed","connId":"x"}').leave


def test_frames_stay_below_what_the_venue_takes() -> None:
    """If this fails, OKX refuses the subscription of many markets, or one is left out."""
    (one,) = okx([Instrument(f"C{n}", f"COIN{n}-USDT-SWAP") for n in range(400)], lambda _: 8.0)
    frames = one.open()
    assert len(frames) > 1
    assert all(len(frame) < FRAME_BYTES + 100 for frame in frames)
    args = [(arg["channel"], arg["instId"]) for frame in frames for arg in json.loads(frame)["args"]]
    assert len(set(args)) == len(args) == 4 * 400


def test_the_rate_of_the_coming_settlement_is_the_same_whatever_the_method() -> None:
    """If this fails, a market whose rate is fixed a period ahead is told with the rate after the coming one."""
    row = FUNDING | {
        "method": "next_period", "nextFundingRate": "0.0002608059239328", "nextFundingTime": "1700755200000",
    }  # fmt: skip
    ((update,), *_) = connection().read(pushed("funding-rate", row))
    assert update.settles == Settles(1700726400000, 8.0)
    assert update.values[Field.FUNDING_ESTIMATE] == pytest.approx(0.0001875391284828 / 8)
