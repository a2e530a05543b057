"""What is told when a life of the daemon begins and ends."""

from hedged.alerts.lives import Lives
from hedged.domain.alert import Severity
from hedged.domain.clock import HOUR_MS, MINUTE_MS

NOW_MS = 1_790_000_000_000


def test_a_start_says_what_is_held_and_how_long_nobody_watched() -> None:
    """If this fails, an operator does not learn that hedges stood unwatched through a crash."""
    lives = Lives()
    first = lives.begin(NOW_MS, "paper", "")
    assert first is not None
    assert first.text == "Started, the first decision is made (paper). Hedges held: none."
    lives.seen_ms = NOW_MS + 10 * MINUTE_MS
    again = Lives.from_json(lives.to_json()).begin(NOW_MS + 2 * HOUR_MS, "paper", "−4 ETH on binance")
    assert again is not None
    assert again.severity is Severity.WARNING
    assert again.text == (
        "Started, the first decision is made (paper). Hedges held: −4 ETH on binance. The run before ended without a "
        "word (killed, crashed or power lost) after 2026-09-21T14:23:20Z; nobody watched for 1 h 50 min."
    )


def test_an_end_says_why_and_what_stays() -> None:
    """If this fails, a daemon that dies leaves hedges that nobody knows of."""
    lives = Lives()
    lives.begin(NOW_MS, "paper", "")
    asked = lives.end(NOW_MS + 1, "it was asked to", "", failed=False)
    failed = lives.end(NOW_MS + 2, "the journal is damaged", "−4 ETH on binance", failed=True)
    early = lives.end(NOW_MS + 3, "no node answers", None, failed=True)
    assert asked is not None
    assert failed is not None
    assert early is not None
    assert (asked.severity, asked.text) == (Severity.INFO, "Stopped: it was asked to. No hedge is held.")
    assert failed.severity is Severity.CRITICAL
    assert failed.text.endswith("Hedges stay and nobody watches their stops: −4 ETH on binance.")
    assert early.text == (
        "Ended before its first decision: no node answers. What is held stays as it was, unwatched."
    )
    restarted = lives.begin(NOW_MS + HOUR_MS, "paper", "")
    assert restarted is not None
    assert "It was down for 59 min." in restarted.text or "It was down for 1 h." in restarted.text


def test_a_daemon_that_keeps_restarting_is_told_once() -> None:
    """If this fails, a crash loop rings a phone all night."""
    lives, told = Lives(), []
    for minute in range(20):
        now_ms = NOW_MS + minute * MINUTE_MS
        told += [
            lives.begin(now_ms, "paper", ""),
            lives.end(now_ms + 1, "no node answers", None, failed=True),
        ]
    texts = [alert.text for alert in told if alert is not None]
    assert sum(text.startswith("Started") for text in texts) == 3
    assert sum(text.startswith("hedged keeps restarting: 4 starts within an hour") for text in texts) == 1
    assert sum(text.startswith("Ended") for text in texts) == 1
    assert len(texts) == 5
