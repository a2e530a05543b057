"""A stand-in for Injective's funding, of which no time series is public: Hyperliquid, which also settles hourly.

Two declared rules, both on Hyperliquid's data. *chain* (default): Injective's formula on Hyperliquid's premium P,
clamp(P/24 + interest, ±cap), with P recorded, else inverted from the printed rate. *level*: the printed rate clamped
to the cap (overstates by about the factor 1.8).
"""

from dataclasses import dataclass
from typing import Literal

import polars as pl

from hedged.adapters.replay.series import PREMIUM_KINDS
from hedged.adapters.replay.tables import Tables
from hedged.domain.errors import DataError
from hedged.domain.funding import HYPERLIQUID_RULE
from hedged.domain.injective import InjectiveRule
from hedged.domain.market import INJECTIVE

IN_BAND_PREMIUM = 0.000037
"""Mean premium of hours in which Hyperliquid's rate sits at its floor (0.37 bp), where the print does not tell it."""

ProxyRule = Literal["chain", "level"]


@dataclass(frozen=True, slots=True)
class Proxy:
    """`venue` stands in for Injective under `rule`."""

    venue: str
    rule: ProxyRule

    def __str__(self) -> str:
        return f"{INJECTIVE}={self.venue}"


def stand_in(tables: Tables, proxy: Proxy) -> dict[str, pl.DataFrame]:
    """Return tables in which `proxy.venue`'s rows are Injective's, with the rates of the rule; its own rows are gone.

    Raises DataError when the stand-in has no funding for these symbols or is not Hyperliquid under the chain rule.
    """
    if proxy.venue != "hyperliquid":
        raise DataError(
            f"no rule is known by which {proxy.venue} could stand in for Injective; use hyperliquid"
        )
    funding = tables["funding"]
    theirs = funding.filter(pl.col("venue") == proxy.venue)
    if not len(theirs):
        raise DataError(
            f"funding.parquet has no rows of {proxy.venue} for these symbols to stand in for Injective"
        )
    caps = chain_constants(tables)
    replaced = _with_premium(theirs, tables, proxy.rule).join(
        caps, on="symbol", how="left", maintain_order="left"
    )
    defaults = InjectiveRule()
    cap = pl.col("cap").fill_null(float(defaults.hourly_cap))
    interest = pl.col("interest").fill_null(float(defaults.hourly_interest))
    raw = pl.col("proxy_premium") / 24 + interest if proxy.rule == "chain" else pl.col("funding_rate")
    # 8-hourly prints (before 2023-06-08) come as one payment: the cap and the interest count per hour of the interval
    hours = pl.col("interval_hours").cast(pl.Float64)
    per_hour = raw if proxy.rule == "chain" else raw / hours
    rates = replaced.with_columns(
        funding_rate=pl.max_horizontal(pl.min_horizontal(per_hour, cap), -cap) * hours,
        venue=pl.lit(INJECTIVE),
    ).select(funding.columns)
    out = {name: _renamed(table, proxy.venue) for name, table in tables.items() if name != "funding"}
    out["funding"] = pl.concat([funding.filter(~pl.col("venue").is_in([proxy.venue, INJECTIVE])), rates])
    return out


def chain_constants(tables: Tables) -> pl.DataFrame:
    """Return cap and interest per hour by symbol, from the chain's snapshot where there is one, whatever its date."""
    snapshot = tables.get("injective_markets")
    if snapshot is None:
        return pl.DataFrame(
            {"symbol": [], "cap": [], "interest": []},
            {"symbol": pl.String, "cap": pl.Float64, "interest": pl.Float64},
        )
    return snapshot.group_by("symbol").agg(
        cap=pl.col("hourly_funding_rate_cap").first(), interest=pl.col("hourly_interest_rate").first()
    )


def _with_premium(theirs: pl.DataFrame, tables: Tables, rule: ProxyRule) -> pl.DataFrame:
    """Add `proxy_premium`: recorded at the same instant, else inverted from the print."""
    if rule == "level":
        return theirs
    per_8h = pl.col("funding_rate") * 8 / pl.col("interval_hours").cast(pl.Float64)
    interest, band = float(HYPERLIQUID_RULE.interest_8h), float(HYPERLIQUID_RULE.band)
    inverted = (
        pl.when((per_8h - interest).abs() < 1e-9)
        .then(IN_BAND_PREMIUM)
        .when(per_8h > interest)
        .then(per_8h + band)
        .otherwise(per_8h - band)
    )
    recorded = tables.get("premium")
    if recorded is None or not len(recorded):
        return theirs.with_columns(proxy_premium=inverted)
    known = recorded.filter((pl.col("venue") == "hyperliquid") & pl.col("kind").is_in(list(PREMIUM_KINDS)))
    minute = pl.col("ts").dt.round("1m")  # a print some ms late still is the print of its hour
    known = known.select("symbol", at=minute, recorded_premium="premium").unique(
        ["at", "symbol"], keep="first"
    )
    joined = theirs.with_columns(at=minute).join(
        known, on=["at", "symbol"], how="left", maintain_order="left"
    )
    return joined.with_columns(proxy_premium=pl.coalesce("recorded_premium", inverted))


def _renamed(table: pl.DataFrame, venue: str) -> pl.DataFrame:
    if "venue" not in table.columns or "hourly_funding_rate_cap" in table.columns:
        return table
    other = table.filter(pl.col("venue") != INJECTIVE)
    return other.with_columns(
        venue=pl.when(pl.col("venue") == venue).then(pl.lit(INJECTIVE)).otherwise(pl.col("venue"))
    )
