"""What others wrote, on the operator's terminal: shown as it is, and nothing more."""

import io

import pytest

from hedged.commands import kill
from hedged.commands.shared import Terminal
from hedged.domain.wording import printable

VENUE_TEXTS = (
    "[/v5/order] not found",
    "[/bold red]",
    "[bold",
    "code [/x] [y]",
    "\x1b]0;owned\x07 \x9b2J",
    "a\x00b\rc",
)


@pytest.mark.parametrize("text", VENUE_TEXTS)
def test_a_text_of_a_venue_is_printed_whatever_it_is(text: str) -> None:
    """If this fails, a venue's complaint ends `hedged kill` in the midst of closing, or steers the terminal."""
    shown = io.StringIO()
    Terminal(file=shown, width=200).print(f"[bold red]{text}[/bold red]")
    assert shown.getvalue().strip()
    assert not set("\x1b\x07\x9b\x00\r") & set(shown.getvalue())


@pytest.mark.parametrize("text", VENUE_TEXTS)
def test_what_a_takeover_says_is_said_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """If this fails, what is left to close is hidden from whoever closes it, or ends the closing."""
    kill._say(text)
    assert printable(text).replace(" ", "") in capsys.readouterr().out.replace(" ", "").replace("\n", "")
