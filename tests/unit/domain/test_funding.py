"""What funding costs: the venue's own examples, signs, and the premium formula forwards and backwards."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.funding import HYPERLIQUID_RULE, FundingRate, PremiumRule, Settlement, funding_payment
from hedged.domain.market import INJECTIVE, SeriesKey

KEY = SeriesKey(INJECTIVE, "INJ")
CAP = Decimal("0.02")

quantities = st.decimals(-10_000, 10_000, places=3)
premiums = st.decimals("-0.05", "0.05", places=7)
intervals_h = st.sampled_from([Decimal(1), Decimal(2), Decimal(4), Decimal(8)])


def print_of(rate: str, price: str = "25") -> Settlement:
    return Settlement(
        KEY, 1_756_684_800_000, FundingRate(INJECTIVE, Decimal(rate), Decimal(1)), Decimal(price)
    )


def paid(notional_usd: str, rate: str) -> Decimal:
    """Payment on a signed notional at 25 USD."""
    return funding_payment(Decimal(notional_usd) / 25, print_of(rate)).payment_usd


def test_requirement_d2_to_the_cent():
    """Injective's own example would not come out: 10,000 USD at +0.02 % is 2 USDT from the long to the short."""
    assert paid("10000", "0.0002") == Decimal(-2)
    assert paid("-10000", "0.0002") == Decimal(2)


def test_requirement_d3_to_the_cent():
    """Injective's second example would not come out: 20,000 USD at −0.0035 % is 0.7 USDT from the short to the long."""
    assert paid("-20000", "-0.000035") == Decimal("-0.7")
    assert paid("20000", "-0.000035") == Decimal("0.7")


@pytest.mark.parametrize(
    ("notional_usd", "rate", "sign"),
    [("1000", "0.001", -1), ("-1000", "0.001", 1), ("1000", "-0.001", 1), ("-1000", "-0.001", -1)],
)
def test_who_pays(notional_usd, rate, sign):
    """A side would be booked as receiving what it pays: every hedge would then double the cost."""
    payment = paid(notional_usd, rate)
    assert payment * sign == 1


@given(quantities, quantities, st.decimals("-0.01", "0.01", places=6))
def test_payment_is_linear_in_the_quantity(a, b, rate):
    """Splitting a position would change what it costs, and own part plus hedge would not add up to the account."""
    settlement = print_of(str(rate))

    def pay(quantity: Decimal) -> Decimal:
        return funding_payment(quantity, settlement).payment_usd

    assert pay(a + b) == pay(a) + pay(b)
    assert pay(3 * a) == 3 * pay(a)


def test_payment_uses_the_printed_rate_not_the_hourly_one():
    """An 8-hour print would be paid at an eighth: the settlement charges the whole interval at once."""
    settlement = Settlement(KEY, 0, FundingRate("binance", Decimal("0.0008"), Decimal(8)), Decimal(100))
    assert funding_payment(Decimal(10), settlement).payment_usd == Decimal("-0.8")


def test_rates_of_different_intervals_compare_per_hour():
    """0.01 % per 8 h would look eight times dearer than the same price quoted hourly."""
    eight = FundingRate("binance", Decimal("0.0001"), Decimal(8))
    one = FundingRate(INJECTIVE, Decimal("0.0000125"), Decimal(1))
    assert eight.per_hour == one.per_hour
    assert eight != one


def test_rates_have_no_order_of_their_own():
    """`rate_a < rate_b` would compile and compare an hourly with an 8-hourly number."""
    eight = FundingRate("binance", Decimal("0.0001"), Decimal(8))
    one = FundingRate(INJECTIVE, Decimal("0.00005"), Decimal(1))
    with pytest.raises(TypeError):
        assert one < eight  # type: ignore[operator]


@pytest.mark.parametrize("interval_h", ["0", "-1"])
def test_an_interval_is_positive(interval_h):
    """A venue's missing interval (0) would become a division by zero, or a flipped sign, deep in the planner."""
    with pytest.raises(ValueError, match="positive"):
        FundingRate("okx", Decimal("0.0001"), Decimal(interval_h))


@given(st.decimals("-0.0004", "0.0006", places=7))
def test_inside_the_dead_band_only_interest_is_paid(premium):
    """A premium within 5 bp of the interest would move the rate; at the venues it does not."""
    assert HYPERLIQUID_RULE.rate(premium) == Decimal("0.0001") / 8


@pytest.mark.parametrize(
    ("premium", "rate_8h"),
    [("0.0006", "0.0001"), ("0.0016", "0.0011"), ("-0.0004", "0.0001"), ("-0.0014", "-0.0009")],
)
def test_beyond_the_dead_band_the_excess_counts(premium, rate_8h):
    """The band's edge would be off: outside it the rate is the premium less (plus) half the band."""
    rule = PremiumRule(interval_h=Decimal(8), cap=CAP)
    assert rule.rate(Decimal(premium)) == Decimal(rate_8h)


@given(premiums)
def test_the_rate_scales_with_the_interval(premium):
    """A market that moves from 8 h to 4 h or 1 h would be charged a wrong multiple per hour."""
    by_hours = {h: PremiumRule(interval_h=Decimal(h), cap=Decimal(1)).rate(premium) for h in (1, 4, 8)}
    assert by_hours[8] == 2 * by_hours[4] == 8 * by_hours[1]


@given(st.decimals(-1, 1, places=6), intervals_h)
def test_the_cap_bounds_the_print_itself(premium, interval_h):
    """A forecast could exceed what the venue can charge: the cap holds per print, after scaling, on both sides."""
    rate = PremiumRule(interval_h=interval_h, cap=CAP).rate(premium)
    assert -CAP <= rate <= CAP
    if abs(premium) > Decimal("0.5"):
        assert abs(rate) == CAP


@given(premiums, premiums, intervals_h)
def test_the_rate_never_falls_when_the_premium_rises(a, b, interval_h):
    """A kink of the band or of the clamp would reverse the direction of a forecast."""
    rule = PremiumRule(interval_h=interval_h, cap=CAP)
    low, high = sorted((a, b))
    assert rule.rate(low) <= rule.rate(high)


@given(premiums.filter(lambda p: abs(p - Decimal("0.0001")) > Decimal("0.00051")), intervals_h)
def test_invert_undoes_rate_outside_the_band(premium, interval_h):
    """Premiums rebuilt from printed rates would be wrong, and with them every model trained on them."""
    rule = PremiumRule(interval_h=interval_h, cap=Decimal(1))
    assert abs(rule.invert(rule.rate(premium), Decimal(0)) - premium) < Decimal("1e-20")


@given(st.decimals("-0.0004", "0.0006", places=7), intervals_h)
def test_invert_inside_the_band_says_what_it_was_told(premium, interval_h):
    """A print at the bare interest would be read as a premium at the band's edge, though it says nothing of it."""
    rule = PremiumRule(interval_h=interval_h, cap=Decimal(1))
    assert rule.invert(rule.rate(premium), Decimal("0.000123")) == Decimal("0.000123")
