"""What a made-up run measured of itself: forecasts kept, metrics, baselines by day, regimes, models, provenance."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from hedged.domain.forecast import LEVELS, QUANTILE_COLUMNS

Row = dict[str, Any]
SPREAD = np.array([-14.0, -9.0, -4.0, -1.5, 0.0, 1.5, 4.0, 9.0, 14.0]) * 1e-6
"""What the quantiles of LEVELS lie from the mean, rate per hour."""
BASELINES = {
    "hedged": ("hedged", 1.0),
    "none": ("no hedge", 0.0),
    "constant": ("cap held always", 0.4),
    "on_sign": ("cap by sign", -0.3),
    "foresight": ("perfect foresight", 1.9),
}


def forecasts(symbol: str, ts: datetime, mean: float, chance: float) -> Row:
    """Return one kept forecast."""
    quantiles = dict(zip(QUANTILE_COLUMNS, (mean + SPREAD).tolist(), strict=True))
    told = {"ts": ts, "venue": "injective", "symbol": symbol, "horizon_h": 24.0, "mean": mean, "p_up": chance}
    assert len(LEVELS) == len(SPREAD)
    return told | quantiles


def daily(start: datetime, days: int, net: dict[str, float], seed: int = 5) -> pl.DataFrame:
    """Return what each way of hedging saved and cost by day; a symbol's days add up to its part of the net saving."""
    rng, rows = np.random.default_rng(seed), []
    for name, (_, factor) in BASELINES.items():
        for symbol, saving in net.items():
            noise = rng.normal(0, 1, days)
            saved = factor * (saving / days + abs(saving) / days * (noise - noise.mean()))
            cost = factor and abs(saving) / days / 4
            rows += [
                {
                    "day": (start + timedelta(days=i)).date(),
                    "name": name,
                    "symbol": symbol,
                    "saved_usd": float(saved[i] + cost),
                    "cost_usd": cost,
                }
                for i in range(days)
            ]
    return pl.DataFrame(rows)


def baselines(net_usd: float, nasty: str) -> list[Row]:
    """Return the summary's rows; one label is hostile."""
    rows = []
    for name, (label, factor) in BASELINES.items():
        saving, width = factor * net_usd, 0.5 * abs(factor * net_usd)
        rows.append(
            {
                "name": name,
                "label": nasty if name == "on_sign" else label,
                "net_saving_usd": saving,
                "low_usd": saving - width if factor else None,
                "high_usd": saving + width if factor else None,
                "saved_usd": saving * 1.3,
                "costs_usd": abs(saving) * 0.3,
                "turnover_usd": 10_000.0 * abs(factor),
                "worst_day_usd": -abs(saving) / 9,
            }
        )
    return rows


def metrics(net_usd: float, nasty: str) -> dict[str, Row]:
    """Return a few metrics of every unit; one definition is hostile, one value is not known."""

    def figure(value: float | None, unit: str, label: str, **more: Any) -> Row:
        known = {"low": value * 0.5, "high": value * 1.5} if value else {"low": None, "high": None}
        return (
            {"value": value, "unit": unit, "label": label, "definition": f"What {label} means."}
            | known
            | more
        )

    return {
        "net_saving": figure(net_usd, "usd", "Net saving", definition=nasty),
        "saving_ratio": figure(0.21, "share", "Saving ratio", numerator_usd=net_usd, denominator_usd=900.0),
        "foresight_share": figure(0.52, "share", "Share of perfect foresight"),
        "turnover_month": figure(1.4, "times", "Turnover a month"),
        "naked_hours": figure(0.02, "hours", "Leg alone", low=None, high=None),
        "worst_day": figure(-31.0, "usd", "Worst day", date="2025-01-04"),
        "return_on_capital": figure(None, "share", "Return on capital, a year"),
    }


def regimes(start: datetime, days: int, nasty: str) -> list[Row]:
    """Return a calm and a dear regime that change every third of the run."""
    cuts = [start + timedelta(days=days * k / 3) for k in range(4)]
    names = (("calm", "rates near their usual"), ("dear", nasty), ("calm", "rates near their usual"))
    return [
        {"from": a.isoformat(), "to": b.isoformat(), "name": name, "why": why}
        for a, b, (name, why) in zip(cuts, cuts[1:], names, strict=False)
    ]


def models(start: datetime, days: int) -> list[Row]:
    """Return two models one after another."""
    middle = start + timedelta(days=days / 2)
    spans = ((start, middle), (middle, start + timedelta(days=days)))
    return [
        {
            "from": a.isoformat(),
            "to": b.isoformat(),
            "trained_to": (a - timedelta(days=1)).isoformat(),
            "model_hash": f"{i}a" * 8,
            "samples": 1_000,
            "knows_days": 0.0,
        }
        for i, (a, b) in enumerate(spans)
    ]


def provenance(nasty: str) -> Row:
    """Return where the made-up figures come from; the configuration holds a hostile line."""
    names = ("mlp-1", "mlp-2", "lstm_attention-1", "trees")
    return {
        "command_line": "hedged demo --days 40",
        "config_yaml": f"account: demo\nnote: '{nasty}'\nhedge:\n  cap: '0.40'\n",
        "versions": {"hedged": "0.1.0", "python": "3.11"},
        "data_fingerprint": "cafe" * 4,
        "model_card": {
            "members": [{"name": name, "weight": 0.25, "sizes": {}} for name in names],
            "inputs": {"its own past rates": 23, nasty: 4},
            "features": 27,
            "horizons": ["s1", "s3", "m24h", "m120h"],
            "levels": LEVELS.tolist(),
            "horizon": "m24h",
            "venues": 3,
            "coins": 9,
            "samples": 12_345,
            "history_days": 700.0,
            "trained_to": datetime(2025, 1, 1, tzinfo=UTC).isoformat(),
            "seed": 0,
            "cascade": False,
        },
    }


def accounts(start: datetime, nasty: str) -> Row:
    """Return two venues' accounts, one of which closed a position by force in a market of a hostile name."""
    money = {
        "realised_usd": -12.0,
        "fees_usd": 30.0,
        "penalties_usd": 5.0,
        "insured_usd": 0.0,
        "added_usd": 0.0,
    }
    calm = {
        "begin_usd": 25_000.0,
        "end_usd": 24_953.0,
        "funding_usd": 0.0,
        "unrealised_usd": 3.0,
        "forced": [],
    }
    low = {"lowest_free_usd": 9_000.0, "lowest_free_at": (start + timedelta(hours=7)).isoformat()}
    closed = {
        "at": start.isoformat(),
        "symbol": nasty,
        "why": "liquidation",
        "quantity": -0.5,
        "price": 95_000.0,
    }
    forced = [closed | {"penalty_usd": 5.0, "insured_usd": 0.0}]
    return {"injective": calm | money | low, "binance": calm | money | low | {"forced": forced}}
