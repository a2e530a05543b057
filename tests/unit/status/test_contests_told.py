"""How contests stand, as the status page and `hedged model list` say it."""

import io
from pathlib import Path
from types import SimpleNamespace

from rich.console import Console

from hedged.commands.model_registry_text import show_list
from hedged.forecast.models.standings import Contest, read_contests, write_contests
from hedged.status import scores
from hedged.status.view.scores import contests as shown

MODEL = "0123456789abcdef"
STANDS = Contest(MODEL, "shipped", "not yet", "20 days of outcomes; evidence 3 <of> 20", 0.99, 20, 0.37)


def test_a_contest_is_told_in_a_sentence(tmp_path: Path) -> None:
    """If this fails, an operator cannot see how far a challenger is, or its words are taken for HTML."""
    write_contests(tmp_path / "models", [STANDS], "2026-01-01T00:00:00Z")
    (told,) = read_contests(tmp_path / "models")
    assert told == STANDS
    assert scores.contests([told])[0].progress == told.progress
    page = shown(SimpleNamespace(contests=scores.contests([told])))  # type: ignore[arg-type]
    assert "model 01234567</b> against the shipped model: <b>not yet</b>" in page
    assert "evidence 3 &lt;of&gt; 20" in page
    assert "No other model" in shown(SimpleNamespace(contests=()))  # type: ignore[arg-type]
    text = io.StringIO()
    contest = {"model": MODEL, "champion": "shipped", "standing": told.standing, "why": told.why}
    show_list(Console(file=text, width=200), [], None, [contest])
    assert f"{MODEL} against shipped: not yet; 20 days of outcomes" in text.getvalue()


def test_a_file_of_contests_that_is_damaged_says_nothing(tmp_path: Path) -> None:
    """If this fails, a file that was cut short ends the daemon or the command line."""
    assert read_contests(tmp_path) == ()
    (tmp_path / "contests.json").write_text('{"ts": "", "contests": [{"model"')
    assert read_contests(tmp_path) == ()
    write_contests(tmp_path, [STANDS], "2026-01-01T00:00:00Z")
    assert read_contests(tmp_path) == (STANDS,)
