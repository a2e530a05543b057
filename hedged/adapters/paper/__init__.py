"""The paper venue: what a careful professional would assume of a venue, each rule a pure function of its own.

`latency`, `fills`, `margin` and `expiry` are the rules, `terms` what is assumed of one venue; `venue` is the `Trading`
port that both paper mode and backtests trade at.
"""

from hedged.adapters.paper.venue import LATE_MS, PaperVenue

__all__ = ["LATE_MS", "PaperVenue"]
