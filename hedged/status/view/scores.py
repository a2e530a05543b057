"""How the forecasts did: by venue and market, in words where a figure alone says little."""

from hedged.domain.forecast import STAND_IN
from hedged.page import wording
from hedged.page.wording import THIN, esc, number
from hedged.status.document import Status
from hedged.status.document_scores import Figure, Score, Scores
from hedged.status.view import words

EVEN = 0.05
"""Losses that differ by less are called even: three weeks cannot tell them apart."""
NOTE = (
    "The last three weeks, over the horizon, beside an exponentially weighted average of past rates: loss and error "
    "below 1 are better. <i>Called</i>: how often the next settlement went where it was said to, and the error beside "
    "carrying the last rate on."
)
HEADS = (
    ("Market", False), ("Beside the weighted average", False), ("Error ÷ average's", True), ("Direction right", True),
    ("Inside the 80 % band", True), ("Chance off by", True), ("Next settlement called", True),
)  # fmt: skip


def scores(status: Status) -> str:
    """Return who forecasts and how well, and the same by venue and market."""
    told = status.scores
    if told is None or not (told.rows or told.loss_ratio.of):
        return words.nothing("None is judged yet: a forecast is when its horizon is over.")
    venues, markets = ([one for one in told.rows if (one.symbol is None) is whole] for whole in (True, False))
    label = f"How the forecasts did, last {told.days} days"
    table = words.table(f"{label}, by venue", HEADS, [_row(one) for one in venues], "scores")
    more = words.table(f"{label}, by market", HEADS, [_row(one) for one in markets], "scores")
    return f'{_summary(told)}{table}<details id="scores-markets"><summary>By market</summary>{more}</details>'


def _summary(told: Scores) -> str:
    """Say who forecasts, and who else would."""
    if told.model == STAND_IN:
        text = "The <b>weighted average</b> itself forecasts: it stands in for the model."
    else:
        text = f"The <b>{name(told.model)}</b> forecasts: {versus(told.loss_ratio)}."
    for rival in told.rivals:
        text += f" The {name(rival.model)}, which does not decide: {versus(rival.loss_ratio)}."
    return f'<p class="say">{text} {NOTE}</p>'


def contests(status: Status) -> str:
    """Return a sentence for every model in shadow; empty where there is none."""
    told = "".join(
        f"<li>The <b>{name(one.model)}</b> against the {name(one.champion)}: <b>{esc(one.standing)}</b>. "
        f"{esc(one.why)}.</li>"
        for one in status.contests
    )
    return f"<ul>{told}</ul>" if told else words.nothing("No other model runs in shadow.")


def name(model: str) -> str:
    """Write the name of a model; safe HTML."""
    return "shipped model" if model == "shipped" else f"model {esc(model[:8])}"


def versus(ratio: Figure) -> str:
    """Say in words how a loss compares with the weighted average's."""
    if ratio.value is None:
        return "not compared yet" if not ratio.of else f"too early to say, of {ratio.of} forecasts"
    off = f"{number(100 * abs(1 - ratio.value), 0)}{THIN}%"
    if abs(1 - ratio.value) < EVEN:
        return "about as good as the weighted average"
    return (
        f"{off} better than the weighted average"
        if ratio.value < 1
        else f"{off} worse than the weighted average"
    )


def _row(one: Score) -> tuple[str, ...]:
    venue = esc(wording.venue(one.venue))
    market = f"<b>{venue}</b>, all" if one.symbol is None else f"{esc(one.symbol)} on {venue}"
    settled = "–"
    if one.settled_direction.of or one.settled_error_ratio.of:
        ratio = one.settled_error_ratio.value
        settled = _share(one.settled_direction) + words.small(
            "" if ratio is None else f"error × {number(ratio, 2)}"
        )
    return (
        market, _verdict(one.loss_ratio), _ratio(one.error_ratio), _share(one.direction), _share(one.coverage),
        _share(one.calibration, 1), settled,
    )  # fmt: skip


def _verdict(ratio: Figure) -> str:
    """Write who is better, with a mark that is no colour alone."""
    if ratio.value is None:
        return f"too early{words.small(f'of {ratio.of}')}" if ratio.of else "–"
    rests = words.small(f"loss {number(ratio.value, 2)}, of {ratio.of}")
    off = f"{number(100 * abs(1 - ratio.value), 0)}{THIN}%"
    if abs(1 - ratio.value) < EVEN:
        return f"even{rests}"
    if ratio.value < 1:
        return f'<span class="good-word">● {off} better</span>{rests}'
    return f'<b class="bad-word">■ {off} worse</b>{rests}'


def _ratio(one: Figure) -> str:
    return "–" if one.value is None else number(one.value, 2)


def _share(one: Figure, digits: int = 0) -> str:
    return "–" if one.value is None else f"{words.share(one.value, digits)}{words.small(f'of {one.of}')}"
