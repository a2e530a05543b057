"""What to do after a sweep, in plain words."""

import math

from hedged.sweep.findings import Findings
from hedged.sweep.plan import DEFAULT

ALPHA = 0.05


def verdict(found: Findings) -> str:
    """Say whether to change the configuration, and whether hedging itself is proven on these days."""
    return f"{_against_default(found)} {_against_none(found)}"


def _against_default(found: Findings) -> str:
    best = found.trials[found.best]
    after = f"After {found.usable} configurations on {found.proof_days} days"
    if found.best == DEFAULT:
        return f"{after} none did better than the default: keep the default."
    p = found.p_best[0]
    how = "on days that the search never saw" if found.searched else "corrected for all of them"
    if math.isnan(p):
        return f"{after} nothing can be proven: give folds of more days. Keep the default."
    if p > ALPHA:
        return (
            f"{after} the best ({best.label}) is not distinguishable from the default "
            f"(p = {p:.2f}, {how}): keep the default."
        )
    if found.gain[0] <= 0:
        return (
            f"{after} {best.label} beats the default in hindsight (p = {p:.3f}), but what was chosen on earlier folds "
            f"did no better on the next ones: keep the default, and look again when there are more days."
        )
    return (
        f"{after} {best.label} beats the default (p = {p:.3f}, {how}), and what was chosen on "
        f"earlier folds gained {found.gain[0] * 365:,.0f} bp a year on the next ones: change to it."
    )


def _against_none(found: Findings) -> str:
    p = found.p_best[1]
    if math.isnan(p):
        return ""
    surely = "surely better" if p <= ALPHA else "not surely better"
    return f"The best is {surely} than no hedge at all (p = {p:.2f})."
