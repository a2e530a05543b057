"""The page's tables and sentences. Every text is escaped here."""

from collections.abc import Sequence

from hedged.evaluation import wording
from hedged.evaluation.bootstrap import Ratio
from hedged.evaluation.page_data import cell_id
from hedged.evaluation.result import CLASSES, Cell, Result
from hedged.evaluation.wording import CLASS_NAMES, HORIZON_NAMES, number, percent
from hedged.page.wording import DASH, THIN, esc, scrolling

HEADS = (
    ("Forecaster", ""),
    ("MAE ÷ persistence", "relMAE: geometric mean over series, with its 95 % interval"),
    ("MAE, bp", "of one interval of the series"),
    (
        "Pinball, ours ÷ this",
        "geometric mean over series on common rows, with its 95 % interval; below 1 ours is better",
    ),
    ("Direction", "of all changes"),
    ("Largest moves", "direction on the quarter of changes with the largest size"),
    ("Within ½\u00a0s", "error at most half the usual change of the series"),
    ("80 % band covers", "inclusive; in brackets with values on its edge counted half"),
    ("Worst 30 days", "least coverage of 30 days, inclusive"),
    ("ECE", "expected calibration error of the probability of a rise"),
    ("Sure calls", "share of calls with confidence of at least 0.8, and how many of these were right"),
)


def cell_tables(result: Result) -> str:
    """Return one table for every cell: all forecasters, ours first, with how ours compares."""
    return "".join(
        f'<div class="cell" data-cell="{cell_id(cell)}"><h3>{CLASS_NAMES[cell[0]]}, '
        f"{HORIZON_NAMES[cell[1]].lower()}</h3>{_cell_table(result, cell)}</div>"
        for cell in result.cells
    )


