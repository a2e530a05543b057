"""Two legs that belong together: in step, whole or gone within their time, and a halt where neither can be had."""

import sqlite3
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import HERE, OTHER, THERE, approve, intent, market
from fickle import Draw, calm
from guarded import Life
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paired import Hedge, PairRig, later, trade

from hedged.domain.errors import Retryable
from hedged.domain.market import INJECTIVE
from hedged.domain.orders import Intent, Purpose
from hedged.execution.journal.store import JournalStore
from hedged.execution.working.pairs import allowed
from hedged.execution.working.work import Work
from hedged.risk.gate import KillLevel

OUT: Hedge = {HERE: (-4, Purpose.RELOCATE), THERE: (4, Purpose.RELOCATE)}
BACK: Hedge = {HERE: (0, Purpose.RELOCATE), THERE: (0, Purpose.RELOCATE)}
RELEASED: Hedge = {HERE: (0, Purpose.OWN_RESTORE), THERE: (0, Purpose.HEDGE_CLOSE)}
STOPPED: Hedge = {HERE: (0, Purpose.STOP), THERE: (0, Purpose.STOP)}
TRADE: Hedge = {THERE: (2, Purpose.DIVERGENCE_OPEN), OTHER: (-2, Purpose.DIVERGENCE_OPEN)}
UNTRADE: Hedge = {THERE: (0, Purpose.DIVERGENCE_CLOSE), OTHER: (0, Purpose.DIVERGENCE_CLOSE)}


@pytest.fixture
def rig(tmp_path: Path) -> PairRig:
    return PairRig(tmp_path / "journal.sqlite")


def always(**answers: str) -> Draw:
    """The same answer whenever a question is asked."""
    return lambda question, choices: answers.get(question, choices[0])


def times(number: int, question: str, answer: str) -> Draw:
    """That answer so often, calm ones then."""
    left = number

    def draw(asked: str, choices: Sequence[str]) -> str:
        nonlocal left
        left -= asked == question
        return answer if asked == question and left >= 0 else choices[0]

    return draw


def sent(rig: PairRig) -> list[tuple[str, Decimal, bool]]:
    """All orders: venue, signed coins, reduce-only."""
    orders = [approved.intent for venue in rig.venues.values() for approved, _ in venue.sent.values()]  # type: ignore[attr-defined]
    return [(order.key.venue, order.signed_quantity, order.reduce_only) for order in orders]


def test_the_second_leg_is_what_the_first_has_filled(rig: PairRig) -> None:
    """If this fails, a relocation whose thin leg fills in part leaves the other leg larger than it."""
    rig.here.draw = always(fills="half")

    async def script(life: Life) -> None:
        await trade(life, OUT)
        assert rig.truth() == life.held() == {HERE: -2, THERE: 2}
        assert life.desk.kill is KillLevel.NONE

    rig.life(script)
    assert sent(rig) == [(INJECTIVE, -4, True), ("binance", 2, False)]


def test_the_thin_leg_goes_first(rig: PairRig) -> None:
    """If this fails, the leg that fills for sure goes first, and stands alone whenever the thin one fails."""
    order: list[str] = []
    for venue in rig.venues.values():
        venue.watch_send = lambda approved, _: order.append(approved.intent.key.venue)  # type: ignore[attr-defined]

    async def script(life: Life) -> None:
        life.desk.markets[THERE] = market(THERE, depth_usd=Decimal(10_000))  # type: ignore[index]
        await trade(life, OUT)

    rig.life(script)
    assert order == ["binance", INJECTIVE]


@pytest.mark.parametrize("answer", [{"fills": "none"}, {"take": "no"}, {"take": "busy"}])
def test_a_first_leg_whose_second_fails_is_taken_back(rig: PairRig, answer: dict[str, str]) -> None:
    """If this fails, half of a relocation stays behind until the next cycle."""
    rig.there.draw = always(**answer)

    async def script(life: Life) -> None:
        before_ms = life.clock.now_ms()
        traded = await trade(life, OUT)
        assert rig.truth() == life.held() == {}
        assert life.clock.now_ms() - before_ms < 20_000
        assert life.desk.kill is KillLevel.NONE
        assert [a.intent.key.venue for a in traded.review.approved] == [INJECTIVE, "binance", INJECTIVE]
        (alone_s,) = life.desk.executor.told_alone_s()
        assert 0 <= alone_s < 20
        assert life.desk.executor.naked_s() == 0

    rig.life(script)
    assert len(rig.there.sent) == (1 if answer.get("take") == "no" else 3), "what is refused is not repeated"


