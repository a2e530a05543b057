"""What `hedged sandbox` prints of a block: the accounts of people, not the crowd's."""

from decimal import Decimal

from hedged.sandbox.injective.book import Order, OrderType
from hedged.sandbox.injective.events import (
    BlockEvents,
    Execution,
    FundingPaid,
    FundingUpdate,
    OrderFailure,
    OrderUpdate,
    Trade,
    TxSummary,
    Update,
)
from hedged.sandbox.injective.funding import Settled
from hedged.sandbox.injective.narration import narrate

OURS, HOUSE = "0x" + "1" * 40 + "0" * 24, "0x" + "e" * 40 + "0" * 24
SYMBOLS = {"0xm": "INJ"}


def trade(subaccount: str, execution: Execution = Execution.MARKET) -> Trade:
    return Trade(
        *("5_0", 0, "0xm", "INJ", subaccount, "0xh", "mine", ""),
        *(False, execution, Decimal("2.5"), Decimal("14.25"), Decimal(0)),
        *(Decimal("0.0178"), Decimal(3), Decimal("-1.5"), False, subaccount == HOUSE),
    )


def test_a_block_becomes_lines_without_the_crowd() -> None:
    """If this fails, an operator does not see what happened to his account, or drowns in what happened to others."""
    order = Order(
        "0xh",
        "0xm",
        OURS,
        "mine",
        OrderType.BUY_PO,
        Decimal(14),
        Decimal(3),
        Decimal(9),
        "",
        False,
        fillable=Decimal(2),
    )
    settled = Settled(5, Decimal("0.0001"), Decimal(1), Decimal(14))
    events = BlockEvents(
        height=5,
        time_ms=1_700_000_000_000,
        transactions=[
            TxSummary("AB" * 32, "inj1" + "q" * 38, ("MsgBatchUpdateOrders",), "sdk", 11, "out of gas")
        ],
        trades=[trade(OURS), trade(HOUSE), trade(OURS, Execution.LIQUIDATION)],
        orders=[
            OrderUpdate(Update.BOOKED, order, Decimal(2)),
            OrderUpdate(Update.MATCHED, order, Decimal(2)),
        ],
        failures=[OrderFailure("inj1" + "q" * 38, "0xh", "other", 59)],
        funding=[
            FundingUpdate("0xm", "INJ", Decimal(1), Decimal(0), 5, None),
            FundingUpdate(
                "0xm",
                "INJ",
                Decimal(1),
                Decimal(0),
                5,
                settled,
            ),
        ],
        payments=[FundingPaid("0xm", "INJ", who, 5, Decimal(-7), Decimal("0.25")) for who in (OURS, HOUSE)],
    )
    lines = [line.split("#5 ")[1] for line in narrate(events, SYMBOLS, frozenset({HOUSE}))]
    assert [line.split()[0] for line in lines] == [
        "TX",
        "BOOKED",
        "ORDER",
        "FILL",
        "LIQUIDATED",
        "FUNDING",
        "received",
    ]
    assert lines[0].endswith("FAILED sdk 11: out of gas")
    assert lines[1] == "BOOKED INJ buy 2 @ 14 · cid mine"
    assert lines[3] == "FILL INJ sell 2.5 @ 14.25 · taker · fee 0.0178 USDT · PnL -1.5000 · cid mine"
    assert lines[5].startswith("FUNDING INJ +0.0100000% per hour")
    assert lines[6].startswith("received 0.250000 USDT of funding on -7 INJ")
