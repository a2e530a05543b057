"""How the forecasts did, from the record to the document, the page and the terminal: in words, and nothing guessed."""

import numpy as np
import pytest
from score_sheets import ETH, INJ, drawn
from status_world import Life

from hedged.commands.status_text import scored
from hedged.domain.forecast import STAND_IN
from hedged.forecast.record.measures import Reckoning, reckoned
from hedged.status.document import Status
from hedged.status.document_scores import Figure, Scores
from hedged.status.scores import scores
from hedged.status.view import scores as view


def reckoning(n: int = 60, serving: str = "shipped") -> Reckoning:
    sheets = drawn(n, np.random.default_rng(2), ("shipped", STAND_IN, "0123456789abcdef"))
    return reckoned(sheets, serving, sheets[-1].origin_ms)


def shown(life: Life, told: Scores | None) -> str:
    status: Status = life.before.model_copy(update={"scores": told})
    return view.scores(status)


def test_the_document_tells_what_was_reckoned() -> None:
    """If this fails, the page shows another figure than the metric, or a model's under another's name."""
    found = reckoning()
    told = scores(found)
    assert told is not None
    assert (told.model, told.days) == ("shipped", 21)
    assert [(one.venue, one.symbol) for one in told.rows] == [
        ("binance", None), ("binance", "ETH"), ("injective", None), ("injective", "INJ")
    ]  # fmt: skip
    mine = found.measured["shipped"]
    for row, one in zip(told.rows[1::2], (mine.series[ETH], mine.series[INJ]), strict=True):
        assert (row.loss_ratio.value, row.loss_ratio.of) == one.pinball_ratio
        assert (row.direction.value, row.calibration.of) == (one.direction.value, one.ece.of)
    assert [(one.model, one.loss_ratio.of) for one in told.rivals] == [("0123456789abcdef", 120)]
    assert scores(None) is None
    unknown = scores(Reckoning("new", found.measured))
    assert unknown is not None
    assert (unknown.rows, unknown.loss_ratio) == ((), Figure(value=None, of=0))
    line = scored(told)
    assert line.startswith("forecasts by shipped: loss beside the EWMA's, 21 days: binance ")
    assert scored(unknown) == ""


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.8, "20 % better than"), (1.2, "20 % worse than"), (1.02, "about as good as"),
        (None, "too early to say, of 9"),
    ],
)  # fmt: skip
def test_who_is_better_is_said_in_words(value: float | None, said: str) -> None:
    """If this fails, a reader has to know that a loss below one is good."""
    assert view.versus(Figure(value=value, of=9)).replace("\u202f", " ").startswith(said)


def test_the_page_names_models_and_shows_no_figure_of_too_few(life: Life) -> None:
    """If this fails, two outcomes look like a verdict, the stand-in is praised as a model, or a name runs as markup."""
    few = shown(life, scores(reckoning(3)))
    assert "The <b>shipped model</b> forecasts" in few
    assert "too early" in few
    assert "better</span>" not in few
    assert "None is judged yet" in shown(life, None)
    assert "None is judged yet" in shown(life, scores(Reckoning("new", {})))
    assert "stands in for the model" in shown(life, scores(reckoning(serving=STAND_IN)))
    assert "<b>" not in view.name("<b>x")
    whole = shown(life, scores(reckoning()))
    assert whole.count("<tr>") == 2 + 4
    assert "model 01234567" in whole
