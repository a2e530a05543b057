"""CoinGecko (docs.coingecko.com): what the venues' perpetuals traded in 24 hours.

One request a venue: `/derivatives/exchanges/{id}?include_tickers=unexpired`. The volume is a rolling day's; a bar gets
its even share, as a daily candle does in recorded data. Quantities come in the venue's own unit, contracts at some, so
coins are USD ÷ last price.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hedged.collectors.outside.coinglass import MISSED, number
from hedged.collectors.outside.http import JsonApi, KeyRefused
from hedged.collectors.outside.readings import Reading, Readings
from hedged.config.outside import CoinGeckoConfig
from hedged.domain.bars import Field
from hedged.domain.clock import DAY_MS, HOUR_MS, SECOND_MS, Clock
from hedged.domain.errors import Rejected, Retryable
from hedged.domain.market import SeriesKey

URLS = {"demo": "https://api.coingecko.com/api/v3", "pro": "https://pro-api.coingecko.com/api/v3"}
HEADERS = {"demo": "x-cg-demo-api-key", "pro": "x-cg-pro-api-key"}
SILENT_MS = HOUR_MS
"""A ticker that has not traded for this long is not told of."""


def day_volumes(answer: Any, symbols: Sequence[str], now_ms: int) -> dict[str, float]:
    """Return the coins traded in 24 hours of the linear USDT perpetuals, by symbol.

    Raises Retryable for an answer that is none.
    """
    told = answer.get("tickers") if isinstance(answer, dict) else None
    if isinstance(told, dict):  # some answers wrap the list once more
        told = told.get("tickers")
    if not isinstance(told, list):
        raise Retryable("an answer without tickers")
    found = {}
    for row in told:
        if not isinstance(row, dict) or row.get("base") not in symbols or row.get("target") != "USDT":
            continue
        volume, last = _usd(row, "converted_volume"), _usd(row, "converted_last")
        traded_s = number(row.get("last_traded"))
        if row.get("contract_type") != "perpetual" or volume is None or not last or traded_s is None:
            continue
        if volume >= 0 and last > 0 and now_ms - traded_s * SECOND_MS <= SILENT_MS:
            found[str(row["base"])] = volume / last
    return found


def _usd(row: Mapping[str, Any], name: str) -> float | None:
    inner = row.get(name)
    return number(inner.get("usd")) if isinstance(inner, dict) else None


class CoinGecko:
    """Asks for the perpetuals of each venue."""

    name = "coingecko"

    def __init__(
        self, api: JsonApi, config: CoinGeckoConfig, clock: Clock, readings: Readings, bar_ms: int
    ) -> None:
        self._api, self._config, self._clock, self._readings = api, config, clock, readings
        self._bar_ms = bar_ms
        self._life_ms = MISSED * config.period_s * SECOND_MS

    async def ask(self, symbols: Sequence[str], venues: Sequence[str]) -> None:
        """Take one round. An exchange it does not know is left out; raises Rejected when it knows none of them."""
        asked = {venue: name for venue, name in self._config.exchanges.items() if venue in venues}
        known, refused = 0, None
        for venue, exchange in asked.items():
            try:
                answer = await self._api.get(
                    f"/derivatives/exchanges/{exchange}", lambda told: day_volumes(told, symbols, self._clock.now_ms()),
                    include_tickers="unexpired",
                )  # fmt: skip
                known += 1
            except KeyRefused:
                raise
            except Rejected as error:
                refused = error
                continue
            now_ms = answer.received_ms
            for symbol, coins in answer.data.items():
                share = Reading(now_ms, now_ms, now_ms + self._life_ms, coins * self._bar_ms / DAY_MS)
                self._readings.put(SeriesKey(venue, symbol), Field.VOLUME, [share])
        self._api.forget()
        if refused is not None and not known:
            raise refused
