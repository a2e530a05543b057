"""The record of a decision, where something went wrong."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from fakes import HASHES, intent, market

from hedged.domain.forecast import LEVELS, ForecastSet, RateForecast
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.execution.accounts import AccountState
from hedged.execution.decisions.rows import decision_rows, forecasters
from hedged.features.moments import Moments
from hedged.risk.gate import Refused, Review, Shrunk
from hedged.risk.verdict import Reason
from hedged.strategy.snapshot import Snapshot
from hedged.strategy.state import SymbolPlan

NOBODY = ForecastSet(0, 24, (), {}, np.empty((1, 0)), HASHES.model, HASHES.features)
HELD = {SeriesKey(INJECTIVE, "INJ"): Decimal("-481.136")}


def frozen(account: AccountState) -> dict:
    """Return the row of a symbol that could not be planned."""
    still = Moments(24, (), {}, {}, np.empty((0, 0)))
    snapshot = Snapshot(0, HASHES, NOBODY, still, account.own, account.attributed, {}, {}, {}, Decimal(1))
    return decision_rows(snapshot, [], {"INJ": "why"}, {}, Review(), account, account, {})["INJ"]


@pytest.mark.parametrize(
    ("account", "own"),
    [
        (AccountState(unknown={INJECTIVE: "no answer"}, attributed=HELD), None),
        (AccountState(own={"INJ": Decimal("8018.9")}, attributed=HELD), 8018.9),
        (AccountState(own={}), 0.0),
    ],
)
def test_a_position_that_is_not_told_is_unknown_not_zero(account: AccountState, own: float | None) -> None:
    """If this fails, the journal says that nothing was held while the venue was only silent."""
    assert frozen(account)["own_quantity"] == own


def test_a_decision_says_whose_forecast_it_rests_on() -> None:
    """If this fails, a market with days of history is hedged, or left alone, without a word on why."""
    here, there, away = (SeriesKey(venue, "INJ") for venue in (INJECTIVE, "binance", "bybit"))
    markets = dict.fromkeys((here, there, away, SeriesKey("binance", "ETH")))

    def text(keys: tuple[SeriesKey, ...], made_by: dict[SeriesKey, str]) -> str:
        return forecasters("INJ", replace(NOBODY, keys=keys, made_by=made_by), markets)

    assert text((here, there, away), dict.fromkeys((here, there, away), "ensemble")) == ""
    assert text((here, there, away), {here: "ewma", there: "ensemble", away: "ewma"}) == (
        "; forecast by ewma, as history is short: bybit, injective"
    )
    assert text((here, there, away), dict.fromkeys((here, there, away), "ewma")) == (
        "; forecast by ewma, which stands in for the model: binance, bybit, injective"
    )
    assert text((here,), {here: "ensemble"}) == "; no forecast yet: binance, bybit"


def test_a_decision_says_what_the_gate_made_of_it() -> None:
    """If this fails, an operator sees a smaller hedge than planned, or none, and not why."""
    key, away = SeriesKey(INJECTIVE, "INJ"), SeriesKey("binance", "INJ")
    law = RateForecast(key, 0, 24, 0.0, np.zeros(len(LEVELS)), 0.5)
    made = ForecastSet(0, 24, (key, away), {key: law}, np.zeros((1, 2)), HASHES.model, HASHES.features)
    still = Moments(24, (), {}, {}, np.empty((0, 0)))
    account = AccountState(own={"INJ": Decimal(100)})
    snapshot = Snapshot(
        0, HASHES, made, still, account.own, {}, {key: Decimal(100)}, {key: market(key)}, {}, Decimal(1)
    )
    plan = SymbolPlan("INJ", 0.0, {}, (), (0.0, 0.0, 0.0), 0.0, 0.0, 1.0, 0.5, "grow")
    order = intent(away, -120)
    answer = Review(
        refused=(Refused(order, Reason.OVER_CAP, "40 % of 100 INJ"),),
        shrunk=(Shrunk(order, Decimal(41), Reason.TOO_DEEP, "25 % of the 16,400 USD within 50 bp"),),
    )
    row = decision_rows(snapshot, [plan], {}, {}, answer, account, account, {})["INJ"]
    assert row["reason"] == (
        "grow; the gate refused: over_cap (40 % of 100 INJ); the gate: binance shrunk from 12,000 to 4,100 USD: "
        "too_deep (25 % of the 16,400 USD within 50 bp)"
    )
