"""The reasons of the gate as the manual tells them."""

import importlib.util
from pathlib import Path

from hedged.risk.verdict import Reason, reasons_table

ROOT = Path(__file__).parents[3]


def test_the_manual_tells_every_reason_as_it_is() -> None:
    """If this fails, docs/risk-gate.md is out of date: run scripts/risk_reasons.py."""
    spec = importlib.util.spec_from_file_location("risk_reasons", ROOT / "scripts" / "risk_reasons.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (ROOT / "docs" / "risk-gate.md").read_text(encoding="utf-8")
    assert script.with_table(page) == page
    assert reasons_table() in page


def test_every_reason_is_one_sentence() -> None:
    """If this fails, an operator reads a reason and not what it means."""
    for reason in Reason:
        assert reason.meaning[0].isupper()
        assert reason.meaning.endswith(".")
        assert reason.meaning.count(". ") == 0
        assert str(reason) == reason.value == reason.name.lower()
