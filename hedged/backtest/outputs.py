"""The files of a run: summary.json; decisions, fills, funding, book, forecasts and days as Parquet; the report."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from hedged.backtest.kept import Kept
from hedged.backtest.measured import Measured
from hedged.backtest.paid import Paid
from hedged.backtest.report import write_report
from hedged.backtest.runner import RunResult
from hedged.domain.forecast import QUANTILE_COLUMNS, RateForecast
from hedged.domain.funding import FundingPayment

TS = pl.Datetime("ms", "UTC")
_TEXT, _NUMBER = pl.String(), pl.Float64()
DECISIONS: dict[str, Any] = {
    "ts": TS, "symbol": _TEXT, "strategy": _TEXT, "action": _TEXT, "reason": _TEXT, "own_quantity": _NUMBER,
    "price": _NUMBER,
    "expected_funding_usd": _NUMBER, "funding_p10_usd": _NUMBER, "funding_p90_usd": _NUMBER,
    "rate_mean_per_hour": _NUMBER, "rate_p10_per_hour": _NUMBER, "rate_p90_per_hour": _NUMBER,
    "direction_confidence": _NUMBER, "horizon_h": _NUMBER, "expected_saving_usd": _NUMBER, "cost_usd": _NUMBER,
    "break_even_h": _NUMBER, "hedge_confidence": _NUMBER, "current": _TEXT, "target": _TEXT, "model_hash": _TEXT,
    "feature_hash": _TEXT, "config_hash": _TEXT, "rule": _TEXT, "detail": _TEXT,
}  # fmt: skip
FILLS: dict[str, Any] = {
    "ts": TS, "venue": _TEXT, "symbol": _TEXT, "side": _TEXT, "quantity": _NUMBER, "price": _NUMBER,
    "fee_usd": _NUMBER, "purpose": _TEXT,
}  # fmt: skip
BOOK: dict[str, Any] = {"ts": TS, "venue": _TEXT, "symbol": _TEXT, "quantity": _NUMBER}
FUNDING: dict[str, Any] = {
    "ts": TS, "venue": _TEXT, "symbol": _TEXT, "quantity": _NUMBER, "rate": _NUMBER, "interval_hours": _NUMBER,
    "price": _NUMBER, "payment_usd": _NUMBER,
}  # fmt: skip
FORECASTS: dict[str, Any] = {
    "ts": TS, "venue": _TEXT, "symbol": _TEXT, "horizon_h": _NUMBER, "mean": _NUMBER, "p_up": _NUMBER,
    **dict.fromkeys(QUANTILE_COLUMNS, _NUMBER),
}  # fmt: skip


def write_outputs(
    result: RunResult, summary: Mapping[str, Any], out: Path, measured: Measured | None = None
) -> Path:
    """Write every file of the run into `out` (made when missing). Returns the report's path."""
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(summary, indent=2, allow_nan=False)
    (out / "summary.json").write_text(text + "\n", encoding="utf-8")
    for name, frame in frames(result).items():
        frame.sink_parquet(out / f"{name}.parquet")
    if measured:
        measured.daily().write_parquet(out / "daily.parquet")
    return write_report(out)


def frames(result: RunResult) -> dict[str, pl.LazyFrame]:
    """Turn the journal's rows into tables; what was kept in files is read when it is written."""
    fills = [
        (f.execution.ts_ms, *f.key, str(f.execution.side), float(f.execution.quantity), float(f.execution.price),
         float(f.execution.fee_usd), str(f.purpose))
        for f in result.fills
    ]  # fmt: skip
    book = [(ts, venue, symbol, float(quantity)) for ts, venue, symbol, quantity in result.book]
    return {
        "forecasts": _forecasts(result.forecasts),
        "decisions": _decisions(result.decisions),
        "fills": _frame(fills, FILLS),
        "book": _frame(book, BOOK),
        "funding": _funding(result.payments),
    }


def _forecasts(forecasts: Sequence[RateForecast]) -> pl.LazyFrame:
    if isinstance(forecasts, Kept):
        return _table(forecasts.scan(), FORECASTS)
    rows = [(f.made_at_ms, *f.key, f.horizon_h, f.mean, f.p_up, *f.quantiles.tolist()) for f in forecasts]
    return _frame(rows, FORECASTS)


def _decisions(decisions: Sequence[dict[str, Any]]) -> pl.LazyFrame:
    if isinstance(decisions, Kept):
        return _table(decisions.scan(), DECISIONS)
    rows = [{"ts": d["ts_ms"], **{k: d.get(k) for k in DECISIONS if k != "ts"}} for d in decisions]
    return _frame(rows, DECISIONS)


def _funding(payments: Sequence[FundingPayment]) -> pl.LazyFrame:
    if isinstance(payments, Paid):
        return _table(payments.frame().lazy(), FUNDING)
    rows = [
        (p.settlement.ts_ms, *p.settlement.key, float(p.quantity), float(p.settlement.rate.rate),
         float(p.settlement.rate.interval_h), float(p.settlement.price), float(p.payment_usd))
        for p in payments
    ]  # fmt: skip
    return _frame(rows, FUNDING)


def _frame(rows: list[Any], schema: dict[str, Any]) -> pl.LazyFrame:
    plain = schema | {"ts": pl.Int64()}
    return _table(pl.DataFrame(rows, schema=plain, orient="row").lazy().rename({"ts": "ts_ms"}), schema)


def _table(rows: pl.LazyFrame, schema: dict[str, Any]) -> pl.LazyFrame:
    return rows.rename({"ts_ms": "ts"}).select(pl.col(name).cast(kind) for name, kind in schema.items())
