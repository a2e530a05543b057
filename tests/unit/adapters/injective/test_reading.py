"""Pure parts of reading Injective, over the whole range of what may come."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pyinjective.proto.exchange import injective_derivative_exchange_rpc_pb2 as indexer_pb2
from pyinjective.proto.injective.exchange.v2 import exchange_pb2

from hedged.adapters.injective.address import subaccount_id
from hedged.adapters.injective.board import Ticker
from hedged.adapters.injective.markets import MarketState, Perpetual, by_symbol
from hedged.adapters.injective.positions import Holding, read_holding
from hedged.adapters.injective.prints import Print, Prints, certain, charged, dues, read_prints
from hedged.adapters.injective.tape import Tape
from hedged.adapters.injective.units import coins_from_chain, from_chain, quote
from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS, SECOND_MS
from hedged.domain.errors import ConfigError
from hedged.domain.injective import FundingState, InjectiveRule
from hedged.domain.market import INJECTIVE, Costs, Market, SeriesKey

HOUR_S = 3_600
START_MS = 500_000 * HOUR_MS
RULE = InjectiveRule()
COSTS = Costs(Decimal(0), Decimal(0), Decimal("0.0001"), Decimal(1_000))


def perpetual(ticker: str = "BTC/USDT PERP", market_id: str = "0x1") -> Perpetual:
    key = SeriesKey(INJECTIVE, ticker.partition("/")[0])
    one = Decimal("0.01")
    market = Market(key, one, one, Decimal(1), Decimal("0.05"), Decimal("0.02"), COSTS)
    return Perpetual(market_id, ticker, market, RULE, "usdt", 6, Decimal("0.1"), None, ("a", "b"))


def state(
    at_s: int, *, next_s: int = HOUR_S, cum: str = "0", last_s: int = 0, mark: str = "100"
) -> MarketState:
    """A state received `at_s` after the start; times in seconds from there."""
    start_s = START_MS // SECOND_MS
    funding = FundingState(start_s + next_s, Decimal(cum), start_s + last_s)
    received_ms = START_MS + at_s * SECOND_MS
    return MarketState(
        received_ms, Decimal(mark), received_ms, funding, Decimal(0), Decimal("99.9"), Decimal("100.1")
    )


@given(st.integers(-(10**40), 10**40), st.integers(0, 18))
def test_numbers_keep_every_digit(units: int, places: int) -> None:
    """If this fails, large deposits or small rates are rounded on their way in: the usual context has 28 digits."""
    for read, exponent in ((from_chain(str(units)), 18), (coins_from_chain(str(units), places), 18 + places)):
        assert read.as_tuple().digits == Decimal(units).as_tuple().digits
        assert read.as_tuple().exponent == -exponent


@pytest.mark.parametrize("text", ["", "NaN", "Infinity", "1,5", "abc"])
def test_what_is_no_number_is_refused(text: str) -> None:
    """If this fails, a missing field counts as zero."""
    with pytest.raises((ValueError, ArithmeticError)):
        quote(text, 6)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("inj14au322k9munkmx5wrchz9q30juf5wjgz2cfqkv", "checksum"),
        ("inj14au322k9munkmx5wrchz9q30juf5wjgz2cfqk", "checksum"),
        ("", "checksum"),
        ("cosmos1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqnrql8a", "no Injective account"),
    ],
)
def test_a_mistyped_address_is_refused(address: str, why: str) -> None:
    """If this fails, somebody else's book, or nobody's, is protected."""
    with pytest.raises(ConfigError, match=why):
        subaccount_id(address, 0)


def test_a_subaccount_is_the_address_and_its_index() -> None:
    """If this fails, another subaccount's positions are read."""
    own = subaccount_id("inj14au322k9munkmx5wrchz9q30juf5wjgz2cfqku", 5)
    assert own == "0xaf79152ac5df276d9a8e1e2e22822f9713474902000000000000000000000005"


def test_one_market_a_coin_and_usdt_first() -> None:
    """If this fails, a coin's funding is read from the small market beside the main one."""
    found = by_symbol([perpetual("BTC/AUSD PERP", "0x0"), perpetual(), perpetual("INJ/USDC PERP", "0x2")])
    assert {symbol: p.ticker for symbol, p in found.items()} == {
        "BTC": "BTC/USDT PERP",
        "INJ": "INJ/USDC PERP",
    }


