"""The page's table of the spread between venues. Every text is escaped here."""

from collections.abc import Sequence

from hedged.evaluation.spread import Spread, pooled
from hedged.evaluation.spread_laws import LAWS
from hedged.evaluation.wording import HORIZON_NAMES, number, percent
from hedged.page.wording import DASH, esc, scrolling, venue

HEADS = (
    ("Pair", "rate of the first venue minus that of the second, per hour"),
    ("Origins", "at 0, 8 and 16 UTC; of single settlements those where both venues settle at once"),
    ("Pinball, bp/h", "of the joint law"),
    (
        "÷ independent",
        "the same marginals drawn as if one venue told nothing of the other; below 1 ours is better",
    ),
    ("÷ comonotone", "the same marginals drawn as if both venues always moved together"),
    ("÷ EWMA", "spread of the tuned EWMAs, with the band of its own errors of the last 90 days"),
    ("÷ persistence", "spread of the last rates, with the band of its own errors of the last 90 days"),
    ("80 % band covers", "of the joint law"),
    ("Independent covers", "the 80 % band of the independent draws"),
    ("Comonotone covers", "the 80 % band of the comonotone draws"),
)
COVERS = ("joint", "independent", "comonotone")


def spread_tables(found: Sequence[Spread]) -> str:
    """Return a table for every horizon: all pairs together, then each."""
    if not found:
        return (
            '<p class="say">Not scored: that needs a coin on two venues and twenty days of forecasts before the first '
            "that is scored.</p>"
        )
    head = "".join(
        f'<th scope="col"{" class=n" if i else ""} title="{esc(hint)}">{esc(name)}</th>'
        for i, (name, hint) in enumerate(HEADS)
    )
    tables = []
    for all_pairs in pooled(found):
        rows = [
            _row(
                f"All {all_pairs.pairs} pairs", all_pairs.rows, DASH,
                [all_pairs.ratio[law] for law in LAWS[1:]], [all_pairs.coverage[law] for law in COVERS], "own",
            )
        ]  # fmt: skip
        rows += [_pair(one) for one in found if one.horizon == all_pairs.horizon]
        horizon = HORIZON_NAMES[all_pairs.horizon]
        body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
        tables.append(f"<h3>{horizon}</h3>")
        tables.append(scrolling(f"Spread between venues: {horizon}", body, "figures", "scroll tall"))
    return "".join(tables)


def _pair(one: Spread) -> str:
    loss = {law: score.pinball_bp for law, score in one.laws.items()}
    return _row(
        f"{one.symbol}: {venue(one.first)} − {venue(one.second)}",
        one.rows,
        number(loss["joint"], 4),
        [loss["joint"] / loss[law] if loss[law] > 0 else None for law in LAWS[1:]],
        [one.laws[law].coverage for law in COVERS],
    )


def _row(
    name: str,
    origins: int,
    pinball: str,
    ratios: Sequence[float | None],
    covers: Sequence[float],
    look: str = "",
) -> str:
    cells = (number(origins, 0), pinball, *(number(r) for r in ratios), *(percent(c) for c in covers))
    body = "".join(f'<td class="n">{cell}</td>' for cell in cells)
    return f'<tr class="{look}"><th scope="row">{esc(name)}</th>{body}</tr>'
