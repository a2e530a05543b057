"""What funding is to come of what is held: by the law that decides, and over the spans that are told for people."""

from dataclasses import replace

from hedged.cycle import CycleReport
from hedged.domain.forecast import ForecastSet, Span
from hedged.domain.market import INJECTIVE
from hedged.execution.accounts import AccountState
from hedged.strategy import outlook
from hedged.strategy.outlook import SpanOutlook

HORIZON = "the joint law of all rates by which hedges are decided"


def outlooks(report: CycleReport, account: AccountState) -> tuple[SpanOutlook, ...]:
    """Return the funding of what is held now over every span, the horizon that decides among them, shortest first."""
    here = {key.symbol: float(mark) for key, mark in report.marks.items() if key.venue == INJECTIVE}
    mine = {k: float(q) * here[k.symbol] for k, q in account.attributed.items() if q and k.symbol in here}
    hedged = {key.symbol for key in mine}
    own = {s: float(q) * here[s] for s, q in account.own.items() if s in here and (q or s in hedged)}
    return outlook.outlook(_with_horizon(report.forecasts), own, mine)


def _with_horizon(forecasts: ForecastSet) -> ForecastSet:
    hours = round(forecasts.horizon_h)
    spans = [span for span in forecasts.spans if span.hours != hours]
    if forecasts.keys:
        spans.append(Span(hours, forecasts.scenarios, HORIZON))
    return replace(forecasts, spans=tuple(sorted(spans, key=lambda span: span.hours)))