@given(
    st.booleans(),
    st.decimals(min_value="0.001", max_value=1000, places=3),
    st.decimals(min_value=1, max_value=1000, places=2),
    st.decimals(min_value="0.02", max_value=1, places=2),
    st.decimals(min_value=-5, max_value=5, places=4),
)
def test_at_its_liquidation_price_a_position_has_its_maintenance_margin_left(
    long: bool, quantity: Decimal, entry: Decimal, share: Decimal, funding: Decimal
) -> None:
    """If this fails, the daemon believes positions safer or nearer to their end than the chain does."""
    signed = quantity if long else -quantity
    holding = Holding(signed, entry, entry * quantity * share, Decimal(0))
    price = holding.liquidation_price(Decimal("0.02"), funding)
    assume(price > 0)
    left = holding.equity_usd(price, funding)
    assert left == pytest.approx(
        price * quantity * Decimal("0.02"), rel=Decimal("1e-12"), abs=Decimal("1e-12")
    )


def test_a_position_without_quantity_is_refused() -> None:
    """If this fails, an unreadable position counts as flat."""
    one = str(10**18)
    with pytest.raises(ValueError, match="a position of 0"):
        read_holding(
            exchange_pb2.Position(quantity="0", entry_price=one, margin=one, cumulative_funding_entry="0")
        )
    with pytest.raises(ValueError, match="missing"):
        read_holding(exchange_pb2.Position(entry_price=one, margin=one, cumulative_funding_entry="0"))


def settled(gaps_s: list[int]) -> tuple[list[int], list[int]]:
    """Blocks so many seconds apart, each of which settles one interval that is due, as the chain does; the blocks that
    did, and what was due there. The chain is given the blocks it needs to have caught up at the end."""
    at_ms, due_ms = START_MS + 700, START_MS
    blocks, named = [at_ms], [due_ms]
    for gap_s in gaps_s:
        at_ms += gap_s * SECOND_MS
        while due_ms + HOUR_MS <= at_ms:
            due_ms += HOUR_MS
            blocks.append(at_ms)
            named.append(due_ms)
            at_ms += 700
    return blocks, named


GAPS = st.lists(st.integers(60, 12 * HOUR_S), min_size=1, max_size=30)


@given(GAPS, st.data())
def test_a_settlement_is_named_by_when_it_was_due_however_long_the_chain_stood(
    gaps_s: list[int], data: st.DataObject
) -> None:
    """If this fails, an hour is paid twice: once as the stream named it, once under the second of its block."""
    blocks, named = settled(gaps_s)
    first = data.draw(st.integers(0, len(blocks) - 1), label="the oldest row that is asked for")
    assert dues(blocks[first:], HOUR_S) == named[first:]


@given(GAPS, st.data())
def test_an_indexer_amid_the_blocks_after_a_halt_names_nothing_wrongly(
    gaps_s: list[int], data: st.DataObject
) -> None:
    """If this fails, the first of several settlements after a halt is filed under the hour of the last."""
    blocks, named = settled(gaps_s)
    told = data.draw(st.integers(1, len(blocks)), label="rows that the indexer has")
    read = [
        Print(due, block, Decimal(0), None, block)
        for block, due in zip(blocks[:told], dues(blocks[:told], HOUR_S), strict=True)
    ]
    sure = certain(read, START_MS - HOUR_MS, HOUR_S, blocks[told - 1] + 5_000)
    assert [one.ts_ms for one in sure] == named[: len(sure)]
    if told == len(blocks):
        assert len(sure) == told


def test_a_hole_in_the_indexers_history_is_waited_for_minutes_not_for_ever() -> None:
    """If this fails, one row that the indexer has lost hides everything that came after it."""
    read = [Print(START_MS + h * HOUR_MS, START_MS + h * HOUR_MS + 900, Decimal(0), None) for h in (0, 1, 3)]
    assert certain(read, None, HOUR_S, read[-1].known_ms + 1_000) == read[:2]
    assert certain(read, None, HOUR_S, read[-1].known_ms + HOUR_MS) == read


def test_the_chains_own_word_on_a_block_comes_first() -> None:
    """If this fails, what the stream has told under one name comes again from the indexer under another."""
    blocks = [START_MS + 700, START_MS + 1_400]
    assert dues(blocks, HOUR_S, {START_MS + 1_400: START_MS - HOUR_MS}.get) == [
        START_MS - 2 * HOUR_MS,
        START_MS - HOUR_MS,
    ]


def test_a_rounded_rate_is_the_interest_only_where_it_rounds_to_it() -> None:
    """If this fails, quiet hours are charged four per cent wrong, or real rates are flattened."""

    def rate(text: str) -> Decimal:
        (one,) = read_prints([indexer_pb2.FundingRate(rate=text, timestamp=START_MS)], RULE)
        return one.rate

    assert rate("0.000004") == RULE.hourly_interest
    assert rate("0.000005") == Decimal("0.000005")
    assert rate("-0.000004") == Decimal("-0.000004")


