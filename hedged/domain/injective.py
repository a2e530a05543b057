"""Injective's funding formula, and what of the coming rate is already decided.

```
each block with trades:  premium = (VWAP − mark) / mark;  cumPrice += (t − lastTs)·premium;  lastTs = t
at the hour:             T = lastTs + interval − next;    twap = T ? cumPrice / (T·24) : 0
                         rate = clamp(twap + hourlyInterest, ±hourlyCap);   payment per unit = rate·mark
```
Source: the exchange module of injective-core (release v1.18.x). A trade's premium is applied *backwards* over the whole
gap since the trade before, and T runs only to the last trade: in a silent market one late trade decides the hour.
"""

import math
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from hedged.domain.funding import clamp


@dataclass(frozen=True, slots=True)
class InjectiveRule:
    """Constants of one market. They differ by market and over time: read them from the chain, never assume."""

    hourly_interest: Decimal = Decimal("0.00000416666")
    hourly_cap: Decimal = Decimal("0.000625")
    interval_s: int = 3_600

    def rate_from_twap(self, mean_premium: Decimal) -> Decimal:
        """Return the hour's rate from the time-weighted mean premium of the hour (premium ÷ 24, plus interest)."""
        return clamp(mean_premium / 24 + self.hourly_interest, -self.hourly_cap, self.hourly_cap)


@dataclass(frozen=True, slots=True)
class FundingState:
    """The chain's accumulators within one interval. Times in seconds, UTC; `cum_price` in premium·seconds."""

    next_settlement_s: int
    cum_price: Decimal
    last_ts_s: int

    def interval_start_s(self, rule: InjectiveRule) -> int:
        """Return the instant at which the running interval began."""
        return self.next_settlement_s - rule.interval_s

    def after_trade(self, ts_s: int, premium: Decimal) -> "FundingState":
        """Return the state after a block with trades at `ts_s` whose VWAP stood `premium` above the mark."""
        if ts_s < self.last_ts_s:
            raise ValueError("trades arrive in time order")
        return FundingState(self.next_settlement_s, self.cum_price + (ts_s - self.last_ts_s) * premium, ts_s)

    def rate_if_no_more_trades(self, rule: InjectiveRule) -> Decimal:
        """Return the rate that would be charged if nobody traded again before the settlement."""
        elapsed_s = self.last_ts_s - self.interval_start_s(rule)
        return rule.rate_from_twap(self.cum_price / elapsed_s if elapsed_s > 0 else Decimal(0))

    def decided_share(self, rule: InjectiveRule) -> float:
        """Return the share of the interval whose premium is fixed: a lower bound on how much is decided."""
        return (self.last_ts_s - self.interval_start_s(rule)) / rule.interval_s


@dataclass(frozen=True, slots=True)
class RateDistribution:
    """A discrete law of a rate: `rates` ascending, `weights` summing to one; both (n,)."""

    rates: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Expected rate."""
        return float(self.rates @ self.weights)

    def quantile(self, level: float) -> float:
        """Return the smallest rate whose cumulative weight reaches `level` (0 … 1)."""
        index = int(np.searchsorted(np.cumsum(self.weights), level - 1e-12))
        return float(self.rates[min(index, len(self.rates) - 1)])

    def probability_above(self, rate: float) -> float:
        """Return P(rate > given)."""
        return float(self.weights[self.rates > rate].sum())


def nowcast(
    state: FundingState,
    rule: InjectiveRule,
    now_s: float,
    trades_per_s: float,
    premiums: NDArray[np.float64],
    points: int = 16,
) -> RateDistribution:
    """Return the law of the rate to be charged at `state.next_settlement_s`, as known at `now_s`.

    Two things are unknown: when the last trade before the settlement will happen, and its premium. Trades are taken
    as Poisson with intensity `trades_per_s`; `premiums` (m,) are equally likely values of the premium from now on
    (e.g. quantiles of a forecast), held for the rest of the hour. With U the last trade's time,
    P(U ≤ u) = exp(−intensity·(end − u)) and P(no further trade) = exp(−intensity·(end − now)).
    """
    start_s, end_s = state.interval_start_s(rule), state.next_settlement_s
    silent = math.exp(-trades_per_s * max(0.0, end_s - now_s))
    rates = [float(state.rate_if_no_more_trades(rule))]
    weights = [silent]
    if silent < 1.0:
        levels = silent + (1.0 - silent) * (np.arange(points) + 0.5) / points
        last_trade_s = end_s + np.log(levels) / trades_per_s  # (points,)
        cum = float(state.cum_price) + np.outer(last_trade_s - state.last_ts_s, premiums)  # (points, m)
        twap = cum / (last_trade_s - start_s)[:, None]
        cap = float(rule.hourly_cap)
        law = np.clip(twap / 24.0 + float(rule.hourly_interest), -cap, cap).ravel()
        rates.extend(law)
        weights.extend([(1.0 - silent) / law.size] * law.size)
    order = np.argsort(rates, kind="stable")
    return RateDistribution(np.asarray(rates)[order], np.asarray(weights)[order])
