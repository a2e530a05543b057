"""Whether a trained model may be a challenger: its hold-out by venue class and symbol, beside EWMA and champion.

The hold-out is the last days before the instant that it was trained to. It was measured by members that had learnt from
what was known before it; the final members learn from it as well, so that they are only asked whether they speak.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import iso
from hedged.features.samples import Samples
from hedged.features.targets import HORIZONS
from hedged.forecast.adapt import CLASSES
from hedged.forecast.artefact import Artefact
from hedged.forecast.members import Inputs, Members
from hedged.training.weigh import hold_out_metrics, pinball

LEAST_ROWS = 30
MOST_SYMBOLS = 40
"""Those with most outcomes; a card is read as a whole."""
MOST_WORSE = 0.5
"""A model that errs more than the EWMA in a larger share of cells is not taken."""


def by_symbol(
    quantiles: NDArray[np.float32], samples: Samples, prior: Mapping[str, Mapping[str, tuple[float, ...]]]
) -> dict[str, Any]:
    """Return rows, pinball in s and the MAE of the ensemble and of the EWMA, in s, by symbol and horizon.

    quantiles: (members, n, horizons, levels) in s.
    """
    y = samples.scaled_target.astype(np.float64)
    ewma = np.nan_to_num(samples.tabular[:, samples.names.index("ewm4")].astype(np.float64))
    symbols = np.array([key.symbol for key in samples.keys])[samples.series]
    law = ensemble(quantiles, samples, prior)
    names, counts = np.unique(symbols, return_counts=True)
    out: dict[str, Any] = {}
    for name in sorted(names[np.argsort(-counts, kind="stable")][:MOST_SYMBOLS]):
        for h, horizon in enumerate(HORIZONS):
            rows = np.flatnonzero((symbols == name) & ~np.isnan(y[:, h]))
            if len(rows) >= LEAST_ROWS:
                true = y[rows, h]
                out[f"{name} {horizon}"] = {
                    "rows": len(rows),
                    "pinball": pinball(true, law[rows, h]),
                    "mae": round(float(np.abs(true - law[rows, h, 4]).mean()), 4),
                    "ewma_mae": round(float(np.abs(true - ewma[rows]).mean()), 4),
                }
    return out


def ensemble(
    quantiles: NDArray[np.float32], samples: Samples, prior: Mapping[str, Mapping[str, tuple[float, ...]]]
) -> NDArray[np.float64]:
    """Return the members' laws weighed as the hold-out says, (n, horizons, levels) in s."""
    slow = samples.interval_h > 1.0
    law = np.empty(quantiles.shape[1:], np.float64)
    for c, name in enumerate(CLASSES):
        rows = np.flatnonzero(slow == (c == 0))
        for h, horizon in enumerate(HORIZONS):
            weights = np.array(prior[name][horizon])
            law[rows, h] = np.einsum("mnl,m->nl", quantiles[:, rows, h].astype(np.float64), weights)
    return law


@dataclass(frozen=True, slots=True)
class Verdict:
    """`why`: it is not taken, empty where it is; `rival`: the champion on the same rows, by venue class and horizon."""

    why: str
    text: str
    rival: Mapping[str, Any]


def judged(made: Artefact, held: Samples, cut_ms: int, rival: Artefact | None, threads: int) -> Verdict:
    """Judge a model. `held`: the hold-out, which begins at `cut_ms`; `rival`: the champion, asked about these rows."""
    told = _asked(made, held, threads)
    if not np.isfinite(told).all():
        share = float((~np.isfinite(told)).mean())
        return Verdict(f"{share:.2%} of what its members say of the hold-out is no number", "", {})
    cells: Mapping[str, Any] = made.card.metrics["hold_out"]
    worse = [name for name, cell in cells.items() if cell["ensemble"]["mae"] > cell["ewma"]["mae"]]
    if not cells:
        return Verdict("the hold-out has too few outcomes to judge it by", "", {})
    why = ""
    if len(worse) > MOST_WORSE * len(cells):
        why = f"it errs more than the EWMA in {len(worse)} of {len(cells)} cells of its hold-out: {', '.join(worse)}"
    text = f"better than the EWMA in {len(cells) - len(worse)} of {len(cells)} cells of its hold-out"
    if rival is None:
        return Verdict(why, text, {})
    theirs = _rival(rival, held, threads)
    shared = [name for name in cells if name in theirs]
    if shared:
        logs = [np.log(cells[n]["ensemble"]["pinball"] / theirs[n]["pinball"]) for n in shared]
        fair = rival.card.trained_to <= iso(cut_ms)
        seen = (
            "which it had not seen"
            if fair
            else f"of which it had seen the days to {rival.card.trained_to[:10]}"
        )
        text += f", pinball {float(np.exp(np.mean(logs))):.3f} of the champion's on the same hold-out, {seen}"
    return Verdict(why, text, theirs)


def _rival(rival: Artefact, held: Samples, threads: int) -> dict[str, Any]:
    told, card = _asked(rival, held, threads), rival.card
    prior = {name: dict(by) for name, by in card.prior.items()}
    found = hold_out_metrics(told, card.members, held, prior)
    return {name: {"rows": cell["rows"], **cell["ensemble"]} for name, cell in found.items()}


def _asked(artefact: Artefact, held: Samples, threads: int) -> NDArray[np.float32]:
    venue, coin = artefact.card.vocabulary.encode(held.keys)
    inputs = Inputs(held.tabular, held.sequence, venue[held.series], coin[held.series])
    return Members(artefact, threads).ask(inputs).quantiles