@given(st.lists(st.integers(0, 50), max_size=60))
def test_prints_stay_in_order_and_are_told_once(hours: list[int]) -> None:
    """If this fails, a settlement is paid twice, or history is out of order."""
    prints = Prints()
    for hour in hours:
        prints.add(
            charged(Decimal(hour), Decimal(100), START_MS + hour * HOUR_MS, START_MS + hour * HOUR_MS + 900)
        )
    told = [p.ts_ms for p in prints.prints]
    assert told == sorted({START_MS + hour * HOUR_MS for hour in hours})
    middle = START_MS + 25 * HOUR_MS
    both = prints.between(0, middle) + prints.between(middle, START_MS + 60 * HOUR_MS)
    assert both == prints.prints
    known = prints.known_at(middle)
    assert known is None or known.known_ms <= middle


def test_an_observation_tells_nothing_from_its_future() -> None:
    """If this fails, a decision rests on a state that had not been received."""
    ticker = Ticker(perpetual())
    ticker.record(Print(START_MS, START_MS + 1_400, Decimal("0.0001"), Decimal(100)))
    for at_s in (10, 20, 30):
        ticker.put(state(at_s, mark=str(100 + at_s)))
    for ms in (START_MS, START_MS + 1_400, START_MS + 10_000, START_MS + 29_999, START_MS + 30_000):
        seen = ticker.observe(ms)
        assert (seen.known_at_ms <= ms).all()
        assert ((seen.known_at_ms > 0) == ~np.isnan(seen.values)).all()
    assert np.isnan(ticker.observe(START_MS).values[Field.FUNDING_SETTLED])
    assert ticker.observe(START_MS + 29_999).values[Field.MARK] == 120


def test_a_lagging_node_does_not_turn_back_what_is_known() -> None:
    """If this fails, a node a few blocks behind undoes trades, or a settlement, that the stream has told."""
    ticker = Ticker(perpetual())
    ticker.put(state(1_000, cum="5", last_s=990))
    assert ticker.snapshot(state(1_001, cum="3", last_s=900, mark="101")) is False
    assert ticker.state is not None
    assert (ticker.state.funding.cum_price, ticker.state.mark) == (5, 101)
    assert ticker.prints.prints == []


def test_a_settlement_between_two_polls_is_found_and_two_are_asked_for() -> None:
    """If this fails, settlements during an outage of the stream are lost or guessed."""
    ticker = Ticker(perpetual())
    ticker.put(state(3_590))
    after = state(3_610, next_s=2 * HOUR_S, last_s=HOUR_S)
    assert ticker.snapshot(MarketState(**{**_fields(after), "cumulative_funding": Decimal("0.02")})) is False
    (one,) = ticker.prints.prints
    assert (one.ts_ms, one.rate) == (START_MS + HOUR_MS, Decimal("0.0002"))
    assert ticker.snapshot(state(12_000, next_s=4 * HOUR_S, last_s=3 * HOUR_S)) is True
    assert len(ticker.prints.prints) == 1


@pytest.mark.parametrize(
    ("before_s", "after_s", "mark", "age_s"), [(3_570, 3_610, "200", 10), (3_598, 3_650, "100", 2)]
)
def test_a_settlement_by_polls_is_priced_at_the_nearest_mark_and_says_how_far_that_was(
    before_s: int, after_s: int, mark: str, age_s: int
) -> None:
    """If this fails, an approximate split into rate and price passes for the chain's own."""
    ticker = Ticker(perpetual())
    ticker.put(state(before_s))
    after = state(after_s, next_s=2 * HOUR_S, last_s=HOUR_S, mark="200")
    ticker.snapshot(MarketState(**{**_fields(after), "cumulative_funding": Decimal("0.02")}))
    (one,) = ticker.prints.prints
    assert (one.price, one.mark_age_ms) == (Decimal(mark), age_s * SECOND_MS)
    assert one.rate * Decimal(mark) == Decimal("0.02")  # what was paid a coin is exact


def _fields(one: MarketState) -> dict[str, object]:
    return {name: getattr(one, name) for name in MarketState.__slots__}


@given(st.lists(st.tuples(st.integers(1, 300), st.floats(-0.01, 0.01)), min_size=1, max_size=10))
def test_the_tape_reads_premiums_off_the_accumulators(trades: list[tuple[int, float]]) -> None:
    """If this fails, the nowcast expects the next trade at another premium than the last ones had."""
    tape, before = Tape(), FundingState(HOUR_S, Decimal(0), 0)
    tape.see(None, before, RULE)
    at_s = 0
    for gap_s, premium in trades:
        at_s += gap_s
        after = before.after_trade(at_s, Decimal(premium))
        tape.see(before, after, RULE)
        before = after
    assert list(tape.premiums) == pytest.approx([premium for _, premium in trades][-6:], abs=1e-9)
    assert tape.trades_per_s(at_s) == pytest.approx((len(trades) + 1) / at_s)
