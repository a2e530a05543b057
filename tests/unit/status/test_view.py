"""The status page from a document alone: what it says, what it escapes, what it does where nothing is known."""

import json
import re
from typing import Any

import pytest
from status_world import Life

from hedged.status.document import AlertRow, Doubt, Latch, Status, Stop
from hedged.status.view import state, words
from hedged.status.view.whole import NOW, SLOW, now_parts, page, slow_parts, update

NASTY = "<img src=x onerror=alert(1)>\"'&</script>"


@pytest.fixture
def told(life: Life) -> tuple[Status, Status]:
    """The document of a start, and of a daemon that holds hedges."""
    return life.before, life.last


def changed(status: Status, **parts: dict[str, Any]) -> Status:
    """Return the document with some fields of some parts as given."""
    return status.model_copy(
        update={name: getattr(status, name).model_copy(update=fields) for name, fields in parts.items()}
    )


def whole(status: Status) -> str:
    edition, slow = slow_parts(status)
    return page(status, edition, slow, "build")


def text(html: str) -> str:
    """What a reader sees, without markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


LATCH = Latch(
    level="flatten", reason="odd", by="cli", at_ms=0, text="flatten since then by cli: odd; left: ETH"
)


@pytest.mark.parametrize(
    ("fields", "tone", "said"),
    [
        ({}, "good", "Running, nothing is wrong"),
        ({"state": "starting", "ready": False, "reasons": ("backfilling 40%",)}, "wait", "Starting"),
        ({"ready": False, "reasons": ("waiting for the first cycle",)}, "wait", "not ready"),
        ({"ready": False, "reasons": ("stale: bybit:INJ 900 s old",)}, "bad", "not ready"),
        ({"halted": ("a limit on losses is reached",)}, "warn", "nothing is opened"),
        ({"alive": False, "not_alive": ("no cycle for 99 s",)}, "bad", "does not get on"),
        ({"state": "stopping", "latch": LATCH, "alive": False}, "bad", "Halted by cli: flatten"),
        ({"latch": LATCH.model_copy(update={"by": "daemon"})}, "bad", "Halted by itself: flatten"),
        ({"state": "stopping"}, "warn", "Stopping"),
    ],
)
def test_the_headline_says_the_worst_that_is_so(
    told: tuple[Status, Status], fields: dict[str, Any], tone: str, said: str
) -> None:
    """If this fails, the first line reassures somebody whose daemon is halted, blind or dead."""
    status = changed(told[1], health={"state": "running", "ready": True, "reasons": ()} | fields)
    line = state.headline(status)
    assert (line.tone, said in line.title) == (tone, True)
    for reason in (*fields.get("reasons", ()), *fields.get("not_alive", ()), *fields.get("halted", ())):
        assert reason in " ".join(line.lines)
    if "latch" in fields:
        assert "left: ETH" in line.lines[0], "what a kill has not done yet"


def test_alerts_set_the_tone_and_stand_before_everything_else(told: tuple[Status, Status]) -> None:
    """If this fails, an alert stands where nobody looks, under a green headline."""
    status = changed(told[1], health={"state": "running", "ready": True, "reasons": ()})
    for severity, tone in (("info", "good"), ("warning", "warn"), ("critical", "bad")):
        one = AlertRow(kind="pair", severity=severity, subject="INJ", text="a leg stands alone", since_ms=0)
        shown = status.model_copy(update={"alerts": (one,)})
        assert state.headline(shown).tone == tone
        assert "a leg stands alone" in state.alerts(shown)
    doubt = Doubt(venue="bybit", symbol="BTC", what="price unit", why="6e+07", since_ms=0)
    shown = status.model_copy(update={"quarantined": (doubt,)})
    assert state.headline(shown).tone == "warn"
    assert "Not believed: BTC on Bybit" in text(state.alerts(shown))
    html = whole(shown)
    assert html.index("Not believed") < html.index('id="book"')
    doubt = doubt.model_copy(update={"what": "nothing is opened", "why": "differs by -2 coins"})
    one = one.model_copy(update={"kind": "mismatch", "subject": "BTC on bybit", "text": "BTC differs"})
    for alerts_, times in (((), 1), ((one,), 0)):
        shown = status.model_copy(update={"disagreements": (doubt,), "alerts": alerts_})
        assert state.alerts(shown).count("differs by -2 coins") == times, "told once, in one way or the other"


def test_what_is_not_known_is_called_unknown(told: tuple[Status, Status]) -> None:
    """If this fails, an operator reads a zero, or a dash, where nobody knows."""
    before = now_parts(told[0])
    assert before["tiles"].count("unknown") >= 4
    assert not re.search(r"<strong>[+−]?0", before["tiles"])
    row = (
        told[1]
        .book[0]
        .model_copy(update={"own_quantity": None, "own_usd": None, "own": None, "hedged": None})
    )
    _, slow = slow_parts(told[1].model_copy(update={"book": (row,)}))
    assert slow["book"].count("unknown") >= 5
    assert "0.00" not in text(slow["book"])
    silent = (
        told[1]
        .collateral[0]
        .model_copy(update={"equity_usd": None, "free_usd": None, "used_usd": None, "unknown": "no answer"})
    )
    shown = now_parts(told[1].model_copy(update={"collateral": (silent,)}))
    assert "no answer" in shown["collateral"]
    assert "unknown" in shown["tiles"]
    blind = Stop(
        symbol="INJ", strategy="funding_hedge", state="blind", loss_usd=None, allowance_usd=5.0, until_ms=None,
        why="the price is not believed", liquidation={},
    )  # fmt: skip
    shown = now_parts(told[1].model_copy(update={"stops": (blind,)}))
    assert "the price is not believed" in shown["tiles"], "a blind stop is the nearest of all"


def test_what_others_wrote_is_never_markup(told: tuple[Status, Status]) -> None:
    """If this fails, a venue's error text, or the reason of a kill, runs as a script beside the kill button."""
    last = told[1]
    status = changed(
        last,
        about=dict.fromkeys(("account", "book", "announced", "forecaster", "market", "drift"), NASTY),
        health={"reasons": (NASTY,), "halted": (NASTY,), "latch": LATCH.model_copy(update={"text": NASTY})},
    )
    alert = AlertRow(kind="pair", severity="warning", subject=NASTY, text=NASTY, since_ms=0)
    doubt = Doubt(venue=NASTY, symbol=NASTY, what=NASTY, why=NASTY, since_ms=None)
    stop = Stop(
        symbol=NASTY, strategy=NASTY, state="unwinding", loss_usd=1.0, allowance_usd=1.0, until_ms=1, why=NASTY,
        liquidation={NASTY: 0.5},
    )  # fmt: skip
    leg = last.book[0].hedge[0].model_copy(update={"venue": NASTY, "strategy": NASTY})
    told_why = last.decisions[0].explanation
    assert told_why is not None
    why = told_why.model_copy(
        update={
            "rule_text": NASTY, "closed": {NASTY: NASTY}, "drivers_text": NASTY, "wanted": (leg,),
            "legs": tuple(one.model_copy(update={"why": NASTY, "venue": NASTY}) for one in told_why.legs),
            "rates": tuple(one.model_copy(update={"venue": NASTY, "note": NASTY}) for one in told_why.rates),
        }
    )  # fmt: skip
    decision = last.decisions[0].model_copy(
        update={
            "symbol": NASTY, "reason": NASTY, "action": NASTY, "strategies": {NASTY: NASTY}, "explanation": why
        }
    )  # fmt: skip
    row = last.book[0].model_copy(update={"symbol": NASTY, "hedge": (leg,), "reason": NASTY, "action": NASTY})
    ahead = last.ahead[0].model_copy(update={"unknown": (NASTY,), "rests_on": NASTY})
    account = last.collateral[0].model_copy(update={"venue": NASTY, "nearest": NASTY, "unknown": NASTY})
    fan = last.forecasts[0].model_copy(update={"venue": NASTY, "symbol": NASTY, "forecaster": NASTY})
    venue = last.venues[0].model_copy(
        update={"venue": NASTY, "streams": {NASTY: False}, "ages_s": {NASTY: 1.0}, "notes": (NASTY,)}
    )
    status = status.model_copy(
        update={
            "alerts": (alert,), "quarantined": (doubt,), "disagreements": (doubt,), "stops": (stop,), "book": (row,),
            "ahead": (ahead,), "collateral": (account,), "forecasts": (fan,), "decisions": (decision,),
            "earlier": (decision,), "venues": (venue,),
        }
    )  # fmt: skip
    edition, slow = slow_parts(status)
    html = page(status, edition, slow, "build")
    assert html.count("&lt;img src=x") > 40
    assert "<img" not in html
    assert html.count("</script>") == whole(last).count("</script>")
    assert "<img" not in json.dumps(update(status, edition, slow)["parts"])