@pytest.mark.parametrize("broken", [["positions"], ["positions", "executions", "balance"]])
def test_a_leg_is_taken_back_while_the_other_ones_venue_is_silent(rig: PairRig, broken: list[str]) -> None:
    """If this fails, the likeliest reason for half a pair, a venue that goes down, is the one it cannot cope with."""
    rig.there.draw = always(take="busy")
    rig.there.watch_send = lambda *_: rig.there.broken.update(dict.fromkeys(broken, Retryable("503")))

    async def script(life: Life) -> None:
        await trade(life, OUT)
        assert rig.truth() == {}
        assert life.desk.kill is KillLevel.NONE

    rig.life(script)


def test_a_far_leg_without_its_cut_is_closed_reduce_only(rig: PairRig) -> None:
    """If this fails, the trader holds more than his own position because the cut behind it failed."""
    rig.here.draw = always(take="no")

    async def script(life: Life) -> None:
        life.desk.markets[THERE] = market(THERE, depth_usd=Decimal(10_000))  # type: ignore[index]
        await trade(life, OUT)
        assert rig.truth() == {}
        assert life.desk.kill is KillLevel.NONE

    rig.life(script)
    assert sent(rig) == [(INJECTIVE, -4, True), ("binance", 4, False), ("binance", -4, True)]


def test_a_leg_that_can_neither_be_completed_nor_taken_back_halts(rig: PairRig) -> None:
    """If this fails, a naked leg is held in silence, and the next cycle opens more beside it."""
    rig.there.draw = always(take="no")
    rig.here.draw = lambda question, choices: (
        "no" if question == "take" and rig.here.placed[1:] else choices[0]
    )

    async def script(life: Life) -> None:
        before_ms = life.clock.now_ms()
        await trade(life, OUT)
        assert 60_000 <= life.clock.now_ms() - before_ms < 70_000
        assert life.desk.kill is KillLevel.REDUCE_ONLY
        assert life.desk.executor.naked_s() >= 60
        latch = await life.desk.journal(JournalStore.latch)
        assert latch.level == KillLevel.REDUCE_ONLY
        assert latch.reason.startswith(
            "a leg of 4 BTC stands alone, neither completed nor taken back within 60 s: "
        )

    rig.life(script)
    assert len(rig.here.sent) <= 14, "tries are bounded"


def test_a_halt_does_not_lower_what_the_operator_has_set(rig: PairRig) -> None:
    """If this fails, a pause that was latched in the middle of a trade becomes reduce-only."""
    rig.there.draw = always(take="no")
    rig.here.draw = lambda question, choices: (
        "no" if question == "take" and rig.here.placed[1:] else choices[0]
    )

    async def script(life: Life) -> None:
        def pause(*_: Any) -> None:
            with sqlite3.connect(rig.path) as db:
                db.execute("INSERT INTO kill_latch VALUES (1, 2, 'by hand', 'test', 'cli')")

        rig.there.watch_send = pause
        await trade(life, OUT)
        await life.desk.halt("whatever")
        latch = await life.desk.journal(JournalStore.latch)
        assert (latch.level, latch.reason) == (2, "by hand")
        assert all(pair.given_up for pair in life.desk.executor.alone()), "it is his now"

    rig.life(script)
    assert len(rig.here.sent) == 1


def test_an_unknown_second_leg_is_waited_for_and_then_mended(rig: PairRig) -> None:
    """If this fails, a leg is taken back while the other may have filled, or is left to the next cycle."""
    rig.there.draw = times(1, "take", "lost before")
    asked = 0

    async def lookup(_: str) -> None:
        nonlocal asked
        asked += 1
        if asked < 10:
            raise Retryable("503")

    rig.there.lookup = lookup  # type: ignore[method-assign,assignment]

    async def script(life: Life) -> None:
        await trade(life, OUT)
        assert rig.truth() == {}
        assert life.desk.kill is KillLevel.NONE

    rig.life(script)
    assert len(rig.there.sent) == 1


