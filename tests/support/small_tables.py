"""Small recorded tables, written by hand, on a clock that starts at a whole day."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import polars as pl

START = datetime(2024, 3, 1, tzinfo=UTC)
START_MS = int(START.timestamp() * 1_000)
H, D = 3_600_000, 86_400_000
TS = pl.Datetime("ms", "UTC")


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def ms(hours: float) -> int:
    return START_MS + round(hours * H)


def table(columns: dict[str, Any], rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    """Rows under `columns`; `ts` in hours since START."""
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    for name in ("ts", "next_ts"):
        if name in columns:
            frame = frame.with_columns(
                (pl.lit(START).cast(TS) + pl.duration(milliseconds=pl.col(name) * H)).cast(TS).alias(name)
            )
    return frame


def funding(*rows: tuple[Any, ...]) -> pl.DataFrame:
    """(ts in hours, venue, symbol, quote, rate, interval in hours, mark or None)"""
    names = ("ts", "venue", "symbol", "quote", "funding_rate", "interval_hours", "mark_price")
    kinds = (pl.Float64, pl.String, pl.String, pl.String, pl.Float64, pl.Float32, pl.Float64)
    return table(dict(zip(names, kinds, strict=True)), list(rows))


def candles(*rows: tuple[Any, ...]) -> pl.DataFrame:
    """(open in hours, venue, symbol, market, bar, close, volume)"""
    names = ("ts", "venue", "symbol", "market", "bar", "close", "volume")
    kinds = (pl.Float64, pl.String, pl.String, pl.String, pl.String, pl.Float64, pl.Float64)
    return table(dict(zip(names, kinds, strict=True)), list(rows))


def of(name: str, *rows: tuple[Any, ...]) -> pl.DataFrame:
    """One of the optional tables."""
    text, number = pl.String, pl.Float64
    schemas: dict[str, dict[str, Any]] = {
        "open_interest": {"ts": number, "venue": text, "symbol": text, "bar": text, "open_interest_base": number},
        "premium": {"ts": number, "venue": text, "symbol": text, "kind": text, "premium": number},
        "liquidity": {"ts": number, "venue": text, "symbol": text, "depth_50bps_usd": number},
        "liquidations": {"ts": number, "venue": text, "symbol": text, "bar": text, "liquidations_usd": number},
        "estimates": {
            "ts": number, "venue": text, "symbol": text, "funding_estimate": number, "interval_hours": number,
            "next_ts": number,
        },
        "long_short": {"ts": number, "venue": text, "symbol": text, "long_short_ratio": number},
        "signals": {"ts": number, "venue": text, "symbol": text, "name": text, "value": number},
        "injective_markets": {
            "symbol": text, "hourly_funding_rate_cap": number, "hourly_interest_rate": number, "venue": text,
        },
    }  # fmt: skip
    return table(schemas[name], list(rows))


def recording(hours: int = 60) -> dict[str, pl.DataFrame]:
    """Every table, two venues, a few days: numbers that are all different. The dict is the caller's."""
    return dict(_recording(hours))


@cache
def _recording(hours: int) -> dict[str, pl.DataFrame]:
    fund, bars, interest, premium, liquidity, liquidations, estimates, ratio, signals = ([] for _ in range(9))
    for v, venue in enumerate(("injective", "binance")):
        step = 1 if v == 0 else 8
        for h in range(0, hours, step):
            mark = 100.0 + h + v if h % 3 == 0 else None
            fund.append((float(h), venue, "BTC", "USDT", 1e-5 * (h + 1 + v), float(step), mark))
        for h in range(hours):
            bars.append((float(h), venue, "BTC", "perp", "1h", 100.5 + h + v, 10.0 + h))
            if h % 5 == 0:
                interest.append((float(h), venue, "BTC", "1h", 1_000.0 + h))
            premium.append((h + 0.5, venue, "BTC", "venue", 1e-4 * h))
            premium.append((h + 0.4, venue, "BTC", "perp_close_vs_index", 2e-4 * h))
            for name in ("wallet_concentration", "sentiment", "macro"):
                signals.append((h + 0.3, venue if name != "macro" else None, "BTC", name, len(name) + h / 10))
            liquidity.append((h + 0.25, venue, "BTC", 1e6 + h))
            estimates.append(
                (h + 0.75, venue, "BTC", 2e-5 * (h + 1), float(step), float(h - h % step + step))
            )
            ratio.append((h + 0.1, venue, "BTC", 1.0 + h / 100))
        for h in range(0, hours, 24):
            bars.append((float(h), venue, "BTC", "perp", "1d", 90.0 + h, 240.0))
            interest.append((float(h), venue, "BTC", "1d", 5_000.0 + h))
            liquidations.append((float(h), venue, "BTC", "1d", 7_000.0 + h))
    return {
        "funding": funding(*fund),
        "ohlcv": candles(*bars),
        "open_interest": of("open_interest", *interest),
        "premium": of("premium", *premium),
        "liquidity": of("liquidity", *liquidity),
        "liquidations": of("liquidations", *liquidations),
        "estimates": of("estimates", *estimates),
        "long_short": of("long_short", *ratio),
        "signals": of("signals", *signals),
    }
