"""How the status page writes amounts, rates, spans and instants. All of it returns safe HTML."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from hedged.domain.clock import DAY_MS, HOURS_A_YEAR, SECOND_MS, iso
from hedged.page.wording import THIN, esc, number, scrolling
from hedged.status.document import Amount

UNKNOWN = '<span class="unknown">unknown</span>'
LARGE_USD = 100_000


def usd(value: float | None, plus: bool = True) -> str:
    """Write an amount without its unit; cents only where they still tell something."""
    if value is None:
        return UNKNOWN
    return number(value, 0 if abs(value) >= LARGE_USD else 2, plus)


def minus(loss: float | None) -> float | None:
    """Turn a loss into a result."""
    return None if loss is None else -loss


def whole_usd(value: float | None, plus: bool = False) -> str:
    """Write a size without cents."""
    return UNKNOWN if value is None else number(value, 0, plus)


def band(amount: Amount | None) -> str:
    """Write the 80 % band of an amount."""
    return UNKNOWN if amount is None else f"{usd(amount.low_usd)} … {usd(amount.high_usd)}"


def coins(value: float | None) -> str:
    """Write a signed quantity."""
    if value is None:
        return UNKNOWN
    text = number(value, max(0, 6 - len(f"{abs(value):.0f}")), plus=True)
    return text.rstrip("0").rstrip(".") if "." in text else text


def share(value: float | None, digits: int = 0) -> str:
    """Write a share in percent."""
    return UNKNOWN if value is None else f"{number(100 * value, digits)}{THIN}%"


def away(move: float) -> str:
    """Write a relative price move to something bad; a price cannot fall by more than all of it."""
    return f"over {share(1.0)}" if move > 1 else share(max(0.0, move), 0 if move >= 0.1 else 1)


def yearly(per_hour: float | None, digits: int = 2) -> str:
    """Write a rate in percent a year, simple, without its unit."""
    return UNKNOWN if per_hour is None else number(100 * HOURS_A_YEAR * per_hour, digits, plus=True)


def lasting(seconds: float) -> str:
    """Write a span of time in its two largest units."""
    s = max(0, round(seconds))
    for unit_s, unit, next_s, next_unit in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min")):
        if s >= unit_s:
            rest = s % unit_s // next_s
            return f"{s // unit_s} {unit}" + (f" {rest} {next_unit}" if rest and s < 5 * unit_s else "")
    return f"{s // 60} min" if s >= 120 else f"{s} s"


def hours(value: float) -> str:
    """Write a horizon."""
    return f"{value:g} h" if value < 48 else f"{value / 24:g} days"


def clock(ts_ms: int, now_ms: int) -> str:
    """Write an instant, UTC: the time of day, with its day where that is not today."""
    at, now = (datetime.fromtimestamp(ms / SECOND_MS, UTC) for ms in (ts_ms, now_ms))
    day = "" if abs(now_ms - ts_ms) < DAY_MS and at.date() == now.date() else f"{at.day} {at:%b} "
    year = f"{at.year} " if day and at.year != now.year else ""
    return f'<time datetime="{iso(ts_ms)}">{day}{year}{at:%H:%M}</time>'


def since(ts_ms: int, now_ms: int) -> str:
    """Write how long ago an instant was; the page counts on."""
    return (
        f'<time datetime="{iso(ts_ms)}" data-since="{ts_ms}">{lasting((now_ms - ts_ms) / SECOND_MS)}</time>'
    )


def due(ts_ms: int, now_ms: int) -> str:
    """Write how long it is to an instant; the page counts down."""
    return f'<time datetime="{iso(ts_ms)}" data-due="{ts_ms}">{lasting((ts_ms - now_ms) / SECOND_MS)}</time>'


def small(text: str) -> str:
    """Write a second line beneath a figure; `text` is safe HTML, nothing is written where it is empty."""
    return f'<span class="small">{text}</span>' if text else ""


def table(
    label: str, heads: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]], look: str = ""
) -> str:
    """Return a table whose rows are cards on a phone. `heads`: text, and whether figures stand below it; cells are safe
    HTML, the first of a row names it.
    """
    top = "".join(f'<th scope="col"{" class=n" if n else ""}>{esc(head)}</th>' for head, n in heads)
    body = "".join(f"<tr>{_cells(heads, row)}</tr>" for row in rows)
    return scrolling(label, f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody>", f"cards {look}".strip())


def _cells(heads: Sequence[tuple[str, bool]], row: Sequence[str]) -> str:
    first, *rest = row
    cells = "".join(
        f'<td data-head="{esc(head)}"{" class=n" if n else ""}>{cell}</td>'
        for (head, n), cell in zip(heads[1:], rest, strict=True)
    )
    return f'<th scope="row">{first}</th>{cells}'


def nothing(text: str) -> str:
    """Say that a section has nothing to show; `text` is safe HTML."""
    return f'<p class="none">{text}</p>'
