"""Whose contest goes on, and who gives way, among challengers that are many."""

from hedged.forecast.models.standings import Contest, gone_on_with, least_promising

SHADOW_DAYS = 14


def contest(model: str, days: int, ratio: float | None = 1.0, progress: float = 0.0) -> Contest:
    return Contest(model, "champion", "not yet", "", ratio, days, progress)


def test_a_contest_that_has_begun_is_not_broken_off_by_a_newer_model() -> None:
    """If this fails, a daemon that trains every week decides no contest, ever."""
    contests = [contest("old", 40), contest("new", 0)]
    assert gone_on_with(contests, False, (), SHADOW_DAYS) == {"old"}


def test_drift_gives_the_place_to_what_was_trained_for_it_and_lets_that_be_decided() -> None:
    """If this fails, models of the law that is no more hold the place, or each week's model ends the contest of the
    week before and none ever takes over, for as long as the drift lasts."""
    contests = [contest("old", 40), contest("first", 7), contest("second", 0)]
    assert gone_on_with(contests, True, {"first", "second"}, SHADOW_DAYS) == {"first"}
    assert gone_on_with([contest("old", 13)], True, (), SHADOW_DAYS) == frozenset()


def test_a_model_that_had_its_time_while_drift_lasts_gives_way_unless_it_is_about_to_win() -> None:
    """If this fails, the first model after the turn, which saw little of the new law, holds the place for months; or
    one that is nearly better is thrown away for one of which nothing is known."""

    def goes_on(days: int, progress: float) -> bool:
        return bool(gone_on_with([contest("first", days, progress=progress)], True, {"first"}, SHADOW_DAYS))

    assert [goes_on(13, 0.0), goes_on(14, 0.4), goes_on(14, 0.5), goes_on(40, 0.9)] == [
        True,
        False,
        True,
        True,
    ]


def test_whose_contest_has_not_begun_gives_way_first_then_who_does_worst() -> None:
    """If this fails, a contest that is nearly won is thrown away for a model of which nothing is known."""
    contests = [contest("a", 9, 0.9), contest("b", 9, 1.1), contest("c", 0, None)]
    assert least_promising(["a", "b", "c"], contests) == "c"
    assert least_promising(["a", "b"], contests) == "b"
