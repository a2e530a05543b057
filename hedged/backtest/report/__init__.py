"""The report of a demo or backtest run: one HTML file that opens anywhere, without any network."""

from hedged.backtest.report.render import write_report

__all__ = ["write_report"]
