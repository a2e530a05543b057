"""A small data directory in memory with several venues, intervals and coins, as series and as tables."""

from functools import cache

import numpy as np
import polars as pl
from small_tables import candles, funding, of

HOURS = 24 * 75


def tables(seed: int = 0, hours: int = HOURS) -> dict[str, pl.DataFrame]:
    """Two coins on an hourly, an 8 h and a 4 h venue; every table that features read. The dict is the caller's."""
    return dict(_tables(seed, hours))


@cache
def _tables(seed: int, hours: int) -> dict[str, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    fund, bars, interest, premium, depth, forced, ratio, signals, estimates = ([] for _ in range(9))
    for c, coin in enumerate(("BTC", "ETH")):
        path = np.cumsum(rng.normal(0, 1e-6, hours)) + 1.25e-5
        price = 100.0 * (c + 1) * np.exp(np.cumsum(rng.normal(0, 0.004, hours)))
        for venue, step, quote in (("hyperliquid", 1, "USDC"), ("binance", 8, "USDT"), ("bybit", 4, "USDT")):
            noise = rng.normal(0, 5e-7, hours)
            for h in range(0, hours, step):
                rate = 1.25e-5 if rng.random() < 0.4 else path[h] + noise[h]
                fund.append((float(h), venue, coin, quote, float(rate * step), float(step), None))
            for h in range(hours):
                close = float(price[h] * (1 + noise[h] * 100))
                bars.append((float(h), venue, coin, "perp", "1h", close, float(rng.uniform(1, 9))))
            for h in range(0, hours, 2):
                interest.append((float(h), venue, coin, "1h", float(1_000 + h + rng.uniform(0, 50))))
                premium.append((float(h), venue, coin, "venue" if step == 1 else "perp_close_vs_index",
                                float(rng.normal(1e-4, 3e-4))))  # fmt: skip
                depth.append((float(h), venue, coin, float(rng.uniform(1e5, 9e5))))
                ratio.append((float(h), venue, coin, float(rng.uniform(0.5, 2))))
                estimates.append((float(h), venue, coin, float(rng.normal(1e-5, 1e-6)), float(step),
                                  float(h - h % step + step)))  # fmt: skip
            for h in range(0, hours, 24):
                forced.append((float(h), venue, coin, "1d", float(rng.uniform(1e3, 1e5))))
            for h in range(0, hours, 6):
                for name in ("wallet_concentration", "sentiment", "macro"):
                    signals.append((float(h), venue, coin, name, float(rng.uniform(0, 1))))
    return {
        "funding": funding(*fund), "ohlcv": candles(*bars), "open_interest": of("open_interest", *interest),
        "premium": of("premium", *premium), "liquidity": of("liquidity", *depth),
        "liquidations": of("liquidations", *forced), "long_short": of("long_short", *ratio),
        "estimates": of("estimates", *estimates), "signals": of("signals", *signals),
    }  # fmt: skip
