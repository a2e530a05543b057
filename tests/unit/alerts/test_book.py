"""What is told of what stands: once, in its budget, and when it is over."""

from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from hedged.alerts.book import MOST, AlertBook, Message, Phase, Rules
from hedged.domain.alert import Alert, Kind, Severity
from hedged.domain.clock import HOUR_MS, MINUTE_MS

START_MS = 1_790_000_000_000
RULES = Rules(per_hour=8, remind_after_ms=4 * HOUR_MS, over_after_ms=5 * MINUTE_MS)
KINDS = (Kind.STALE, Kind.MARGIN, Kind.PAIR)

minutes = st.lists(
    st.tuples(
        st.integers(1, 90),  # minutes since the look before
        st.dictionaries(
            st.tuples(st.sampled_from(KINDS), st.sampled_from("abcd")), st.sampled_from(list(Severity)), max_size=8
        ),
        st.integers(0, 12),  # events
    ),
    min_size=1,
    max_size=30,
)  # fmt: skip


def alert(
    kind: Kind = Kind.STALE, severity: Severity = Severity.WARNING, subject: str = "a", since_ms: int = START_MS,
    edition: str = "", patience_ms: int = 0,
) -> Alert:  # fmt: skip
    return Alert(kind, severity, subject, f"{kind} {subject}", since_ms, edition, patience_ms)


def play(looks: list[tuple[int, dict[tuple[Kind, str], Severity], int]]) -> list[tuple[int, Message]]:
    """Look again and again, over restarts at every third look; return what was told, and when."""
    book, now_ms, told = AlertBook(RULES), START_MS, []
    for number, (later, found, happened) in enumerate(looks):
        now_ms += later * MINUTE_MS
        if number % 3 == 2:
            kept, book = book.to_json(), AlertBook(RULES)
            book.go_on(kept)
        standing = [alert(kind, severity, subject, now_ms) for (kind, subject), severity in found.items()]
        events = [alert(Kind.OPENED, Severity.INFO, str(i), now_ms) for i in range(happened)]
        told += [(now_ms, message) for message in book.look(now_ms, standing, events=events)]
    return told


@given(minutes)
@settings(max_examples=40)
def test_no_hour_has_more_messages_than_the_budget(
    looks: list[tuple[int, dict[tuple[Kind, str], Severity], int]],
) -> None:
    """If this fails, a bad hour floods a phone, over restarts too."""
    at = [ms for ms, _ in play(looks)]
    assert all(sum(ms - HOUR_MS < other <= ms for other in at) <= RULES.per_hour for ms in at)


@given(minutes)
@settings(max_examples=40)
def test_a_condition_is_raised_once_until_it_is_over_and_cleared_only_after_it_was_raised(
    looks: list[tuple[int, dict[tuple[Kind, str], Severity], int]],
) -> None:
    """If this fails, one condition is told twice, or its end is told of what nobody was told of."""
    worst: dict[tuple[Kind, str], int] = defaultdict(int)  # as told, 0: does not stand for whoever is told
    for _, message in play(looks):
        key = message.alert.key
        if message.phase is Phase.RAISED:
            assert message.alert.severity > worst[key], "told again without being worse"
            worst[key] = message.alert.severity
        if message.phase in (Phase.REMINDER, Phase.CLEARED):
            assert worst[key], f"{message.phase} of what was never raised"
        if message.phase is Phase.CLEARED:
            assert message.level == worst[key]
            worst[key] = 0


@given(minutes)
@settings(max_examples=40)
def test_all_that_was_told_to_stand_is_told_to_be_over(
    looks: list[tuple[int, dict[tuple[Kind, str], Severity], int]],
) -> None:
    """If this fails, an operator waits for the end of what has long been over."""
    quiet = [(60, {}, 0)] * 12
    told = play([*looks, *quiet])
    raised = {m.alert.key for _, m in told if m.phase is Phase.RAISED}
    last = {m.alert.key: m.phase for _, m in told if m.alert.key in raised}
    assert set(last.values()) <= {Phase.CLEARED}


@given(minutes)
@settings(max_examples=40)
def test_nothing_is_lost_without_a_word(
    looks: list[tuple[int, dict[tuple[Kind, str], Severity], int]],
) -> None:
    """If this fails, what the budget held back is gone without a trace."""
    told = play([*looks, *[(60, {}, 0)] * 3])
    happened = sum(count for _, _, count in looks)
    events = sum(m.phase is Phase.EVENT for _, m in told)
    summed = Counter[str]()
    for _, message in told:
        if message.phase is Phase.SUMMARY:
            words = message.alert.text.split(": ")[1].split(". ")[0].split(", ")
            summed.update({word.split()[1]: int(word.split()[0]) for word in words})
    assert events + summed["opened"] == happened


def test_what_is_critical_finds_room_when_the_rest_has_used_its_part_up() -> None:
    """If this fails, a flood of small news keeps a liquidation from being told."""
    book = AlertBook(RULES)
    news = [alert(Kind.OPENED, Severity.INFO, str(i)) for i in range(50)]
    assert len(book.look(START_MS, [], events=news)) == 6
    (message,) = book.look(START_MS + 1, [alert(Kind.MARGIN, Severity.CRITICAL)])
    assert message.alert.severity is Severity.CRITICAL


