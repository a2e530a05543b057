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


def test_an_attempt_never_exceeds_what_was_approved():
    """An order that rests or is sent again at another price could be larger or dearer than the gate allowed."""
    whole = ApprovedIntent(INTENT, "ab" * 16, GateSeal())
    part = whole.attempt(1, Decimal("0.5"), Decimal("24.5"))
    assert (part.intent.quantity, part.intent.worst_price) == (Decimal("0.5"), Decimal("24.5"))
    assert part.client_id != whole.client_id
    assert whole.attempt(0, INTENT.quantity, INTENT.worst_price) == whole
    with pytest.raises(ValueError, match=r"1\.5 of 1 coins"):
        whole.attempt(1, Decimal("1.5"), Decimal(25))
    with pytest.raises(ValueError, match="worse than the approved"):
        whole.attempt(1, Decimal(1), Decimal("25.01"))