@pytest.mark.parametrize("told_after_s", [30, 600])
def test_an_unknown_first_leg_may_stand_alone(rig: PairRig, told_after_s: int) -> None:
    """If this fails, an order of unknown outcome that has filled is a naked leg which nobody counts the seconds of."""
    rig.here.draw = times(1, "take", "lost after")
    lookup, start_ms = rig.here.lookup, rig._now_ms

    async def script(life: Life) -> None:
        async def late(client_id: str) -> Any:
            if life.clock.now_ms() < start_ms + told_after_s * 1_000:
                raise Retryable("503")
            return await lookup(client_id)

        rig.here.lookup = late  # type: ignore[method-assign]
        await trade(life, OUT)
        if told_after_s < 60:
            assert rig.truth() == {}
            assert life.desk.kill is KillLevel.NONE
        else:
            assert rig.truth() == {HERE: -4}
            assert life.desk.kill is KillLevel.REDUCE_ONLY
            assert life.desk.executor.live_ids()

    rig.life(script)
    assert not rig.there.sent


@pytest.mark.parametrize("back", [BACK, RELEASED, STOPPED])
def test_a_cut_is_given_back_as_far_as_its_far_side_is_closed(rig: PairRig, back: Hedge) -> None:
    """If this fails, a far leg that is filled in part is followed by the whole of its cut: twice what is wanted."""

    async def script(life: Life) -> None:
        await trade(life, OUT)
        rig.there.draw = always(fills="half")
        await later(life)
        await trade(life, back)
        assert rig.truth() == {HERE: -2, THERE: 2}
        rig.there.draw = always(fills="none")
        await later(life)
        await trade(life, back)
        assert rig.truth() == {HERE: -2, THERE: 2}

    rig.life(script)


@pytest.mark.parametrize("back", [BACK, RELEASED])
def test_a_cut_is_given_back_though_the_book_stands_far_from_the_mark(rig: PairRig, back: Hedge) -> None:
    """If this fails, in a deep ebb of the premium a cut can never be given back: the book is beyond the collar."""

    async def script(life: Life) -> None:
        await trade(life, OUT)
        rig.here.bid, rig.here.ask = Decimal("100.4"), Decimal("100.48")
        await later(life)
        await trade(life, back)
        assert rig.truth() == {}
        assert life.desk.executor.collars.of(life.clock.now_ms()) == {}, "narrow again once it was filled"

    rig.life(script)
    prices = [approved.intent.worst_price for approved, _ in rig.here.sent.values()]
    assert prices == [Decimal("99.7"), Decimal("100.6")]


def test_no_reduction_goes_beyond_the_wide_collar_and_no_halt_bars_a_cut(
    rig: PairRig, logs: list[dict[str, Any]]
) -> None:
    """If this fails, a way out is bought at any price, or the halt itself keeps a cut from being given back."""

    async def script(life: Life) -> None:
        await trade(life, OUT)
        rig.here.bid, rig.here.ask = Decimal("101.1"), Decimal("101.2")
        await later(life)
        await trade(life, BACK)
        assert rig.truth() == {HERE: -4}
        assert life.desk.kill is KillLevel.NONE
        rig.here.bid, rig.here.ask = Decimal("99.9"), Decimal("100.1")
        await later(life)
        await trade(life, BACK)
        assert rig.truth() == {}

    rig.life(script)
    assert [line["event"] for line in logs].count("cut_not_given_back") == 1
    assert len(rig.here.sent) == 2, "what is out of reach is not sent"


def test_an_opening_keeps_the_narrow_collar(rig: PairRig) -> None:
    """If this fails, a hedge is opened at prices that only a way out may cost."""

    async def script(life: Life) -> None:
        life.desk.executor.collars.missed(HERE, life.clock.now_ms())
        life.desk.executor.collars.missed(THERE, life.clock.now_ms())
        await trade(life, OUT)

    rig.life(script)
    assert [a.intent.worst_price for a, _ in rig.here.sent.values()] == [Decimal("99.7")]
    assert [a.intent.worst_price for a, _ in rig.there.sent.values()] == [Decimal("100.3")]


def test_a_pair_of_which_a_leg_is_out_of_reach_is_not_begun(rig: PairRig) -> None:
    """If this fails, a leg is opened that can only be taken back, at the cost of two fees."""
    rig.there.bid, rig.there.ask = Decimal(101), Decimal("101.1")

    async def script(life: Life) -> None:
        await trade(life, OUT)
        assert "beyond the worst price" in life.desk.executor.failed["BTC"]

    rig.life(script)
    assert sent(rig) == []


