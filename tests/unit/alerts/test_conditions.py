"""Every condition that is told: from what is so to a line that a person understands."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hedged.alerts.conditions import conditions, endings, judge
from hedged.alerts.facts import Facts, Margin, Seen, Stale
from hedged.alerts.wording import lasted, line
from hedged.config import Config
from hedged.domain.alert import Alert, Kind, Severity
from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.execution.journal.latch import Latch
from hedged.risk.forecast_record import Misses
from hedged.risk.kill import KillLevel
from hedged.risk.stop import Episode
from hedged.telemetry.deviations import Deviation

NOW_MS = 1_790_000_000_000
FAR = SeriesKey("binance", "ETH")
HERE = SeriesKey(INJECTIVE, "ETH")
CALM = Facts(NOW_MS, Config(), judged=True)
KILL = Latch(3, NOW_MS, KillLevel.FLATTEN, "it looks odd", "main", "cli")
HALT = Latch(4, NOW_MS, KillLevel.REDUCE_ONLY, "a leg of 2 ETH stands alone", "main", "daemon")
STOPPED = Episode(why="stop: the hedge has lost 9.10 USD", stopped_until_ms=NOW_MS + HOUR_MS)


def margin(distance: float, coins: int = -4, free: int = 600) -> Margin:
    return Margin(distance, Decimal(coins), Decimal(1_000), Decimal(free))


CASES: Mapping[str, tuple[dict[str, Any], Kind, Severity, str]] = {
    "a kill": (
        {"seen": Seen(latch=KILL)}, Kind.KILL, Severity.WARNING,
        "Kill latch flatten, set by the command line: it looks odd. Resting orders are cancelled, hedge "
        "legs are closed; "
        "your own position is not traded. `hedged resume` clears it.",
    ),
    "a halt": (
        {"seen": Seen(latch=HALT)}, Kind.KILL, Severity.CRITICAL,
        "Kill latch reduce-only, set by hedged itself: a leg of 2 ETH stands alone. Nothing is opened, "
        "what is held may be "
        "closed. `hedged resume` clears it.",
    ),
    "a model that cannot serve": (
        {"seen": Seen(model_refused="0123456789abcdef: it lacks networks.onnx")}, Kind.DRIFT, Severity.WARNING,
        "A model does not serve though it should (0123456789abcdef: it lacks networks.onnx). Another one forecasts, "
        "hedging goes on. `hedged model list` says which; `hedged model rollback` settles it.",
    ),
    "a model that waits for a person": (
        {"seen": Seen(model_better="0123456789abcdef")}, Kind.DRIFT, Severity.INFO,
        "Model 0123456789abcdef is better than the champion, surely; `models.promote` is off: "
        "`hedged model promote 0123456789abcdef` lets it serve.",
    ),
    "a model that has drifted": (
        {"seen": Seen(model_drifts="CUSUM is 17.0, drift above 16")}, Kind.DRIFT, Severity.WARNING,
        "The model has drifted: CUSUM is 17.0, drift above 16. Bands widen and hedges shrink by themselves; a new one "
        "is trained where that is allowed (models.retrain).",
    ),
    "inputs that went silent": (
        {"seen": Seen(inputs_silent="volume_24h (slow)")}, Kind.DRIFT, Severity.WARNING,
        "The model lacks inputs that it was trained on, for weeks now: volume_24h (slow). It forecasts without them; "
        "look whether a source of data has gone silent.",
    ),
    "trainings that fail": (
        {"seen": Seen(training_failing="3 times in a row; the last time: it used 5,000 MB")}, Kind.DRIFT,
        Severity.WARNING, "Trainings fail: 3 times in a row; the last time: it used 5,000 MB. The model that serves "
        "grows old; hedging goes on. `hedged model training` says more.",
    ),
    "a model in whose place the EWMA forecasts": (
        {"seen": Seen(model_demoted="shipped gave way at 2026-01-01T00:00:00Z: slow")}, Kind.DRIFT, Severity.WARNING,
        "The EWMA forecasts in a model's place: shipped gave way at 2026-01-01T00:00:00Z: slow. Stops and reductions "
        "go on; `hedged model list` says who serves.",
    ),
    "a model that is damaged on disk": (
        {"seen": Seen(model_damaged="networks.onnx is not the file that its card names")}, Kind.DRIFT, Severity.WARNING,
        "The model that serves is damaged on disk: networks.onnx is not the file that its card names. It goes on from "
        "memory, but not after a restart: restore it, or promote another.",
    ),
    "a journal that fails": (
        {"journal": "the disk is full: make room"}, Kind.JOURNAL, Severity.CRITICAL,
        "The journal cannot be written, so nothing is sent, stops neither: the disk is full: make room",
    ),
    "no cycles": (
        {"overdue_ms": 40 * MINUTE_MS}, Kind.CYCLES, Severity.CRITICAL,
        "No decision for 40 min, one is due every 15 min. Hedges stay as they are; see the log for the error.",
    ),
    "little gas": (
        {"seen": Seen(gas_inj=0.03)}, Kind.GAS, Severity.WARNING,
        "0.0300 INJ are left for gas, told below 0.05: without gas no order reaches Injective. Send INJ.",
    ),
    "hardly any gas": (
        {"seen": Seen(gas_inj=0.009)}, Kind.GAS, Severity.CRITICAL,
        "0.0090 INJ are left for gas, told below 0.05: without gas no order reaches Injective. Send INJ.",
    ),
    "a grant that ends": (
        {"seen": Seen(gas_inj=1.0, grants_end_ms=NOW_MS + 2 * DAY_MS)}, Kind.GAS, Severity.WARNING,
        "A grant of the trading key expires in 2 d (2026-09-23T14:13:20Z): then hedged cannot trade on "
        "Injective. Renew it.",
    ),
    "losses": (
        {"loss_limit": "daily_loss (3,543.45 of at most 2,000.00 USD)"}, Kind.HALTED, Severity.CRITICAL,
        "The hedges have lost too much: daily_loss (3,543.45 of at most 2,000.00 USD). Only reductions "
        "are sent.",
    ),
    "drift": (
        {"missing": {FAR: Misses(14, 24)}}, Kind.DRIFT, Severity.WARNING,
        "Forecasts of ETH on binance miss: 14 of the last 24 settlements left their 80 % band. Nothing "
        "is opened there until "
        "they hit again; what is held may be reduced.",
    ),
    "a forecaster that fails": (
        {"model_failed": "ValueError: x"}, Kind.DRIFT, Severity.WARNING,
        "The forecaster fails: ValueError: x. Nothing is opened or changed; stops hold.",
    ),
    "a deviation": (
        {"seen": Seen(compared={HERE: Deviation(HERE, NOW_MS, 0.0005, 0.0001, 4.25, True)})}, Kind.DEVIATION,
        Severity.WARNING,
        "Funding of ETH on injective came out at +0.0500% per 8 h, forecast was +0.0100%: 4.2 "
        "half-widths of the 80 % band "
        "away. The next decision takes it in.",
    ),
    "old data": (
        {"stale": {"binance": Stale(3, 4, 4_000)}}, Kind.STALE, Severity.WARNING,
        "Data of 3 of 4 markets on binance are up to 1 h 6 min old. Nothing is decided on them.",
    ),
    "old data of a venue with a hedge": (
        {"stale": {"binance": Stale(4, 4, None)}, "holding": frozenset({"binance"})}, Kind.STALE, Severity.CRITICAL,
        "Data of 4 of 4 markets on binance were never seen. Nothing is decided on them.",
    ),
    "old prices": (
        {"seen": Seen(price_ages_s={"bybit": 200.0})}, Kind.STALE, Severity.WARNING,
        "Prices of bybit are 3 min old: neither stream nor polls tell them. Stops there go by the last ones.",
    ),
    "a silent venue": (
        {"unknown": {"bybit": "HTTP 503"}}, Kind.STALE, Severity.WARNING,
        "bybit does not say what is held: HTTP 503. Nothing is opened anywhere until it does.",
    ),
    "a stop at work": (
        {"episodes": {"ETH": replace(STOPPED, unwinding=True)}, "held": frozenset({"ETH"})}, Kind.STOP,
        Severity.WARNING, "Hedge of ETH stopped, being closed: the hedge has lost 9.10 USD.",
    ),
    "a stop that is done": (
        {"episodes": {"ETH": STOPPED}}, Kind.STOP, Severity.WARNING,
        "Hedge of ETH was stopped and is closed: the hedge has lost 9.10 USD. None is opened before "
        "2026-09-21T15:13:20Z.",
    ),
    "a hedge without a stop": (
        {"blind": {"ETH": (310.0, "the price of bybit is old")}}, Kind.STOP, Severity.CRITICAL,
        "The hedge of ETH goes without a stop: it could not be valued for 5 min, the price of bybit is old.",
    ),
    "a mismatch": (
        {"frozen": {FAR: "2 ETH more than executions explain"}}, Kind.MISMATCH, Severity.CRITICAL,
        "What binance tells of ETH does not agree: 2 ETH more than executions explain. Nothing is opened "
        "there.",
    ),
    "an orphan": (
        {"orphans": {FAR: "ab12"}}, Kind.MISMATCH, Severity.CRITICAL,
        "Order ab12 of ETH on binance rests, nobody owns it, and it may fill. Cancel it by hand.",
    ),
    "half a pair": (
        {"alone": {"ETH": (Decimal("1.25"), 45.0)}}, Kind.PAIR, Severity.CRITICAL,
        "One leg of the ETH pair stands alone with 1.25 ETH for 45 s. It is completed or taken back; "
        "else hedged halts.",
    ),
    "an unknown outcome": (
        {"unresolved": {FAR: 1}}, Kind.UNKNOWN, Severity.CRITICAL,
        "Nobody knows what became of an order of ETH on binance. That is looked up, nothing is sent "
        "again; until it is known "
        "nothing is sent there.",
    ),
    "a leg near its liquidation": (
        {"margins": {FAR: margin(0.081)}}, Kind.MARGIN, Severity.CRITICAL,
        "A rise of 8.1% liquidates ETH on binance, which has 1,000 USD of collateral. Add collateral "
        "there. The hedge is "
        "closed below 5%.",
    ),
    "the own position near its liquidation": (
        {"margins": {HERE: margin(0.081, 4)}}, Kind.MARGIN, Severity.CRITICAL,
        "A fall of 8.1% liquidates ETH on injective, which has 1,000 USD of collateral. Add collateral "
        "there. hedged does "
        "not trade your own position.",
    ),
    "nothing free": (
        {"margins": {FAR: margin(0.3, free=20)}, "holding": frozenset({"binance"})}, Kind.MARGIN, Severity.WARNING,
        "binance has 20 USD free of 1,000 USD of collateral: hedges there cannot grow and a move against "
        "them brings "
        "liquidation nearer. Transfer some.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_it_is_told_in_a_line_with_figures_and_what_hedged_does(name: str) -> None:
    """If this fails, an operator is told nothing of it, or something that is not so."""
    changed, kind, severity, text = CASES[name]
    alert = conditions(replace(CALM, **changed))[0]
    assert (alert.kind, alert.severity, alert.text) == (kind, severity, text)


def test_a_calm_daemon_tells_nothing() -> None:
    """If this fails, an alert stands for ever."""
    well = Seen(
        compared={HERE: Deviation(HERE, NOW_MS, 0.0002, 0.0001, 1.0, False)}, price_ages_s={"bybit": 2.0},
        gas_inj=1.0, grants_end_ms=NOW_MS + 30 * DAY_MS,
    )  # fmt: skip
    calm = replace(
        CALM, seen=well, overdue_ms=16 * MINUTE_MS, episodes={"ETH": Episode()}, margins={FAR: margin(0.5)},
        blind={"ETH": (20.0, "")}, alone={"ETH": (Decimal(1), 3.0)},
    )  # fmt: skip
    assert conditions(calm) == []


def test_every_kind_that_can_stand_has_a_case() -> None:
    """If this fails, a kind of alert has been added that nobody has read."""
    by_event = {Kind.OPENED, Kind.CLOSED, Kind.DAEMON, Kind.HELD_BACK}
    assert {kind for _, kind, _, _ in CASES.values()} == set(Kind) - by_event


def test_what_is_not_known_yet_is_neither_told_nor_over() -> None:
    """If this fails, each start tells that all data are missing, or that what stood before is over."""
    early = replace(CALM, judged=False, stale={"binance": Stale(4, 4, None)}, seen=Seen(latch=KILL))
    assert [alert.kind for alert in conditions(early)] == [Kind.KILL]
    judged = judge(early)
    stands = {kind: judged(Alert(kind, Severity.WARNING, "ETH on injective", "", 0)) for kind in Kind}
    assert {kind for kind, known in stands.items() if known} == {Kind.KILL, Kind.JOURNAL}
    assert not judge(CALM)(Alert(Kind.DEVIATION, Severity.WARNING, "ETH on injective", "", 0))
    compared = replace(CALM, seen=Seen(compared={HERE: Deviation(HERE, NOW_MS, 0, 0, 0, False)}))
    assert judge(compared)(Alert(Kind.DEVIATION, Severity.WARNING, "ETH on injective", "", 0))


def test_another_turn_of_the_switch_is_another_alert_and_its_end_says_by_whom() -> None:
    """If this fails, a pause that becomes a flatten is not told, or nobody learns who resumed."""
    one, two = (conditions(replace(CALM, seen=Seen(latch=latch)))[0] for latch in (KILL, HALT))
    assert one.key == two.key
    assert one.edition != two.edition
    resumed = replace(CALM, seen=Seen(latch=Latch(5, NOW_MS, KillLevel.NONE, "", "main", "http")))
    assert endings(resumed)[Kind.KILL, "latch"].startswith("Resumed by the page or the API")
    assert endings(CALM) == {}


def test_a_kill_that_is_not_done_and_a_stop_that_is_not_closed_wait_before_they_are_told() -> None:
    """If this fails, every kill and every stop alarms twice though it is done in seconds."""
    left = conditions(replace(CALM, seen=Seen(latch=KILL, left=("bybit: silent",))))[1]
    assert left.patience_ms == MINUTE_MS
    assert "bybit: silent" in left.text
    unwinding = replace(STOPPED, unwinding=True)
    late = conditions(replace(CALM, episodes={"ETH": unwinding}, held=frozenset({"ETH"})))[1]
    assert (late.severity, late.patience_ms) == (Severity.CRITICAL, 2 * MINUTE_MS)


def test_a_line_is_one_line_and_no_longer_than_a_phone_shows() -> None:
    """If this fails, what a venue says breaks or floods a message."""
    assert line("a\n\tb\x1b[31m c") == "a b [31m c"
    assert len(line("word " * 500)) == 400


@pytest.mark.parametrize(
    ("ms", "text"),
    [(-5, "0 s"), (42_000, "42 s"), (130_000, "2 min"), (3_600_000, "1 h"), (12_000_000, "3 h 20 min"),
     (86_400_000, "1 d"), (187_200_000, "2 d 4 h")],
)  # fmt: skip
def test_durations_are_written_as_one_says_them(ms: int, text: str) -> None:
    """If this fails, an operator has to reckon at night."""
    assert lasted(ms) == text
