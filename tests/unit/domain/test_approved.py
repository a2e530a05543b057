"""The approved intent: nothing reaches a venue that the gate has not sealed."""

from dataclasses import FrozenInstanceError
from decimal import Decimal

import pytest

from hedged.domain.approved import ApprovedIntent, GateSeal
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Hashes, Intent, Purpose, Side

INTENT = Intent(
    0,
    SeriesKey("binance", "INJ"),
    Side.BUY,
    Decimal(1),
    Decimal(25),
    Decimal(25),
    Purpose.HEDGE_OPEN,
    False,
    Hashes("m", "f", "c"),
)


@pytest.mark.parametrize("forged", [None, True, "seal", object(), GateSeal])
def test_without_a_seal_there_is_no_approval(forged):
    """Code that skips the gate could still build what the adapters accept."""
    with pytest.raises(TypeError, match="risk gate"):
        ApprovedIntent(INTENT, "cid", forged)


def test_an_approval_cannot_be_changed_afterwards():
    """An order could be approved small and sent large."""
    approved = ApprovedIntent(INTENT, "cid", GateSeal())
    with pytest.raises(FrozenInstanceError):
        approved.client_id = "other"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        approved.intent.quantity = Decimal(1_000)  # type: ignore[misc]