def test_the_legs_of_a_divergence_trade_are_opened_and_closed_in_step(rig: PairRig) -> None:
    """If this fails, a divergence trade becomes a bet on the price: one leg larger than the other, or alone."""

    async def script(life: Life) -> None:
        rig.there.draw = always(fills="half")
        await trade(life, TRADE)
        assert rig.truth() == {THERE: 1, OTHER: -1}
        rig.there.draw = calm
        await later(life)
        await trade(life, TRADE)
        assert rig.truth() == {THERE: 2, OTHER: -2}
        rig.there.draw = always(fills="half")
        await later(life)
        await trade(life, UNTRADE)
        assert rig.truth() == {THERE: 1, OTHER: -1}
        rig.there.draw, rig.other.draw = calm, times(2, "fills", "none")
        await later(life)
        await trade(life, UNTRADE)
        assert rig.truth() == {}

    rig.life(script)


class Dead(BaseException):
    """The process ends here."""


def dies(*_: Any) -> None:
    raise Dead


@pytest.mark.parametrize("thin_there", [False, True])
@pytest.mark.parametrize("silent_s", [0, 30, 600])
def test_a_death_between_two_legs_is_mended_by_the_next_life(
    rig: PairRig, thin_there: bool, silent_s: int
) -> None:
    """If this fails, a crash leaves one leg of a pair naked until the next cycle, or nobody hears of it."""
    first, second = (rig.there, rig.here) if thin_there else (rig.here, rig.there)

    async def crash(life: Life) -> None:
        if thin_there:
            life.desk.markets[THERE] = market(THERE, depth_usd=Decimal(10_000))  # type: ignore[index]
        second.watch_send = dies
        with pytest.raises(Dead):
            await trade(life, OUT)
        assert len(rig.truth()) == 1

    async def goes_on(life: Life) -> None:
        second.watch_send = lambda *_: None
        if silent_s:
            second.broken["positions"] = Retryable("503")
        for _ in range(24):
            if life.clock.now_ms() - rig._now_ms >= silent_s * 1_000:
                second.broken.clear()
            await life.look()
        if silent_s < 60:
            assert rig.truth() == life.held() == {}
            assert life.desk.kill is KillLevel.NONE
        else:
            assert len(rig.truth()) == 1
            latch = await life.desk.journal(JournalStore.latch)
            assert latch.reason.startswith("a pair was half-done when the daemon ended, and ")
        assert not life.desk.executor.left

    async def third(life: Life) -> None:
        assert not life.desk.executor.left, "no word of it is left once it is done with"

    rig.life(crash)
    rig.life(goes_on)
    rig.life(third)
    assert len(first.sent) == (2 if silent_s < 60 else 1)
    assert all(approved.intent.purpose is Purpose.RELOCATE for approved, _ in first.sent.values())
    assert len(second.sent) == 0, "what was begun is not sent again"


def test_a_leg_left_alone_is_not_forgotten_for_another_decision(rig: PairRig) -> None:
    """If this fails, a cycle's own vain try to close a leg ends the count of the seconds for which it stands alone."""

    async def crash(life: Life) -> None:
        rig.other.watch_send = dies
        with pytest.raises(Dead):
            await trade(life, TRADE)
        assert rig.truth() == {THERE: 2}

    async def goes_on(life: Life) -> None:
        rig.there.draw = rig.other.draw = always(take="busy")
        await trade(life, {THERE: (0, Purpose.DIVERGENCE_CLOSE)})
        assert rig.truth() == {THERE: 2}
        for _ in range(24):
            await life.look()
        latch = await life.desk.journal(JournalStore.latch)
        assert latch.level is KillLevel.REDUCE_ONLY
        assert "stands alone" in latch.reason

    rig.life(crash)
    rig.life(goes_on)


def test_an_id_that_was_used_before_is_refused_and_the_daemon_goes_on(rig: PairRig) -> None:
    """If this fails, a clock that was set back makes an id anew, and the order is sent twice or ends the daemon."""

    async def script(life: Life) -> None:
        hedge: Hedge = {THERE: (-2, Purpose.HEDGE_OPEN)}
        rig.there.draw = always(take="no")
        await trade(life, hedge)
        rig.there.draw = calm
        await trade(life, hedge)  # at the same instant, as after a step back
        assert len(rig.there.sent) == 1
        assert "never sent twice" in life.desk.executor.failed["BTC"]
        await later(life)
        await trade(life, hedge)
        assert rig.truth() == {THERE: -2}

    rig.life(script)