def test_the_page_is_whole_without_a_script(told: tuple[Status, Status]) -> None:
    """If this fails, who has no JavaScript, or a broken one, sees no state and no book."""
    html = whole(told[1])
    assert not re.search(r"\$[a-z{]", html), "a part that was not filled in"
    said = text(re.sub(r'<script type="application/json".*?</script>', "", html, flags=re.S))
    for word in (
        "INJ",
        "BTC",
        "cut from yours",
        "at Bybit",
        "Watched",
        "of 90",
        "The whole book ahead",
        "Collateral",
    ):
        assert word in said
    assert '<meta http-equiv="refresh"' in html
    assert not re.search(r"<script(?![^>]*(src=|application/json))", html), "no script inside the page"
    assert not re.search(r"\son\w+=|\sstyle=", html), "nothing that the page's own policy would block"
    assert not re.search(r'(src|href)="(https?:)?//', html), "nothing of another host"
    for name in (*NOW, *SLOW):
        assert f'data-part="{name}"' in html, name


def test_parts_that_did_not_change_are_not_sent_again(told: tuple[Status, Status]) -> None:
    """If this fails, a phone at the end of a tunnel loads every decision anew every two seconds."""
    edition = slow_parts(told[1])[0]
    assert slow_parts(told[1])[0] == edition
    again = update(told[1], edition, None)
    assert set(again["parts"]) == set(NOW)  # type: ignore[call-overload]
    assert "forecasts" not in again
    row = told[1].book[0].model_copy(update={"reason": "another"})
    assert slow_parts(told[1].model_copy(update={"book": (row,)}))[0] != edition


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (3_600, "1 h"), (11_520, "3 h 12 min"), (90_000, "1 d 1 h"),
     (864_000, "10 d")],
)  # fmt: skip
def test_spans_of_time_are_short(seconds: float, said: str) -> None:
    """If this fails, ages read as thousands of seconds."""
    assert words.lasting(seconds) == said
