"""The trees' graph says what LightGBM says, whatever is unknown."""

import lightgbm
import numpy as np
import pytest

from hedged.forecast import boosted
from hedged.forecast.trees import tree_inputs
from hedged.training import export_trees as exporting
from hedged.training.export_trees import NAMES, export_trees
from hedged.training.fit import TensorData
from hedged.training.trees import BINNING, slim

ROWS, FEATURES = 800, 6


@pytest.fixture(scope="module")
def data() -> TensorData:
    """Features of which the last was always known in training and is not always when asked; many exact zeros."""
    rng = np.random.default_rng(0)
    tabular = rng.standard_t(2, (ROWS, FEATURES)).astype(np.float32)
    tabular[rng.random(tabular.shape) < 0.2] = np.nan
    tabular[rng.random(tabular.shape) < 0.2] = 0.0
    venue, coin = rng.integers(0, 4, (2, ROWS))
    nothing = np.zeros((ROWS, 0), np.float32)
    return TensorData(tabular, nothing.astype(np.float16), venue, coin, nothing)


@pytest.fixture(scope="module")
def models(data: TensorData) -> dict[str, str]:
    """More trees than one node holds; one model of which no tree could be split."""
    inputs = tree_inputs(data.tabular, data.venue, data.coin)
    inputs[:, FEATURES - 1] = np.nan_to_num(inputs[:, FEATURES - 1])
    y = np.nan_to_num(inputs[:, 0]) + np.isnan(inputs[:, 1]) + inputs[:, FEATURES - 1] - inputs[:, FEATURES]
    said = {}
    for name, target in (("some", y), ("none", np.zeros(ROWS))):
        table = lightgbm.Dataset(inputs, target, params=BINNING)
        settings = BINNING | {"objective": "quantile", "alpha": 0.4, "num_leaves": 15, "min_data_in_leaf": 5}
        said[name] = slim(lightgbm.train(settings, table, exporting.PER_NODE + 7).model_to_string())
    return dict.fromkeys(NAMES, said["some"]) | {NAMES[3]: said["none"]}


def test_the_graph_says_what_the_trees_say(data: TensorData, models: dict[str, str]) -> None:
    """If this fails, what serves is not what was trained: other branches for zeros, unknowns or the last trees."""
    graph, difference = export_trees(models, data)
    assert difference < 2e-6
    assert graph == export_trees(models, data)[0]


def test_another_graph_is_refused(
    data: TensorData, models: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, an artefact is written whose trees say something else than those that were weighed."""
    monkeypatch.setattr(boosted, "DEFAULT_LEFT", 0)
    with pytest.raises(ArithmeticError, match="differs from LightGBM"):
        export_trees(models, data)
