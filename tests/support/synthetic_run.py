"""Writes the files of a made-up run, so that the report can be developed and tested without a backtest."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import synthetic_measures as measures

START = datetime(2025, 1, 1, tzinfo=UTC)
OWN = {"BTC": (-0.8, 95_000.0), "INJ": (3_000.0, 22.0)}
NASTY = 'Net saving </script><script>window.hacked = 1</script> & "more" <b>{a|b}</b>'
HORIZON_H = 24
PARTS = (0.25, 0.75)
"""How a hedge is split: cut at home, hedged on Binance."""

Row = dict[str, Any]
Tables = dict[str, list[Row]]


def _rates(hours: int, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return hourly rates that wander slowly around a small positive mean."""
    shocks = rng.normal(0, 4e-6, hours)
    rates = np.zeros(hours)
    for i in range(1, hours):
        rates[i] = 0.97 * rates[i - 1] + shocks[i] + 3e-7
    return rates


def _fills(ts: datetime, symbol: str, change: float) -> list[Row]:
    """Return the fills that change the hedge by `change` of the own position: a quarter at home, the rest away."""
    own, price = OWN[symbol]
    purposes = ("own_cut", "hedge_open") if change > 0 else ("own_restore", "hedge_close")
    fills = []
    for venue, part, purpose in zip(("injective", "binance"), PARTS, purposes, strict=True):
        quantity = abs(own * part * change)
        fills.append(
            {
                "ts": ts + timedelta(seconds=2),
                "venue": venue,
                "symbol": symbol,
                "quantity": quantity,
                "price": price,
            }
            | {
                "side": "sell" if change * own > 0 else "buy",
                "fee_usd": quantity * price * 4e-4,
                "purpose": purpose,
            }
        )
    return fills


def _decision(i: int, symbol: str, mean: float, share: float, wanted: float) -> Row:
    """Return the decision of cycle `i`, which finds a hedge of `share` and wants one of `wanted`."""
    own, price = OWN[symbol]
    action, reason = "hold", "The hedge is held: closing costs more than it saves."
    if not share:
        saving_usd, cost_usd = abs(mean) * 1e5, abs(own * price) * 1e-4
        action = "none"
        reason = (
            f"The expected saving of {saving_usd:,.2f} USD does not cover the cost of {cost_usd:,.2f} USD."
        )
    if i % 701 == 0:
        action = "refused"
        reason = "The gate refused: book depth on Binance is 12,000 USD, below the limit of 50,000 USD."
    if wanted != share:
        action = "open" if wanted > share else "close"
        cost_usd = own * mean * HORIZON_H * price
        reason = (
            NASTY if i // 4 % 2 else f"{action} {abs(wanted - share):.0%}: a day costs {cost_usd:,.2f} USD."
        )
    rates = {"rate_mean_per_hour": mean, "rate_p10_per_hour": mean - 9e-6, "rate_p90_per_hour": mean + 9e-6}
    current = {"injective": -own * PARTS[0] * share, "binance": -own * PARTS[1] * share}
    return rates | {
        "ts": START + timedelta(minutes=15 * i),
        "symbol": symbol,
        "action": action,
        "reason": reason,
        "own_quantity": own,
        "horizon_h": float(HORIZON_H),
        "current": json.dumps(current),
    }


def _settlements(ts: datetime, symbol: str, rate: float, share: float) -> list[Row]:
    """Return what an hour's funding paid at home and away."""
    own, price = OWN[symbol]
    held = {
        "injective": (own * (1 - PARTS[0] * share), rate),
        "binance": (-own * PARTS[1] * share, rate * 0.6),
    }
    return [
        {
            "ts": ts,
            "venue": venue,
            "symbol": symbol,
            "quantity": quantity,
            "rate": paid,
            "interval_hours": 1.0,
        }
        | {"price": price, "payment_usd": -quantity * paid * price}
        for venue, (quantity, paid) in held.items()
        if quantity
    ]


