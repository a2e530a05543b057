"""The sweep file: strict, and every fault answered."""

import pytest
import sweeping
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hedged.backtest.runner import Window
from hedged.config import Config, parse_config
from hedged.domain.errors import ConfigError
from hedged.sweep.file import example, parse_sweep
from hedged.sweep.folds import folds_of, steps_of
from hedged.sweep.paths import changed, kind_of, known_paths
from hedged.sweep.plan import backtest_part

GOOD = {"data": "d", "from": "2026-01-01", "to": "2026-02-01", "parameters": {"hedge.cap": [0.1, 0.2]}}
DAY = 86_400_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parametres": {}}, "unknown key; did you mean 'parameters'?"),
        ({"form": "2026-01-01"}, "unknown key; did you mean 'from'?"),
        ({"parameters": {"hedge.capp": [1]}}, "hedge.capp: no setting that a backtest obeys; did you mean 'hedge.cap"),
        ({"parameters": {"hedge": [1]}}, "no setting that a backtest obeys"),
        ({"parameters": {"telemetry.port": [1]}}, "no setting that a backtest obeys"),
        ({"parameters": {"hedge.forecaster": ["ewma"]}}, "named under `models`"),
        ({"parameters": {"hedge.cap": []}}, "at least 1 item"),
        ({"parameters": {"hedge.cap": {"low": 0.4, "high": 0.1}}}, "low < high"),
        ({"parameters": {"hedge.cap": {"low": 0.1, "high": 0.4}}}, "a range needs `trials`"),
        ({"parameters": {"hedge.cap": {"low": 0, "high": 1, "log": True}}, "trials": 3}, "log needs low above zero"),
        ({"parameters": {}}, "nothing is searched"),
        ({"to": "2026-01-01"}, "the window is empty"),
        ({"set": {"hedge.cap": 0.3}}, "hedge.cap: both set and searched"),
        ({"folds": {"count": 1}}, "folds.count"),
        ({"trials": 5, "folds": {"count": 2}, "holdout": 2}, "leaves no fold"),
        ({"positions": {"ETH": 0}}, "a position is not zero"),
    ],
)  # fmt: skip
def test_each_fault_is_named(change, message):
    """If this fails, a typing error in a sweep file runs for hours on something else."""
    with pytest.raises(ConfigError, match=r"sweep\.yaml") as fault:
        parse_sweep(GOOD | change, "sweep.yaml")
    assert message in str(fault.value)


def test_the_example_is_a_sweep_file(tmp_path):
    """If this fails, what `--example` prints cannot be used as it is."""
    raw = yaml.safe_load(example())
    parsed = parse_sweep(raw, "example")
    assert parsed.folds.count == 3
    assert set(parsed.parameters) <= set(known_paths())


def test_every_known_path_can_be_set_and_is_obeyed():
    """If this fails, a setting that the help names is refused, or searched without effect."""
    tree = Config().model_dump(mode="json")
    for path in known_paths():
        kind_of(path)
        value = tree
        for name in path.split("."):
            value = value[name]
        assert changed(tree, {path: value}) == tree
    assert (
        parse_config(changed(backtest_part(Config()), {"costs.injective.taker_bp": 3}))
        .costs["injective"]
        .taker_bp
        == 3
    )


def test_no_secret_travels():
    """If this fails, keys, tokens or addresses are sent to every worker of a cluster."""
    base = parse_config(
        {
            "book": {"source": "injective", "address": "inj1secret"}, "data": {"source": "venues"},
            "telemetry": {"token_env": "TOKEN_ENV"}, "cex": {"binance": {"key_file": "/etc/secret.key"}},
        }
    )  # fmt: skip
    text = str(backtest_part(base))
    assert "secret" not in text
    assert "TOKEN_ENV" not in text


@given(days=st.integers(2, 400), count=st.integers(2, 12))
def test_folds_lie_end_to_end_and_choices_look_back_only(days, count):
    """If this fails, a day is scored twice, or a choice has seen the days that it is scored on."""
    if days < count:
        with pytest.raises(ConfigError, match="do not fit"):
            folds_of(0, days * DAY, count, None)
        return
    folds = folds_of(0, days * DAY, count, None)
    assert folds[-1].to_ms == days * DAY
    assert folds[0].from_ms < (days / count) * DAY + count * DAY
    assert [f.to_ms for f in folds[:-1]] == [f.from_ms for f in folds[1:]]
    for rolling in (None, 1, 3):
        for step in steps_of(count, rolling):
            assert step.train
            assert max(step.train) == step.test - 1
            assert len(step.train) == min(step.test, rolling or step.test)


def test_folds_of_a_given_length_end_with_the_window():
    """If this fails, the newest days, which matter most, are left out."""
    assert folds_of(0, 100 * DAY, 2, 30) == [Window(40 * DAY, 70 * DAY), Window(70 * DAY, 100 * DAY)]


def test_books_are_each_alone_and_all_together(tmp_path):
    """If this fails, a configuration is judged on other positions than those asked for."""
    assert set(sweeping.plan(tmp_path).books) == {"BTC", "INJ"}
    assert set(sweeping.plan(tmp_path, books="both").books) == {"BTC", "INJ", "together"}
    assert len(sweeping.plan(tmp_path, books="together").books["together"]) == 2
