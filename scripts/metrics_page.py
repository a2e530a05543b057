"""Write the tables of figures and baselines into docs/metrics.md. Run it after changing `Metric` or `LABELS`."""

from pathlib import Path

from hedged.backtest.metrics.definitions import baselines_table, metrics_table

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
TABLES = {"figures": metrics_table, "baselines": baselines_table}
BEGIN = "<!-- {}: made by scripts/metrics_page.py from hedged/backtest/metrics/definitions.py -->\n"
END = "<!-- end of {} -->"


def with_tables(text: str) -> str:
    """Return the page with the tables as they are now."""
    for name, table in TABLES.items():
        begin, end = BEGIN.format(name), END.format(name)
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = f"{before}{begin}\n{table()}\n\n{end}{after}"
    return text


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