def _cell_table(result: Result, cell: Cell) -> str:
    heads = "".join(
        f'<th scope="col"{" class=n" if i else ""} title="{esc(hint)}">{esc(head)}</th>'
        for i, (head, hint) in enumerate(HEADS)
    )
    rows = "".join(_row(result, cell, name) for name in result.findings if result.pooled(name, cell))
    label = f"All figures: {CLASS_NAMES[cell[0]]}, {HORIZON_NAMES[cell[1]]}"
    return scrolling(label, f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>", "figures")


def _row(result: Result, cell: Cell, name: str) -> str:
    found = result.pooled(name, cell)
    pinball = result.compared[name].pinball.get(cell) if name in result.compared else None
    some = found["series"] if name == "arima" else None
    note = f" <small>{some} series</small>" if some is not None else ""
    cells = (
        with_interval(result.findings[name].relmae.get(cell)),
        number(found["mae_bp"]),
        with_interval(pinball) if name != result.ours else DASH,
        percent(found["direction"]),
        percent(found["direction_largest"]),
        percent(found["half_s"]),
        f"{percent(found['coverage'])} <small>({number(_hundred(found['coverage_half']), 1)})</small>",
        percent(found["worst_coverage"]),
        number(found["ece"]),
        f"{percent(found['confident_share'], 0)} <small>{percent(found['confident_accuracy'], 0)} right</small>"
        if found["confident_share"]
        else "none",
    )
    look = ' class="own"' if name == result.ours else ""
    body = "".join(f'<td class="n">{cell}</td>' for cell in cells)
    return f'<tr{look}><th scope="row">{esc(wording.forecaster(name))}{note}</th>{body}</tr>'


def _hundred(share: float | None) -> float | None:
    return None if share is None else 100 * share


def with_interval(ratio: Ratio | None, digits: int = 3) -> str:
    """Write a ratio with its 95 % interval under it."""
    if ratio is None:
        return DASH
    low, high = number(ratio.low, digits), number(ratio.high, digits)
    shown = f"<small>{low}{THIN}–{THIN}{high}</small>" if ratio.low == ratio.low else ""
    return f"{number(ratio.value, digits)} {shown}"


def verdict(result: Result) -> str:
    """Say in one or two sentences how ours compares with the baseline that ratios are quoted against."""
    pinball = result.compared[result.against].pinball
    found = [pinball[cell] for cell in result.cells if cell in pinball]
    counted = [ratio for ratio in found if ratio.series]
    base = esc(wording.forecaster(result.against))
    if not counted:
        return f"No series has rows enough to be compared with {base}."
    better = sum(ratio.value < 1 for ratio in counted)
    surely = sum(ratio.high < 1 for ratio in counted)
    worse = sum(ratio.low > 1 for ratio in counted)
    best = min(counted, key=lambda ratio: ratio.value)
    surety = [
        f"{n} with the whole 95{THIN}% interval {side}"
        for n, side in ((surely, "below"), (worse, "above"))
        if n
    ]
    inner = f" ({', '.join(surety)})" if surety else ""
    gain = f" At best it is {percent(1 - best.value)} lower." if best.value < 1 else ""
    return (
        f"The pinball loss is below that of {base} in {better or 'none'} of {len(counted)} cells of venue class and "
        f"horizon{inner}.{gain}"
    )


def seeds(result: Result) -> str:
    """Return the requirement's own headline figures, what they are here, and what they mean."""
    rows = (
        (
            f"Direction right 70\u2060–\u206080{THIN}%",
            [_direction(result, (kind, "s1")) for kind in CLASSES],
            "Share of the next settlement’s changes whose side was called. Most of it is the return to the mean, which "
            "a smoothed rate sees as well: only the distance to the baselines is skill. Intervals without a change are "
            "left out.",
        ),
        (
            f"Within 0.03{THIN}% about 75{THIN}% of the time",
            [_within(result, (kind, "s1")) for kind in CLASSES],
            "Share of errors of at most 3 bp an interval. Rates rarely move by that much, so that the last rate, "
            "simply repeated, reaches about the same: the figure is trivial. Within ½ s, in the table above, is not.",
        ),
        (
            f"Error 20{THIN}% below ARIMA",
            [_below(result, "arima", (kind, "s1")) for kind in CLASSES],
            "AutoARIMA answers a sample of series, hence the wide intervals. It is a weak yardstick where rates rest "
            "at a floor: the tuned EWMA is the stronger one.",
        ),
        (
            f"15–25{THIN}% better than linear regression",
            [_below(result, "ridge", (kind, "s1")) for kind in CLASSES],
            "A ridge regression on the same tabular inputs and the same training window.",
        ),
    )
    body = "".join(
        f'<tr><th scope="row">{esc(claim)}</th>'
        + "".join(f'<td data-head="{CLASS_NAMES[k]}">{v}</td>' for k, v in zip(CLASSES, values, strict=True))
        + f'<td class="means">{esc(meaning)}</td></tr>'
        for claim, values, meaning in rows
    )
    heads = ("Asked for", *(CLASS_NAMES[kind] for kind in CLASSES), "What it means")
    head = "".join(f'<th scope="col">{esc(h)}</th>' for h in heads)
    return scrolling("The figures asked for", f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>", "seeds")


def _direction(result: Result, cell: Cell) -> str:
    return _beside(result, cell, "direction", ("ewma", "persistence"))


def _within(result: Result, cell: Cell) -> str:
    return _beside(result, cell, "within_3bp", ("persistence",))


def _beside(result: Result, cell: Cell, metric: str, others: Sequence[str]) -> str:
    own = result.pooled(result.ours, cell)
    if not own:
        return DASH
    told = (
        f"<small>{esc(wording.forecaster(name))} {percent(result.pooled(name, cell)[metric])}</small>"
        for name in others
        if result.pooled(name, cell)
    )
    return f"{percent(own[metric])} {' '.join(told)}"


def _below(result: Result, name: str, cell: Cell) -> str:
    found = result.compared.get(name)
    if found is None or cell not in found.mae or not found.mae[cell].series:
        return "not measured"
    return f"MAE {_change(found.mae[cell])} pinball {_change(found.pinball[cell])}"


def _change(ratio: Ratio) -> str:
    """Write a ratio as the change that it is, signed, with its interval."""
    value, low, high = (_signed(100 * (x - 1)) for x in (ratio.value, ratio.low, ratio.high))
    interval = f"<small>{low} … {high}{THIN}%</small>" if ratio.low == ratio.low else "<br>"
    return f"{value}{THIN}% {interval}"


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + number(value, 1)
