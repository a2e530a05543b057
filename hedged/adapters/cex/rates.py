"""What an exchange says of all its markets at once: running funding estimates, schedule, marks, indices."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hedged.adapters.cex.exchanges import Profile
from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS


@dataclass(frozen=True, slots=True)
class Rate:
    """One market's present. `values` are as bars hold them: rates per hour, coins, USD."""

    values: Mapping[Field, float]
    next_ms: int | None
    interval_h: float | None


async def fetch_rates(
    exchange: Any, profile: Profile, interval_of: Mapping[str, float], quote: str
) -> dict[str, Rate]:
    """Ask for every market, by ccxt's symbol. `interval_of`: hours where a rate does not tell them.

    Raises whatever ccxt raises.
    """
    rows = await exchange.fetch_funding_rates()
    marks: Mapping[str, Any] = {}
    indices: Mapping[str, float] = {}
    if any(row.get("markPrice") is None for row in rows.values()) and exchange.has.get("fetchMarkPrices"):
        marks = await exchange.fetch_mark_prices()
    if profile.family == "okx":
        indices = await _okx_indices(exchange, quote)
    found = {}
    for name, row in rows.items():
        mark = row.get("markPrice") or (marks.get(name) or {}).get("markPrice")
        index = row.get("indexPrice") or indices.get(name)
        found[name] = _rate(row, profile, mark, index, interval_of.get(name))
    return found


def _rate(
    row: Mapping[str, Any], profile: Profile, mark: Any, index: Any, interval_known_h: float | None
) -> Rate:
    info = row.get("info") or {}
    interval_h = hours_of(row) or interval_known_h or profile.usual_interval_h
    values: dict[Field, float] = {}
    if row.get("fundingRate") is not None and interval_h:
        values[Field.FUNDING_ESTIMATE] = float(row["fundingRate"]) / interval_h
    if mark:
        values[Field.MARK] = float(mark)
    if index:
        values[Field.INDEX] = float(index)
    if info.get("premium"):  # OKX
        values[Field.PREMIUM] = float(info["premium"])
    if info.get("openInterest"):  # Bybit, in coins
        values[Field.OPEN_INTEREST] = float(info["openInterest"])
    told = row.get("fundingTimestamp")
    return Rate(values, int(told) if told else None, interval_h)


def hours_of(row: Mapping[str, Any]) -> float | None:
    """Return the hours of the coming interval that ccxt's rate tells; None where it does not."""
    hours = (row.get("info") or {}).get(
        "fundingIntervalHour"
    )  # Bybit, newer than what ccxt remembers of the market
    if hours:
        return float(hours)
    text = row.get("interval")
    if text and str(text).endswith("h"):
        return float(str(text)[:-1])
    due, after = row.get("fundingTimestamp"), row.get("nextFundingTimestamp")
    return (after - due) / HOUR_MS if due and after and after > due else None


async def fetch_intervals(exchange: Any) -> dict[str, float]:
    """Return the hours of the intervals that are told apart from the rates, by ccxt's symbol."""
    if not exchange.has.get("fetchFundingIntervals"):
        return {}
    rows = await exchange.fetch_funding_intervals()
    return {name: hours for name, row in rows.items() if (hours := hours_of(row)) is not None}


async def _okx_indices(exchange: Any, quote: str) -> dict[str, float]:
    """Return OKX's index prices by ccxt's symbol of the perpetual on them."""
    answer = await exchange.publicGetMarketIndexTickers({"quoteCcy": quote})
    prices = {row["instId"]: float(row["idxPx"]) for row in answer["data"] if row.get("idxPx")}
    return {
        name: prices[market["info"]["uly"]]
        for name, market in exchange.markets.items()
        if market.get("swap") and market["info"].get("uly") in prices
    }
