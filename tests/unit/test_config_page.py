"""The configuration reference says what the configuration is."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from config_page import PAGE, page  # noqa: E402


def test_the_reference_is_the_schema() -> None:
    """If this fails, docs/configuration.md is out of date: run scripts/config_page.py."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_setting_says_what_it_means() -> None:
    """If this fails, an operator meets a setting that nobody explains."""
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 150
    assert not [row for row in rows if row.endswith("|  |")]
