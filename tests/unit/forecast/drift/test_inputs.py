"""Feature drift: what inputs were in training, laid down with the model, beside those that are asked."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.errors import ConfigError
from hedged.domain.market import SeriesKey
from hedged.features.samples import Samples
from hedged.forecast.artefact import SHIPPED, load
from hedged.forecast.drift.inputs import KEPT_D, Inputs, Reference, inputs_of, psi

NAMES = ("level", "volume", "hour_sin")
START_MS = 20_000 * DAY_MS


def samples(
    n: int, shift: float = 0.0, *, unknown: float = 0.0, days: int = 20, from_day: int = 0
) -> Samples:
    """Inputs of hourly and slow series in turn; the second one unknown in a share of rows."""
    rng = np.random.default_rng(n)
    tabular = rng.standard_normal((n, 3)).astype(np.float32)
    tabular[:, 0] += shift
    tabular[:, 2] = 5.0 * shift
    tabular[rng.random(n) < unknown, 1] = np.nan
    origin_ms = START_MS + (from_day * DAY_MS) + np.arange(n) * 3 * days // n * 8 * HOUR_MS
    empty, four = np.zeros(n), np.zeros((n, 4))
    hours = np.where(np.arange(n) % 2, 8.0, 1.0)
    return Samples(
        (SeriesKey("binance", "BTC"),), NAMES, tabular, np.zeros((n, 0, 0), np.float16), origin_ms,
        np.zeros(n, np.int64), empty, empty, empty, hours, four, four.astype(np.int64), four,
    )  # fmt: skip


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference.from_bytes(Reference.of(samples(8_000)).to_bytes(), NAMES)


def test_inputs_like_the_trainings_have_not_moved(reference: Reference) -> None:
    """If this fails, chance is told as drift, or the reference is not what was written."""
    inputs = Inputs(reference)
    inputs.take(samples(4_000))
    shifted = inputs.shifted()
    assert set(shifted.psi) == {(name, one) for name in ("hourly", "slow") for one in ("level", "volume")}
    assert max(shifted.psi.values()) < 0.02
    assert not shifted.silent
    assert not shifted.gone


def test_a_shift_is_told_by_its_feature(reference: Reference) -> None:
    """If this fails, inputs drift away unseen, or another one is blamed."""
    inputs = Inputs(reference)
    inputs.take(samples(4_000, shift=0.7))
    shifted = inputs.shifted()
    assert {one for (_, one), value in shifted.psi.items() if value > 0.25} == {"level"}
    assert next(iter(shifted.psi))[1] == "level"
    assert shifted.large("slow") == 1


def test_an_input_that_has_gone_silent_is_named(reference: Reference) -> None:
    """If this fails, a source of data dies and the model goes on without a word."""
    inputs = Inputs(reference)
    inputs.take(samples(4_000, unknown=0.7))
    assert inputs.shifted().silent == (("hourly", "volume"), ("slow", "volume"))
    assert inputs.shifted().why == "volume (hourly), volume (slow)"
    assert not inputs.shifted().gone, "two are as few as those of venues that are not followed"


def test_only_the_last_weeks_count(reference: Reference) -> None:
    """If this fails, a daemon that runs for long counts its whole life, or grows with it."""
    inputs = Inputs(reference)
    inputs.take(samples(4_000, shift=2.0))
    inputs.take(samples(4_000, from_day=KEPT_D + 20))
    assert max(inputs.shifted().psi.values()) < 0.02
    inputs.forget()
    assert not inputs.shifted().psi
    inputs.take(samples(300))
    assert not inputs.shifted().psi, "150 rows of a class are chance"


@given(
    st.lists(st.floats(0.01, 1), min_size=4, max_size=4), st.lists(st.floats(0.01, 1), min_size=4, max_size=4)
)
def test_the_index_is_a_distance(one: list[float], two: list[float]) -> None:
    """If this fails, the index is not the one that thresholds were made for."""
    a, b = np.array([one]) / sum(one), np.array([two]) / sum(two)
    assert psi(a, a)[0] == 0
    assert psi(a, b)[0] == pytest.approx(psi(b, a)[0])
    assert psi(a, b)[0] >= 0
    assert psi(np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]]))[0] == pytest.approx(0.2747, abs=1e-4)


def test_a_reference_of_another_model_is_refused(reference: Reference) -> None:
    """If this fails, inputs are compared with those of another feature."""
    for content in (b"{}", b"[]", b"\xff", reference.to_bytes().replace(b"volume", b"depth")):
        with pytest.raises(ConfigError):
            Reference.from_bytes(content, NAMES)


def test_the_shipped_model_knows_its_inputs() -> None:
    """If this fails, feature drift of the model that ships is never told."""
    artefact = load(SHIPPED)
    assert inputs_of(artefact) is not None
    silent = replace(artefact, card=replace(artefact.card, files={}))
    assert inputs_of(silent) is None
