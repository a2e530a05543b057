"""What a cycle's report becomes as metrics."""

import numpy as np
from prometheus_client import generate_latest

from hedged.domain.forecast import ForecastSet
from hedged.domain.market import SeriesKey
from hedged.telemetry.metrics import Metrics
from hedged.telemetry.publish import publish_forecasters

KEYS = tuple(SeriesKey(venue, "INJ") for venue in ("injective", "binance", "bybit", "okx"))


def test_series_are_counted_by_who_forecast_them() -> None:
    """If this fails, an operator does not see that half of the book rests on the stand-in, or on nobody."""
    metrics = Metrics()

    def counts(made_by: dict[SeriesKey, str]) -> dict[str, float]:
        keys = tuple(made_by)
        made = ForecastSet(0, 24, keys, {}, np.empty((1, len(keys))), "m", "f", made_by)
        publish_forecasters(made, metrics, KEYS, "ensemble")
        lines = generate_latest(metrics.registry).decode().splitlines()
        told = [line for line in lines if line.startswith("hedged_forecast_series{")]
        return {line.split('"')[1]: float(line.split()[-1]) for line in told}

    assert counts({KEYS[0]: "ensemble", KEYS[1]: "ewma"}) == {"ensemble": 1, "ewma": 1, "none": 2}
    assert counts(dict.fromkeys(KEYS, "ensemble")) == {"ensemble": 4, "ewma": 0, "none": 0}
