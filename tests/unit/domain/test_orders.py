"""Orders: the client id that survives a restart, and what an execution lost against the mark."""

import subprocess
import sys
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Execution, Fill, Hashes, Intent, Purpose, Side, attempt_id, tag

KEY = SeriesKey(INJECTIVE, "INJ")
INTENT = Intent(
    cycle_ts_ms=1_756_684_800_000,
    key=KEY,
    side=Side.SELL,
    quantity=Decimal("1.5"),
    worst_price=Decimal("24.9"),
    reference_price=Decimal(25),
    purpose=Purpose.OWN_CUT,
    reduce_only=True,
    hashes=Hashes("m", "f", "c"),
)
ELSEWHERE = """
from decimal import Decimal
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Hashes, Intent, Purpose, Side, attempt_id
intent = Intent(1_756_684_800_000, SeriesKey("injective", "INJ"), Side.SELL, Decimal("1.5"), Decimal("24.9"),
                Decimal(25), Purpose.OWN_CUT, True, Hashes("m", "f", "c"))
print(attempt_id(intent.client_id("paper"), 1))
"""


@pytest.mark.parametrize("salt", ["0", "1"])
def test_another_process_derives_the_same_client_id(salt):
    """After a restart the order could not be looked up, and would be sent a second time."""
    run = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": salt},
    )
    assert run.stdout.strip() == attempt_id(INTENT.client_id("paper"), 1)


def test_every_order_has_its_own_client_id():
    """Two different orders would share an id: the venue refuses the second, or the journal merges them."""
    intents = [
        INTENT,
        replace(INTENT, cycle_ts_ms=INTENT.cycle_ts_ms + 900_000),
        replace(INTENT, side=Side.BUY),
        replace(INTENT, key=SeriesKey("binance", "INJ")),
        replace(INTENT, quantity=Decimal("1.6")),
        replace(INTENT, purpose=Purpose.STOP),
    ]
    ids = [
        attempt_id(i.client_id(account), attempt)
        for i in intents
        for account in ("a", "b")
        for attempt in range(3)
    ]
    assert len(set(ids)) == len(ids)


def test_equal_intents_have_equal_client_ids():
    """A venue that spells its step 0.10 instead of 0.1 after a restart would make the same order look new."""
    spelled = replace(INTENT, quantity=Decimal("1.500"))
    assert spelled == INTENT
    assert spelled.client_id("paper") == INTENT.client_id("paper")


@given(st.text(max_size=80), st.integers(0, 10_000))
def test_a_client_id_fits_every_venue(account, attempt):
    """Injective refuses a cid of more than 36 characters, some CEXs anything but letters and digits."""
    client_id = attempt_id(INTENT.client_id(account), attempt)
    assert len(client_id) <= 36
    assert client_id.isalnum()
    assert client_id.startswith(tag(account))


@pytest.mark.parametrize(
    ("side", "price", "lost"),
    [
        (Side.BUY, "25.1", "0.2"),
        (Side.SELL, "24.9", "0.2"),
        (Side.BUY, "24.9", "-0.2"),
        (Side.SELL, "25.1", "-0.2"),
    ],
)
def test_a_worse_price_is_a_cost_on_both_sides(side, price, lost):
    """The shortfall of sells would be booked as a gain, and hedging would look cheaper than it is."""
    execution = Execution(0, KEY, "x", "cid", side, Decimal(2), Decimal(price), Decimal(0))
    assert Fill(execution, Purpose.HEDGE_OPEN, Decimal(25)).spread_usd == Decimal(lost)


def test_a_sell_makes_the_position_smaller():
    """The sign of an order would be lost between the plan and the exposure that the gate checks."""
    assert INTENT.signed_quantity == Decimal("-1.5")
    assert INTENT.notional_usd == Decimal("37.5")
