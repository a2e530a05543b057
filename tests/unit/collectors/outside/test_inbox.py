"""The inbox of signals: only with the secret, each once, few, in time; and kept before it is acknowledged."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.collectors.outside.inbox import Inbox, Verdict
from hedged.collectors.outside.signal_form import symbol_of
from hedged.config.outside import WebhookConfig
from hedged.domain.clock import iso
from hedged.domain.errors import Fatal
from hedged.domain.signals import ALL, Action
from hedged.secret import Secret

SECRET = "a-secret-of-some-length-4711"
NOW_MS = 1_767_258_000_000
CONFIG = WebhookConfig(secret_env="S", per_minute=5, max_ttl_s=7_200)


class At:
    slice_s = 1.0
    ms = NOW_MS

    def now_ms(self) -> int:
        return self.ms


class Kept:
    """Stands in for the journal."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.fails = False

    async def save(self, state: Mapping[str, Any]) -> None:
        await asyncio.sleep(0)
        if self.fails:
            raise Fatal("the disk is full")
        self.state = json.loads(json.dumps(state))


def inbox(kept: Kept | None = None, clock: At | None = None) -> Inbox:
    kept = kept or Kept()
    return Inbox(CONFIG, Secret(SECRET), ["BTC", "ETH"], clock or At(), kept.save, kept.state)


def message(**changes: Any) -> dict[str, Any]:
    plain = {
        "secret": SECRET,
        "id": "a-1",
        "time": iso(NOW_MS),
        "action": "hedge_more",
        "symbol": "BTCUSDT.P",
    }
    return {name: value for name, value in (plain | changes).items() if value is not ...}