def _symbol_rows(symbol: str, days: int, hedging: bool, tables: Tables, seed: int) -> None:
    """Play one symbol through: a hedge is opened when a day's funding is dear and closed when it is cheap."""
    rates, share = _rates(days * 24 + 1, np.random.default_rng(seed)), 0.0
    own, price = OWN[symbol]
    for i in range(days * 96):
        mean = float(0.7 * rates[i // 4])
        cost_usd = own * mean * HORIZON_H * price
        wanted = 0.4 if hedging and cost_usd > 20 else 0.0 if cost_usd < 2 else share
        decision = _decision(i, symbol, mean, share, wanted)
        if i % 4 == 0:
            chance = 0.7 if mean < rates[i // 4] else 0.3
            tables["forecasts"].append(measures.forecasts(symbol, decision["ts"], mean, chance))
        tables["decisions"].append(decision)
        if wanted != share:
            tables["fills"] += _fills(decision["ts"], symbol, wanted - share)
        share = wanted
        if i % 4 == 3:
            tables["funding"] += _settlements(
                decision["ts"] + timedelta(minutes=15), symbol, float(rates[i // 4 + 1]), share
            )


def _result(tables: Tables, symbols: tuple[str, ...]) -> dict[str, float]:
    """Add up what these symbols paid, received and cost."""
    funding, fills = (
        [row for row in tables[name] if row["symbol"] in symbols] for name in ("funding", "fills")
    )
    home = [row for row in funding if row["venue"] == "injective"]
    unhedged = sum(-OWN[row["symbol"]][0] * row["rate"] * row["price"] for row in home)
    hedged = sum(row["payment_usd"] for row in funding)
    turnover = sum(row["quantity"] * row["price"] for row in fills)
    fees, spread, price_pnl = sum(row["fee_usd"] for row in fills), turnover * 1e-4, turnover * 3e-4
    saving = hedged - unhedged - fees - spread
    return {
        "unhedged_funding_usd": unhedged,
        "hedged_funding_usd": hedged,
        "fees_usd": fees,
        "spread_usd": spread,
        "price_pnl_vs_unhedged_usd": price_pnl,
        "net_saving_usd": saving,
        "net_pnl_vs_unhedged_usd": saving + price_pnl,
        "turnover_usd": turnover,
    }


def _symbol_summary(tables: Tables, symbol: str) -> Row:
    """Return one symbol's part of the summary."""
    own, price = OWN[symbol]
    return _result(tables, (symbol,)) | {
        "position_usd": own * price,
        "quantity": own,
        "fills": sum(row["symbol"] == symbol for row in tables["fills"]),
        "hedged_hours": 0.0,
        "why": "Most of the time the expected saving did not cover the costs.",
    }


def _summary(days: int, tables: Tables) -> Row:
    """Return the run's summary, as the backtest writes it."""
    result = _result(tables, tuple(OWN))
    verdict = (
        f"{'saved' if result['net_saving_usd'] > 0 else 'lost'} {abs(result['net_saving_usd']):,.2f} USD"
    )
    gap = {
        "venue": "hyperliquid",
        "symbol": "INJ",
        "table": "open_interest",
        "detail": "missing at the source",
    }
    return result | {
        "command": "demo",
        "from": START.isoformat(),
        "to": (START + timedelta(days=days)).isoformat(),
        "equity_usd": 50_000.0,
        "assumptions": {
            "fees_bp": {"injective_taker": 5, "binance_taker": 4},
            "half_spread_bp": 1.0,
            "note": NASTY,
        },
        "proxy": "injective=hyperliquid",
        "proxy_rule": "chain",
        "per_symbol": {symbol: _symbol_summary(tables, symbol) for symbol in OWN},
        "seed": 7,
        "model_hash": "9f2c" * 16,
        "feature_hash": "ab01" * 16,
        "config_hash": "77de" * 16,
        "data_gaps": [gap | {"from": "2025-02-03T00:00:00Z", "to": "2025-02-03T06:00:00Z"}],
        "definitions": {"net_saving_usd": "hedged less unhedged funding, less fees, less spread"},
        "price_sources": {"INJ": "Binance hourly close", "BTC": "Binance hourly close"},
        "pays": f"Hedging {verdict} over {days} days after assumed costs.",
    }


def measured(days: int, summary: Row) -> Row:
    """Return what later versions tell beside: metrics, baselines, regimes, models, margin, provenance."""
    net_usd = summary["net_saving_usd"]
    figures = measures.metrics(net_usd, NASTY)
    other = figures | {"of": "hedged", "baselines": measures.baselines(net_usd, NASTY)}
    return {
        "worth": f"Hedging this book is worth it. {NASTY}",
        "metrics": figures,
        "baselines": measures.baselines(net_usd, NASTY),
        "proxy_rules": {"chain": other, "level": figures | {"of": "ewma", "baselines": []}},
        "regimes": measures.regimes(START, days, NASTY),
        "models": measures.models(START, days),
        "accounts": measures.accounts(START, NASTY),
        "provenance": measures.provenance(NASTY),
    }


def write_run(out: Path, days: int = 120, hedging: bool = True, whole: bool = False) -> Row:
    """Write a whole run to `out` and return its summary; without `hedging` there is not one fill.

    `whole`: with all that a run can measure of itself; else as an old run left it.
    """
    tables: Tables = {"decisions": [], "fills": [], "funding": [], "forecasts": []}
    for seed, symbol in enumerate(OWN):
        _symbol_rows(symbol, days, hedging, tables, seed + 2)
    if not whole:
        del tables["forecasts"]
    for name, rows in tables.items():
        frame = pl.DataFrame(rows)
        if rows:
            frame = frame.with_columns(pl.col("ts").cast(pl.Datetime("ms", "UTC"))).sort("ts")
        frame.write_parquet(out / f"{name}.parquet")
    summary = _summary(days, tables)
    if whole:
        summary |= measured(days, summary)
        net = {symbol: part["net_saving_usd"] for symbol, part in summary["per_symbol"].items()}
        measures.daily(START, days, net).write_parquet(out / "daily.parquet")
    (out / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    return summary