def test_a_pair_that_was_whole_leaves_no_word(rig: PairRig) -> None:
    """If this fails, a restart takes a finished pair for a half-done one and undoes it."""

    async def whole(life: Life) -> None:
        await trade(life, OUT)

    async def next_life(life: Life) -> None:
        assert not life.desk.executor.left
        await later(life)
        assert life.desk.executor.alone() == []

    rig.life(whole)
    rig.life(next_life)
    assert rig.truth() == {HERE: -4, THERE: 4}


def test_a_first_leg_that_rests_takes_the_rest_once_a_part_is_filled(tmp_path: Path) -> None:
    """If this fails, half of a pair stands alone for as long as the other half of its first leg waits in the book."""
    rig = PairRig(tmp_path / "journal.sqlite", rest_s=15)
    rig.here.draw = times(1, "between", "half")

    async def script(life: Life) -> None:
        before_ms = life.clock.now_ms()
        await trade(life, OUT)
        assert rig.truth() == {HERE: -4, THERE: 4}
        assert life.clock.now_ms() - before_ms < 3_000

    rig.life(script)
    assert [kind for _, kind in rig.here.sent.values()] == ["rest", "take"]
    assert [kind for _, kind in rig.there.sent.values()] == ["take"], "the second leg does not wait"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), st.booleans(), st.sampled_from(["out", "trade"]))
def test_whatever_venues_answer_no_leg_stays_alone_unless_it_halts(
    data: st.DataObject, rests: bool, which: str
) -> None:
    """If this fails, some sequence of answers leaves one leg of a pair naked, and nothing halts."""

    def draw(question: str, choices: Sequence[str]) -> str:
        return data.draw(st.sampled_from([choices[0]] * (2 * len(choices)) + list(choices)), label=question)

    with tempfile.TemporaryDirectory() as folder:
        rig = PairRig(Path(folder) / "journal.sqlite", rest_s=15 if rests else 0)
        for venue in rig.venues.values():
            venue.draw = draw  # type: ignore[attr-defined]
        hedge = OUT if which == "out" else TRADE

        async def script(life: Life) -> None:
            before_ms = life.clock.now_ms()
            await trade(life, hedge)
            assert life.clock.now_ms() - before_ms < 20 * 60_000
            truth = rig.truth()
            alone = abs(sum(truth.values(), Decimal(0)))
            assert alone <= Decimal("0.06") or life.desk.kill is KillLevel.REDUCE_ONLY, truth
            for venue in rig.venues.values():
                venue.draw = calm  # type: ignore[attr-defined]
            await life.desk.executor.resolve()
            assert not life.desk.executor.live_ids()
            assert not any(venue.open for venue in rig.venues.values())  # type: ignore[attr-defined]
            await later(life)
            await life.desk.accounts.refresh(life.clock.now_ms())
            assert life.held() == rig.truth()
            for key, quantity in rig.truth().items():
                assert 0 <= quantity * Decimal(hedge[key][0]) <= Decimal(hedge[key][0]) ** 2, (
                    "never beyond the plan"
                )

        rig.life(script)


def worked(intent: Intent, filled: str) -> Work:
    """An intent that is over, filled so far."""
    attempts: Any = SimpleNamespace(filled={"id": Decimal(filled)}, unresolved={})
    return Work(approve(intent), intent.quantity, None, attempts, ids=["id"])


@pytest.mark.parametrize(("filled", "left"), [("4", "4"), ("1", "1"), ("0", "0")])
def test_an_opening_has_no_more_room_than_reductions_have_made(filled: str, left: str) -> None:
    """If this fails, a relocation closed in part is followed by a short that counted on all of it."""
    far = intent(THERE, -4, purpose=Purpose.RELOCATE, reduce_only=True)
    near = intent(HERE, 4, purpose=Purpose.RELOCATE, reduce_only=False)
    short = intent(OTHER, -4, purpose=Purpose.HEDGE_OPEN, reduce_only=False)
    assert allowed(short, [worked(far, filled), worked(near, filled)], []) == Decimal(left)
    assert allowed(short, [], [far, near]) == 0
