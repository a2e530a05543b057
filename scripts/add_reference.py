"""Add to a model, without training it anew, what its inputs were in training: `reference.json`, for feature drift.

    python scripts/add_reference.py ../shared/data hedged/forecast/shipped

Its origins are a share of those at which a daemon's inputs are looked at, drawn from the window that the card names.
The artefact's hash changes with its card.
"""

import sys
from datetime import datetime
from pathlib import Path

import numpy as np

from hedged.adapters.replay.series import funded
from hedged.adapters.replay.tables import load_tables
from hedged.features.history import chunks
from hedged.features.points import Points
from hedged.features.samples import joined, samples_at, usable
from hedged.features.scale import settled_now
from hedged.forecast.artefact import load, write_card
from hedged.forecast.drift.inputs import REFERENCE, Reference
from hedged.forecast.joint import remembered

SHARE = 0.04


def main(data: Path, model: Path) -> None:
    """Walk through the training window and write the artefact anew."""
    artefact = load(model)
    from_ms, to_ms = (
        int(datetime.fromisoformat(at).timestamp() * 1_000)
        for at in (artefact.card.trained_from, artefact.card.trained_to)
    )
    without = artefact.card.metrics.get("config", {}).get("without", ())
    series = {key: one for key, one in funded(load_tables(data, None)).items() if key.symbol not in without}
    index = {key: i for i, key in enumerate(sorted(series))}
    rng, parts = np.random.default_rng(artefact.card.seed), []
    for chunk in chunks(series, from_ms, to_ms - 1):
        grid = chunk.grid
        wanted = remembered(grid.times_ms) & (grid.times_ms > chunk.from_ms)
        share = np.where(settled_now(grid) & wanted, SHARE, 0.0)
        at = usable(grid, Points(*np.nonzero(rng.random(share.shape) < share)))
        if len(at):
            parts.append(samples_at(grid, at, {}, index, 0))
            print(f"{chunk.to_ms} {len(at)}", file=sys.stderr, flush=True)
    reference = Reference.of(joined(parts))
    files = {name: artefact.read(name) for name in artefact.card.files} | {REFERENCE: reference.to_bytes()}
    made = write_card(model, artefact.card, files)
    print(f"{made.hash}: {sum(len(one) for one in parts)} rows, {len(files[REFERENCE])} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
