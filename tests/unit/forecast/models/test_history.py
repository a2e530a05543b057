"""The laws of the registry's history."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.errors import Rejected
from hedged.forecast.models.history import (
    NEWEST,
    SHIPPED,
    Act,
    Event,
    History,
    State,
)
from hedged.forecast.models.lineage import Lineage

LINEAGE = Lineage("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z", 1, "d", "f")
A, B, C = (f"{n:016x}" for n in range(1, 4))
MODELS = st.sampled_from([SHIPPED, *(f"{n:016x}" for n in range(1, 12))])
ACTS = st.lists(st.tuples(st.sampled_from(list(Act)), MODELS), max_size=60)


def event(act: Act, model: str) -> Event:
    return Event("2026-01-01T00:00:00Z", act, model, "a test", "why", LINEAGE if act is Act.ADDED else None)


def grown(*acts: tuple[Act, str]) -> History:
    history = History()
    for act, model in acts:
        history = history.after(event(act, model))
    return history


@given(ACTS)
def test_whatever_is_asked_there_is_one_champion_and_nothing_is_forgotten(
    acts: list[tuple[Act, str]],
) -> None:
    """If this fails, two models claim to serve, or none does, or what was done to a model is lost."""
    history = History()
    for act, model in acts:
        wanted = history.before if act is Act.ROLLED_BACK and model != SHIPPED and history.before else model
        before = history
        try:
            history = history.after(event(act, wanted))
        except Rejected:
            assert history is before
            continue
        states = [history.state(one) for one in history.models]
        assert states.count(State.CHAMPION) == 1
        assert history.has(history.champion)
        assert history.before is None or (history.has(history.before) and history.before != history.champion)
        assert history.events[:-1] == before.events
        assert set(before.models) <= set(history.models)
        assert history.to_serve[0] == history.champion
        assert SHIPPED in history.to_serve
    played = History()
    for one in history.events:
        played = played.after(one)
    assert played == history


@given(ACTS, st.sets(MODELS, max_size=2))
def test_what_is_needed_is_kept(acts: list[tuple[Act, str]], running: set[str]) -> None:
    """If this fails, the disk fills with old models, or the champion, its rollback or what runs is deleted."""
    history = History()
    for act, model in acts:
        try:
            history = history.after(event(act, model))
        except Rejected:
            continue
    surplus = set(history.surplus(running))
    assert surplus.isdisjoint({history.champion, history.before, *history.challengers, *running})
    for model in history.surplus(running):
        history = history.after(event(Act.REMOVED, model))
    needed = {history.champion, history.before, *history.challengers, *running}
    assert len(set(history.kept) - needed) <= NEWEST
    assert history.surplus(running) == ()


def test_a_rollback_takes_back_the_last_promotion() -> None:
    """If this fails, a rollback leads to a model that never served, or to the one that was just taken back."""
    history = grown((Act.ADDED, A), (Act.ADDED, B), (Act.PROMOTED, A), (Act.PROMOTED, B))
    assert (history.champion, history.before) == (B, A)
    history = history.after(event(Act.ROLLED_BACK, A))
    assert (history.champion, history.before, history.state(B)) == (A, SHIPPED, State.RETIRED)
    history = history.after(event(Act.ROLLED_BACK, SHIPPED))
    assert (history.champion, history.before) == (SHIPPED, None)
    again = history.after(event(Act.PROMOTED, B))
    assert (again.champion, again.before) == (B, SHIPPED)


@pytest.mark.parametrize(
    ("act", "model", "says"),
    [
        (Act.ADDED, A, "in the registry already: it is champion"),
        (Act.PROMOTED, A, "is the champion already"),
        (Act.PROMOTED, C, "not in the registry; add it with `hedged model add DIR`"),
        (Act.ROLLED_BACK, B, "leads only to shipped; `hedged model promote` takes any"),
        (Act.RETIRED, A, "is champion: it cannot be retired"),
        (Act.REMOVED, SHIPPED, "cannot be removed"),
    ],
)
def test_what_cannot_be_says_what_can(act: Act, model: str, says: str) -> None:
    """If this fails, an operator is refused without learning what would work."""
    history = grown((Act.ADDED, A), (Act.PROMOTED, A), (Act.ADDED, B))
    with pytest.raises(Rejected, match=says):
        history.after(event(act, model))


def test_a_removed_model_is_known_and_cannot_serve() -> None:
    """If this fails, a model is promoted whose weights are gone, or its history is gone with them."""
    history = grown((Act.ADDED, A), (Act.RETIRED, A), (Act.REMOVED, A))
    assert history.models == (SHIPPED, A)
    assert [one.act for one in history.of(A)] == [Act.ADDED, Act.RETIRED, Act.REMOVED]
    with pytest.raises(Rejected, match="no longer kept"):
        history.after(event(Act.PROMOTED, A))
    assert history.after(event(Act.ADDED, A)).state(A) is State.CHALLENGER


def test_a_demotion_lasts_until_the_champion_is_restored_or_any_model_is_promoted() -> None:
    """If this fails, a restart serves a model that drifted, or one that was promoted by hand does not serve."""
    served = grown((Act.ADDED, A), (Act.PROMOTED, A))
    demoted = served.after(event(Act.DEMOTED, A))
    assert demoted.demoted == event(Act.DEMOTED, A)
    assert (demoted.champion, demoted.state(A)) == (A, State.CHAMPION)
    for act, model in (
        (Act.RESTORED, A),
        (Act.PROMOTED, A),
        (Act.PROMOTED, SHIPPED),
        (Act.ROLLED_BACK, SHIPPED),
    ):
        assert demoted.after(event(act, model)).demoted is None
    assert demoted.after(event(Act.PROMOTED, A)).reigns == served.reigns
    for history, act, model in (
        (demoted, Act.DEMOTED, A),
        (served, Act.RESTORED, A),
        (served, Act.DEMOTED, SHIPPED),
    ):
        with pytest.raises(Rejected):
            history.after(event(act, model))