def test_a_condition_waits_for_room_and_is_told_while_it_stands() -> None:
    """If this fails, what stands is never told because the hour in which it began was full."""
    book = AlertBook(RULES)
    book.look(START_MS, [], events=[alert(Kind.OPENED, Severity.INFO, str(i)) for i in range(6)])
    assert not book.look(START_MS + 1, [alert()])
    later = book.look(START_MS + HOUR_MS, [alert()])
    assert [m.phase for m in later] == [Phase.RAISED]


def test_it_is_told_again_when_it_is_worse_or_another_but_not_when_its_words_change() -> None:
    """If this fails, a kill that becomes a flatten is not told, or every new figure of one condition is."""
    book = AlertBook(Rules(per_hour=100))
    assert book.look(START_MS, [alert(edition="1")])
    assert not book.look(
        START_MS + 1, [Alert(Kind.STALE, Severity.WARNING, "a", "older by now", START_MS, "1")]
    )
    assert book.look(START_MS + 2, [alert(edition="2")])
    assert book.look(START_MS + 3, [alert(edition="2", severity=Severity.CRITICAL)])
    assert not book.look(START_MS + 4, [alert(edition="2")]), "better is not news"


def test_what_passes_within_its_patience_is_neither_told_nor_shown() -> None:
    """If this fails, every order on its way flashes up as one whose outcome nobody knows."""
    book = AlertBook(RULES)
    short = alert(Kind.UNKNOWN, Severity.CRITICAL, patience_ms=2 * MINUTE_MS)
    assert not book.look(START_MS, [short])
    assert not book.active()
    assert not book.look(START_MS + MINUTE_MS, [])
    again = alert(
        Kind.UNKNOWN, Severity.CRITICAL, since_ms=START_MS + 3 * MINUTE_MS, patience_ms=2 * MINUTE_MS
    )
    assert not book.look(START_MS + 3 * MINUTE_MS, [again]), "it has begun anew"
    assert book.look(START_MS + 5 * MINUTE_MS, [again])
    assert book.active() == (again,)


def test_a_restart_repeats_nothing_and_ends_nothing_that_it_cannot_judge_yet() -> None:
    """If this fails, every restart floods, or calls over what it has not looked at."""
    book = AlertBook(RULES)
    book.look(START_MS, [alert(since_ms=START_MS)])
    kept, book = book.to_json(), AlertBook(RULES)
    book.go_on(kept)
    assert not book.look(START_MS + HOUR_MS, [], lambda _: False)
    assert not book.look(START_MS + 2 * HOUR_MS, [alert(since_ms=START_MS + 2 * HOUR_MS)])
    (reminder,) = book.look(START_MS + 4 * HOUR_MS, [alert()])
    assert (reminder.phase, reminder.alert.text) == (Phase.REMINDER, "Still, for 4 h: stale a")
    book.look(START_MS + 5 * HOUR_MS, [])
    (over,) = book.look(START_MS + 5 * HOUR_MS + 5 * MINUTE_MS, [])
    assert (over.phase, over.alert.text) == (Phase.CLEARED, "Over after 5 h: stale a")


def test_an_end_in_known_words_is_told_at_once_and_to_those_who_were_told_of_the_begin() -> None:
    """If this fails, whoever was told of a kill alone does not hear that it was cleared."""
    book = AlertBook(RULES, wanted=lambda one: one.severity is Severity.CRITICAL)
    book.look(START_MS, [alert(Kind.KILL, Severity.CRITICAL)])
    (over,) = book.look(START_MS + 1, [], endings={(Kind.KILL, "a"): "Resumed."})
    assert (over.alert.text, over.level) == ("Resumed.", Severity.CRITICAL)


def test_what_nobody_wants_takes_no_room() -> None:
    """If this fails, news that nobody is told of keep what they want from them."""
    book = AlertBook(RULES, wanted=lambda one: one.severity > Severity.INFO)
    news = [alert(Kind.OPENED, Severity.INFO, str(i)) for i in range(50)]
    assert not book.look(START_MS, [], events=news)
    assert len(book.look(START_MS + 1, [alert(subject=str(i)) for i in range(6)])) == 6
    assert not book.look(START_MS + HOUR_MS // 2, [alert(subject=str(i)) for i in range(6)]), (
        "and is in no summary"
    )


def test_it_remembers_no_more_than_so_many_and_the_worst_of_them() -> None:
    """If this fails, memory grows with what goes wrong."""
    book = AlertBook(RULES)
    book.look(
        START_MS, [alert(subject=str(i)) for i in range(2 * MOST)] + [alert(Kind.MARGIN, Severity.CRITICAL)]
    )
    assert len(book.standing) == MOST
    assert book.active()[0].kind is Kind.MARGIN


def test_a_clock_that_was_set_back_does_not_silence_it() -> None:
    """If this fails, a clock that jumped ahead once keeps everything from being told for as long."""
    book = AlertBook(RULES)
    book.look(START_MS + 9 * HOUR_MS, [alert(subject=str(i)) for i in range(6)])
    assert not book.look(START_MS, [alert(Kind.PAIR)])
    assert book.look(START_MS + HOUR_MS, [alert(Kind.PAIR)])
