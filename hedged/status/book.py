"""The book: what is held, and what its funding is expected to be, as it is hedged and as if it were not."""

from collections.abc import Mapping
from decimal import Decimal

from hedged.cycle import CycleReport
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.execution.accounts import AccountState
from hedged.status.document import AheadRow, Amount, BookRow, HedgeLeg
from hedged.status.figures import known
from hedged.strategy import outlook
from hedged.strategy.outlook import SpanOutlook


def amount(told: outlook.Amount) -> Amount:
    """Return an amount as the document has it."""
    return Amount(mean_usd=told.mean, low_usd=told.low, high_usd=told.high)


def book_rows(
    report: CycleReport, account: AccountState, ahead: tuple[SpanOutlook, ...]
) -> tuple[BookRow, ...]:
    """Return a row for every market that is held, hedged or decided upon."""
    own = {} if INJECTIVE in account.unknown else account.own
    held = {symbol for symbol, quantity in own.items() if quantity}
    symbols = held | {key.symbol for key, q in account.attributed.items() if q} | set(report.decisions)
    horizon_h = report.forecasts.horizon_h
    deciding = next((span for span in ahead if span.hours == round(horizon_h)), None)
    rows = []
    for symbol in sorted(symbols):
        decided = report.decisions.get(symbol, {})
        mark = report.marks.get(SeriesKey(INJECTIVE, symbol))
        quantity = None if INJECTIVE in account.unknown else own.get(symbol, Decimal(0))
        rows.append(
            BookRow(
                symbol=symbol,
                own_quantity=known(quantity),
                own_usd=known(quantity * mark) if quantity is not None and mark is not None else None,
                mark_price=known(mark),
                horizon_h=horizon_h,
                own=_of(symbol, deciding.own if deciding else {}),
                hedged=_of(symbol, deciding.held if deciding else {}),
                hedge=legs(symbol, report, account),
                action=decided.get("action"),
                reason=decided.get("reason"),
            )
        )
    return tuple(rows)


def _of(symbol: str, amounts: Mapping[str, outlook.Amount]) -> Amount | None:
    return amount(amounts[symbol]) if symbol in amounts else None


def legs(symbol: str, report: CycleReport, account: AccountState) -> tuple[HedgeLeg, ...]:
    """Return what the daemon holds of a coin, at the price of the market or, where it is unknown, of Injective's."""
    found = []
    for key, quantity in sorted(account.attributed.items()):
        if key.symbol != symbol or not quantity:
            continue
        mark = report.marks.get(key, report.marks.get(SeriesKey(INJECTIVE, symbol)))
        owner = account.owners.get(key)
        found.append(
            HedgeLeg(
                venue=key.venue,
                quantity=float(quantity),
                usd=known(quantity * mark) if mark is not None else None,
                strategy=None if owner is None else str(owner),
            )
        )
    return tuple(found)


def ahead_rows(report: CycleReport, ahead: tuple[SpanOutlook, ...]) -> tuple[AheadRow, ...]:
    """Return the funding of the whole book over every span of which anything is known."""
    return tuple(
        AheadRow(
            hours=span.hours,
            decides=span.hours == round(report.forecasts.horizon_h),
            own=amount(span.own_book),
            hedged=amount(span.held_book),
            rests_on=span.rests_on,
            unknown=span.unknown,
        )
        for span in ahead
        if span.own
    )
