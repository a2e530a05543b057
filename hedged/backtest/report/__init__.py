"""The report of a demo or backtest run: one HTML file that opens anywhere, without any network."""

from hedged.backtest.report.render import remake_report, write_report

__all__ = ["remake_report", "write_report"]
