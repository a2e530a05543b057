"""Trees asked without LightGBM say what LightGBM says."""

import lightgbm
import numpy as np
import pytest

from hedged.domain.errors import DataError
from hedged.forecast.artefact import SHIPPED, load
from hedged.forecast.boosted import Classifier

ROWS, FEATURES = 3_000, 5


def rows(seed: int, features: int) -> np.ndarray:
    """Many unknowns and many exact zeros, which trees may send another way than their neighbours."""
    rng = np.random.default_rng(seed)
    x = rng.standard_t(2, (ROWS, features)).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    x[rng.random(x.shape) < 0.2] = 0.0
    return x


@pytest.fixture(scope="module")
def trained() -> lightgbm.Booster:
    """The last feature is known wherever it was learnt from, and is not always when asked."""
    x = rows(0, FEATURES)
    x[:, -1] = np.nan_to_num(x[:, -1])
    event = np.nan_to_num(x[:, 0]) + np.isnan(x[:, 1]) + x[:, -1] > 0.5
    settings = {
        "objective": "binary",
        "num_leaves": 15,
        "min_data_in_leaf": 5,
        "verbose": -1,
        "num_threads": 1,
    }
    return lightgbm.train(settings, lightgbm.Dataset(x, event), 30)


def test_it_says_what_the_library_says(trained: lightgbm.Booster) -> None:
    """If this fails, the probability of a cascade is another one than that which was calibrated and measured."""
    x = rows(1, FEATURES)
    mine = Classifier(trained.model_to_string())
    assert mine.features == trained.feature_name()
    np.testing.assert_allclose(mine.probability(x), trained.predict(x, num_threads=1), rtol=1e-14)
    assert mine.probability(x[:0]).shape == (0,)


def test_the_shipped_head_says_what_the_library_says() -> None:
    """If this fails, what serves is not the head that ships."""
    text = load(SHIPPED).cascade()["model"]
    mine = Classifier(text)
    x = rows(2, len(mine.features))
    told = lightgbm.Booster(model_str=text).predict(x, num_threads=1)
    np.testing.assert_allclose(mine.probability(x), told, rtol=1e-14)


def test_what_cannot_be_read_is_refused(trained: lightgbm.Booster) -> None:
    """If this fails, a damaged head, or one of another kind, tells probabilities of nothing."""
    text = trained.model_to_string()
    other = text.replace("objective=binary", "objective=regression")
    by_category = text.replace("decision_type=2 ", "decision_type=1 ").replace(
        "decision_type=10 ", "decision_type=9 "
    )
    for broken in ("", "tree", other, by_category, text.replace("leaf_value=", "leaf=")):
        with pytest.raises(DataError, match="no classifier"):
            Classifier(broken)
