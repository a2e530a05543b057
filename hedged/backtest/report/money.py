"""What was paid and earned, over time and by layer. Amounts in USD: > 0 received, < 0 paid."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.backtest.report.files import Run
from hedged.domain.market import INJECTIVE
from hedged.page import wording

Floats = NDArray[np.float64]
Instants = NDArray[np.int64]
CENT_USD = 0.005


@dataclass(frozen=True, slots=True)
class Grid:
    """Evenly spaced instants that the lines are drawn at: `start_ms`, then every `step_ms`, `n` in all."""

    start_ms: int
    step_ms: int
    n: int

    @property
    def at_ms(self) -> Instants:
        """The instants, int64 (n,)."""
        return self.start_ms + self.step_ms * np.arange(self.n, dtype=np.int64)


def instants(frame: pl.DataFrame) -> Instants:
    """Return the column `ts` in ms, int64 (rows,)."""
    return frame["ts"].dt.epoch("ms").to_numpy()


def own_before(decisions: pl.DataFrame, ts_ms: Instants) -> Floats:
    """Return the trader's own quantity as last decided upon before each instant; NaN without any decision."""
    known = decisions.drop_nulls("own_quantity")
    if known.is_empty():
        return np.full(len(ts_ms), np.nan)
    at = np.searchsorted(instants(known), ts_ms, side="left") - 1
    return known["own_quantity"].to_numpy()[np.clip(at, 0, None)]


def unhedged_payments(funding: pl.DataFrame, decisions: pl.DataFrame) -> Floats:
    """Return what each settlement would have paid on the untouched own position: −N·rate·price, 0 elsewhere."""
    own = own_before(decisions, instants(funding))
    quantity = np.where(np.isnan(own), funding["quantity"].to_numpy(), own)
    payment = -quantity * funding["rate"].to_numpy() * funding["price"].to_numpy()
    at_home: Floats = np.where((funding["venue"] == INJECTIVE).to_numpy(), payment, 0.0)
    return at_home


def _costs(fills: pl.DataFrame, spread_usd: float) -> Floats:
    """Return fee and spread of each fill; the symbol's spread is laid on its fills by their notional."""
    notional = (fills["quantity"].abs() * fills["price"]).to_numpy()
    total = float(notional.sum())
    spread = notional * (spread_usd / total) if total else np.zeros(len(notional))
    costs: Floats = fills["fee_usd"].fill_null(0.0).to_numpy() + spread
    return costs


def _running(ts_ms: Instants, amounts: Floats, at_ms: Instants) -> Floats:
    """Return the running total of `amounts` as it stands at each of `at_ms`."""
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(amounts))])
    standing: Floats = total[np.searchsorted(ts_ms, at_ms, side="right")]
    return standing


def cumulative(run: Run, at_ms: Instants) -> dict[str, dict[str, list[float]]]:
    """Return the running funding at each instant, unhedged, hedged, hedged after costs, by symbol; "" is the book."""
    lines: dict[str, dict[str, Floats]] = {}
    for symbol in run.symbols:
        funding, fills = run.of("funding", symbol), run.of("fills", symbol)
        spread = float((run.summary.get("per_symbol") or {}).get(symbol, {}).get("spread_usd") or 0.0)
        settled = instants(funding)
        hedged = _running(settled, funding["payment_usd"].to_numpy(), at_ms)
        lines[symbol] = {
            "unhedged": _running(settled, unhedged_payments(funding, run.of("decisions", symbol)), at_ms),
            "hedged": hedged,
            "net": hedged - _running(instants(fills), _costs(fills, spread), at_ms),
        }
    lines[""] = {
        name: np.sum([line[name] for line in lines.values()], axis=0) if lines else np.zeros(len(at_ms))
        for name in ("unhedged", "hedged", "net")
    }
    return {
        symbol: {name: np.round(v, 2).tolist() for name, v in line.items()} for symbol, line in lines.items()
    }


def _layer(venue: str, held: float, own: float) -> str:
    """Name the layer that a settlement belongs to: same side elsewhere is moved, opposite is a hedge."""
    if venue == INJECTIVE:
        return "Cut on Injective"
    return f"{'Moved part at' if held * own > 0 else 'Hedge on'} {wording.venue(venue)}"


def by_layer(run: Run) -> dict[str, float]:
    """Return what each layer changed in the funding: the cut at home, then each other venue."""
    layers: dict[str, float] = {}
    for symbol in run.symbols:
        funding, decisions = run.of("funding", symbol).drop_nulls("venue"), run.of("decisions", symbol)
        change = funding["payment_usd"].to_numpy() - unhedged_payments(funding, decisions)
        own = own_before(decisions, instants(funding))
        rows = zip(funding["venue"], funding["quantity"].to_numpy(), own, np.nan_to_num(change), strict=True)
        for venue, held, own_then, amount in rows:
            name = _layer(venue, held, own_then)
            layers[name] = layers.get(name, 0.0) + float(amount)
    return layers


def waterfall(run: Run) -> list[dict[str, Any]]:
    """Return the steps from the unhedged to the hedged result; what the tables do not explain is its own step."""
    summary = run.summary
    start, hedged = float(summary["unhedged_funding_usd"]), float(summary["hedged_funding_usd"])
    steps = {name: amount for name, amount in by_layer(run).items() if abs(amount) >= CENT_USD}
    rest = hedged - start - sum(steps.values())
    if abs(rest) >= max(CENT_USD, 1e-4 * abs(start)):
        steps["Not attributed"] = rest
    steps |= {"Fees": -float(summary["fees_usd"]), "Spread": -float(summary["spread_usd"])}
    fees_and_spread = float(summary["fees_usd"]) + float(summary["spread_usd"])
    other = float(summary["net_saving_usd"]) - (hedged - start - fees_and_spread)
    if abs(other) >= CENT_USD:
        steps["Other costs"] = other
    bars: list[dict[str, Any]] = [
        {"name": "Funding, unhedged", "from": 0.0, "to": round(start, 2), "total": True}
    ]
    at = start
    for name, amount in steps.items():
        bars.append({"name": name, "from": round(at, 2), "to": round(at + amount, 2), "total": False})
        at += amount
    return [*bars, {"name": "Hedged, after costs", "from": 0.0, "to": round(at, 2), "total": True}]