def post(box: Inbox, *messages: Any) -> list[Verdict]:
    async def main() -> list[Verdict]:
        bodies = [m if isinstance(m, bytes) else json.dumps(m).encode() for m in messages]
        return [(await box.accept(body))[0] for body in bodies]

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("given_", "verdict"),
    [
        (message(), Verdict.ACCEPTED),
        (message(symbol="*", action="pause_openings", strength=1, ttl_s=60, note="news"), Verdict.ACCEPTED),
        (message(time=NOW_MS // 1_000), Verdict.ACCEPTED),
        (b"{not json", Verdict.MALFORMED),
        (b"", Verdict.MALFORMED),
        (b"\xff\xfe", Verdict.MALFORMED),
        (b"[" * 100_000, Verdict.MALFORMED),
        (["secret", SECRET], Verdict.MALFORMED),
        (message(secret="wrong"), Verdict.WRONG_SECRET),
        (message(secret=...), Verdict.WRONG_SECRET),
        (message(secret=["x"]), Verdict.WRONG_SECRET),
        (message(secret="", symbol="nobody's"), Verdict.WRONG_SECRET),
        (message(secret="\ud800"), Verdict.WRONG_SECRET),
        (message(action="buy"), Verdict.BAD_FORM),
        (message(quantity=5), Verdict.BAD_FORM),
        (message(strength=1.01), Verdict.BAD_FORM),
        (message(strength="NaN"), Verdict.BAD_FORM),
        (message(ttl_s=59), Verdict.BAD_FORM),
        (message(ttl_s=7_201), Verdict.BAD_FORM),
        (message(id=...), Verdict.BAD_FORM),
        (message(id="x" * 129), Verdict.BAD_FORM),
        (message(time="2026-01-01T09:00:00"), Verdict.BAD_FORM),  # without a zone it is no instant
        (message(time=1e300), Verdict.BAD_FORM),
        (message(note="x" * 201), Verdict.BAD_FORM),
        (message(symbol="DOGEUSDT"), Verdict.UNKNOWN_SYMBOL),
        (message(time=iso(NOW_MS - 301_000)), Verdict.UNTIMELY),
        (message(time=iso(NOW_MS + 301_000)), Verdict.UNTIMELY),
    ],
)
def test_verdicts(given_: Any, verdict: Verdict, logs: list[dict[str, Any]]) -> None:
    """If this fails, a message that should be refused moves a hedge, a sound one is lost, or the secret is logged."""
    box = inbox()
    assert post(box, given_) == [verdict]
    assert bool(box.in_force()) == (verdict is Verdict.ACCEPTED)
    assert SECRET not in json.dumps(logs, default=str)
    assert "wrong" not in json.dumps(logs, default=str)


def test_each_once_also_across_a_restart() -> None:
    """If this fails, a copied request counts again after a restart, or a restart forgets what is in force."""
    kept, clock = Kept(), At()
    box = inbox(kept, clock)
    assert post(box, message(), message(), message(id="a-2", symbol="ETH")) == [
        Verdict.ACCEPTED, Verdict.REPLAYED, Verdict.ACCEPTED,
    ]  # fmt: skip
    again = inbox(kept, clock)
    assert post(again, message()) == [Verdict.REPLAYED]
    assert again.in_force() == box.in_force()
    clock.ms += 600_000
    assert post(again, message()) == [Verdict.UNTIMELY], "the old copy does not come in by its age either"


def test_two_at_once_count_once() -> None:
    """If this fails, two copies that arrive together both count."""
    box = inbox()

    async def main() -> list[Verdict]:
        body = json.dumps(message()).encode()
        return [verdict for verdict, _ in await asyncio.gather(*(box.accept(body) for _ in range(3)))]

    assert sorted(asyncio.run(main())) == [Verdict.ACCEPTED, Verdict.REPLAYED, Verdict.REPLAYED]


def test_what_the_journal_did_not_keep_does_not_count() -> None:
    """If this fails, a signal is in force that a restart forgets, or its copy is refused though it never counted."""
    kept = Kept()
    box = inbox(kept)
    kept.fails = True
    assert post(box, message()) == [Verdict.NOT_KEPT]
    assert not box.in_force()
    kept.fails = False
    assert post(box, message()) == [Verdict.ACCEPTED]


def test_a_flood_is_cut_off_and_little_is_held() -> None:
    """If this fails, a chart gone wild sends without end, or memory grows with its messages."""
    kept, clock = Kept(), At()
    box = inbox(kept, clock)
    flood = [message(id=f"f-{i}", symbol=("BTC", "ETH", "*")[i % 3]) for i in range(20)]
    assert post(box, *flood).count(Verdict.ACCEPTED) == 5
    assert len(box.in_force()) == 3
    clock.ms += 4 * 3_600_000
    later = inbox(kept, clock)
    assert post(later, message(time=iso(clock.ms), action="alert")) == [Verdict.ACCEPTED]
    assert kept.state == {"seen": {"a-1": clock.ms + 3 * 3_600_000}, "signals": []}


def test_a_newer_signal_replaces_its_kind_alone() -> None:
    """If this fails, a pause cannot be ended by a shorter one, or a size signal ends a pause."""
    box = inbox()
    post(
        box,
        message(id="1", action="pause_openings", ttl_s=7_200),
        message(id="2", action="hedge_more"),
        message(id="3", action="hedge_less"),
        message(id="4", action="pause_openings", ttl_s=60),
    )
    assert {s.action for s in box.in_force()} == {Action.PAUSE_OPENINGS, Action.HEDGE_LESS}
    assert min(s.expires_ms for s in box.in_force()) == NOW_MS + 60_000


@pytest.mark.parametrize(
    ("ticker", "symbol"),
    [
        ("BTC", "BTC"), ("btcusdt", "BTC"), ("BTCUSDT.P", "BTC"), ("BINANCE:BTCUSDT.P", "BTC"), ("BTCUSD", "BTC"),
        ("BYBIT:ETHUSDC", "ETH"), ("ETHUSDTPERP", "ETH"), ("ETH-USDT-SWAP", "ETH"), ("ETH/USDT", "ETH"), ("*", ALL),
        ("BTCDOM", None), ("ETHBTC", None), ("WBTCUSDT", None), ("", None), ("BTC:ETH:BTC", None), ("USDT", None),
    ],
)  # fmt: skip
def test_tickers(ticker: str, symbol: str | None) -> None:
    """If this fails, an alert on one chart moves the hedge of another market."""
    assert symbol_of(ticker, {"BTC", "ETH"}) == symbol


@given(
    st.binary(max_size=300)
    | st.dictionaries(st.text(max_size=8), st.text(max_size=8)).map(lambda d: json.dumps(d).encode())
)
def test_nothing_gets_in_without_the_secret(body: bytes) -> None:
    """If this fails, some message without the secret is taken in, or breaks the server."""
    box = inbox()
    assert post(box, body)[0] in (Verdict.MALFORMED, Verdict.WRONG_SECRET)
    assert not box.in_force()
