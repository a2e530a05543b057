"""Write the table of the gate's reasons into docs/risk-gate.md. Run it after changing `Reason`."""

from pathlib import Path

from hedged.risk.verdict import reasons_table

PAGE = Path(__file__).parents[1] / "docs" / "risk-gate.md"
BEGIN, END = (
    "<!-- reasons: made by scripts/risk_reasons.py from hedged/risk/verdict.py -->\n",
    "<!-- end of reasons -->",
)


def with_table(text: str) -> str:
    """Return the page with the table as it is now."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{reasons_table()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
