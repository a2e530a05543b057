"""The operator's own quantity N: whatever the daemon did, it is what the operator holds."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.book import own_quantity
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Execution, Fill, Purpose, Side

INJ = SeriesKey(INJECTIVE, "INJ")
BINANCE_INJ = SeriesKey("binance", "INJ")


def fill(change: Decimal, key: SeriesKey = INJ, purpose: Purpose = Purpose.OWN_CUT) -> Fill:
    side = Side.BUY if change > 0 else Side.SELL
    execution = Execution(0, key, "x", "cid", side, abs(change), Decimal(20), Decimal(0))
    return Fill(execution, purpose, Decimal(20))


def attributed_quantity(fills: list[Fill]) -> dict[SeriesKey, Decimal]:
    """Sum of the daemon's own signed fills by market: what the journal attributes to it."""
    total: dict[SeriesKey, Decimal] = {}
    for one in fills:
        total[one.key] = total.get(one.key, Decimal(0)) + one.signed_quantity
    return total


def test_a_cut_of_forty_leaves_n_at_a_hundred():
    """After a cut the exposure would look smaller, and the next cycle would cut 40 % of the rest, and so on."""
    attributed = attributed_quantity([fill(Decimal(-40))])
    assert own_quantity(Decimal(60), attributed[INJ]) == 100


def test_hedges_elsewhere_do_not_touch_n():
    """A short at Binance would be taken for a cut at Injective."""
    attributed = attributed_quantity([fill(Decimal(-40), BINANCE_INJ, Purpose.HEDGE_OPEN)])
    assert attributed == {BINANCE_INJ: Decimal(-40)}
    assert own_quantity(Decimal(100), attributed.get(INJ, Decimal(0))) == 100


steps = st.lists(
    st.tuples(
        st.sampled_from(["cut", "restore", "manual", "flip", "hedge"]),
        st.decimals("0.001", 1, places=3),
    ),
    max_size=40,
)


@given(st.decimals(-1_000, 1_000, places=2), steps)
def test_no_sequence_of_cuts_and_manual_trades_changes_n(start, moves):
    """N would drift with the daemon's own trades, so the 40 % cap would be taken of a wrong or shrinking number."""
    n = venue = start
    fills: list[Fill] = []
    for what, share in moves:
        attributed = attributed_quantity(fills).get(INJ, Decimal(0))
        change = Decimal(0)
        if what == "cut":  # towards 40 % of what N *looks* like, as the planner would
            change = -own_quantity(venue, attributed) * Decimal("0.4") * share - attributed
        elif what == "restore":
            change = -attributed * share
        elif what == "manual":
            n += 100 * share
            venue += 100 * share
        elif what == "flip":
            venue, n = venue - 2 * n, -n
        else:
            fills.append(fill(share, BINANCE_INJ, Purpose.HEDGE_OPEN))
        if change:
            fills.append(fill(change, purpose=Purpose.OWN_CUT if what == "cut" else Purpose.OWN_RESTORE))
            venue += change
        attributed = attributed_quantity(fills).get(INJ, Decimal(0))
        assert own_quantity(venue, attributed) == n
        if what == "cut":
            assert abs(attributed) <= abs(n) * Decimal("0.4")
