"""What becomes of an account at the paper venue: settlements, margin, liquidation, delisting, every cent of it."""

import asyncio
import contextlib
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_world import START_MS, Stage, check_money, staged

from hedged.adapters.paper import PaperVenue
from hedged.adapters.paper.latency import Latency
from hedged.adapters.paper.record import Why, is_forced
from hedged.adapters.paper.terms import Backing
from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import Rejected
from hedged.domain.orders import OrderStatus

HOUR_S = 3_600


@pytest.mark.parametrize(("before_ms", "pays"), [(201, True), (200, False), (100, False)])
def test_an_order_that_crosses_a_settlement_is_paid_by_its_fill(before_ms: int, pays: bool) -> None:
    """If this fails, a position opened at the very instant, or after it by its latency, is paid: nobody pays that."""

    async def script(on: Stage) -> None:
        on.told.print(1)
        on.told.print(2)
        await asyncio.sleep(HOUR_S - before_ms / 1_000)
        await on.trade("-2")
        await on.at(1.5)
        await asyncio.sleep(HOUR_S / 2 - 0.2)
        await on.trade("2")
        paid = await on.venue.funding_payments(0)
        first = [START_MS + HOUR_MS] * pays
        assert [p.settlement.ts_ms for p in paid] == [*first, START_MS + 2 * HOUR_MS]
        assert {p.payment_usd for p in paid} == {Decimal("0.2")}, "shorts receive"

    staged(script, latency=Latency.constant(200))


def test_every_print_is_paid_once_by_its_own_rate_whatever_its_interval() -> None:
    """If this fails, an interval that goes from 8 h to 1 h is paid eight times, or an eighth."""

    async def script(on: Stage) -> None:
        on.told.print(8, "0.0008", "8")
        on.told.print(9, "0.0001", "1")
        on.told.print(10, "-0.0003", "1")
        await on.trade("-2")
        await on.at(9.5)
        await on.trade("-2")
        await on.at(12)
        paid = await on.venue.funding_payments(0)
        assert [p.payment_usd for p in paid] == [Decimal("0.16"), Decimal("0.02"), Decimal("-0.12")]
        assert [p.settlement.rate.interval_h for p in paid] == [8, 1, 1]
        on.record()

    staged(script)


@given(st.lists(st.integers(-9, 9).filter(bool), min_size=1, max_size=5))
@settings(max_examples=25)
def test_funding_of_parts_adds_up(parts: list[int]) -> None:
    """If this fails, the same position pays differently by how it was built."""

    async def script(on: Stage) -> None:
        for hour, coins in enumerate(parts):
            await on.trade(str(coins))
            on.told.print(hour + 0.9, "0.001")
            await on.at(hour + 1)
        total, held = Decimal(0), 0
        for coins in parts:
            held += coins
            total -= held * Decimal("0.001") * 100
        assert on.record().funding_usd == total

    staged(script, collateral="100000")


def test_a_leg_without_its_maintenance_is_liquidated_at_a_penalty_and_told_as_forced() -> None:
    """If this fails, a hedge leg survives any move, and a backtest holds what a venue would have taken away."""

    async def script(on: Stage) -> None:
        await on.trade("-40")
        on.told.marks["BTC"] = 123.0  # equity 80 or so, maintenance 123
        await on.at(1)
        assert await on.venue.positions() == {}
        forced = (await on.venue.executions(0))[-1]
        assert (forced.client_id, forced.signed_quantity, forced.price) == (None, 40, 123)
        record = on.record()
        (one,) = record.forced
        assert one.why is Why.LIQUIDATION
        assert one.penalty_usd == forced.fee_usd == 40 * 123 * Decimal("0.0125")
        assert record.lowest_free_usd < 0
        assert record.lowest_free_ms == START_MS + HOUR_MS

    staged(script)


def test_a_gap_beyond_the_collateral_is_the_insurances_and_told() -> None:
    """If this fails, an account goes below zero and trades on, or a loss vanishes from the books."""

    async def script(on: Stage) -> None:
        await on.trade("-40")
        on.told.marks["BTC"] = 200.0
        await on.at(1)
        record = on.record()
        assert record.end_usd == 0
        assert record.insured_usd > 2_900
        assert record.penalties_usd == 0
        with pytest.raises(Rejected, match="insufficient margin"):
            await on.trade("-1")

    staged(script)


def test_a_restart_knows_what_was_forced_before() -> None:
    """If this fails, a leg that was liquidated is held again after a restart, and its loss is back."""

    async def script(on: Stage) -> None:
        await on.trade("-40")
        on.told.print(0.5)
        on.told.marks["BTC"] = 123.0
        await on.at(1)
        done, paid = await on.venue.executions(0), await on.venue.funding_payments(0)
        assert [is_forced(e) for e in done] == [False, True]
        again = PaperVenue(on.told, on.clock, Decimal(1000), 0)
        again.restore(done, paid, on.clock.now_ms())
        assert await again.positions() == {}
        assert again.record().end_usd == on.record().end_usd
        check_money(again.record())

    staged(script)


@pytest.mark.parametrize("held_from_h", [0, 1.5])
def test_a_wick_liquidates_within_its_bar_and_before_its_settlement(held_from_h: float) -> None:
    """If this fails, a wick is survived, or takes what was opened after it, or funding is paid on what was gone."""

    async def script(on: Stage) -> None:
        on.told.bar(1, "90", "110")
        on.told.bar(2, "95", "180")
        on.told.print(2)
        await on.at(held_from_h)
        await on.trade("-40")
        await on.at(2)
        paid = await on.venue.funding_payments(0)
        record = on.record()
        if held_from_h:
            assert not record.forced
            assert len(paid) == 1
            return
        (one,) = record.forced
        assert one.execution.ts_ms == START_MS + 2 * HOUR_MS - 1
        assert 121 < one.execution.price < 122, "where the mark crosses, not at the wick's end"
        assert one.insured_usd == 0
        assert not paid

    staged(script)


def test_the_leg_with_the_largest_loss_goes_first_and_may_save_the_other() -> None:
    """If this fails, cross margin takes everything where taking one leg was enough."""

    async def script(on: Stage) -> None:
        on.told.marks["ETH"] = 100.0
        await on.trade("-30")
        await on.trade("-5", "ETH")
        on.told.marks |= {"BTC": 130.0, "ETH": 101.0}
        await on.at(1)
        assert set(await on.venue.positions()) == {"ETH"}
        assert (await on.venue.balance()).total_usd >= 5 * 101 * Decimal("0.025")
        on.record()

    staged(script)


def isolated(backing: Backing, calls_met: bool) -> None:
    async def script(on: Stage) -> None:
        on.told.marks["ETH"] = 100.0
        on.venue.seed("BTC", Decimal(20), Decimal(100), START_MS)
        on.venue.seed("ETH", Decimal(-10), Decimal(100), START_MS)
        await on.at(0.5)
        held = await on.venue.positions()
        if not calls_met:  # two thirds of the equity back BTC: (100 − 666.67/20) ÷ (1 − 0.025)
            assert held["BTC"].margin_usd == Decimal(1000) * 2 / 3
            assert round(held["BTC"].liquidation_price or 0, 2) == Decimal("68.38")
        on.told.marks["BTC"] = 60.0
        await on.at(1)
        record = on.record()
        assert set(await on.venue.positions()) == ({"BTC", "ETH"} if calls_met else {"ETH"})
        if calls_met:
            assert not record.forced
            assert record.added_usd == 20 * 60 * Decimal("0.05") + 800 - Decimal(1000) * 2 / 3
        else:
            assert record.added_usd == 0
            assert record.insured_usd == 800 - Decimal(1000) * 2 / 3, (
                "beyond its margin the other pays nothing"
            )
            assert (await on.venue.balance()).total_usd == Decimal(1000) / 3

    staged(script, backing)


def test_an_own_position_is_liquidated_by_its_own_margin_alone() -> None:
    """If this fails, one position of the trader's on Injective is kept alive by the margin of another."""
    isolated(Backing.ISOLATED, calls_met=False)


def test_a_met_margin_call_keeps_the_position_and_is_counted() -> None:
    """If this fails, a book that is said to be constant is liquidated, or kept by money that nobody put in."""
    isolated(Backing.TOPPED_UP, calls_met=True)


def test_calls_of_a_wick_are_met_to_its_end() -> None:
    """If this fails, less is counted as added than the trader had to find while the wick lasted."""

    async def script(on: Stage) -> None:
        on.venue.seed("BTC", Decimal(20), Decimal(100), START_MS)
        on.told.bar(1, "30", "100")
        await on.at(1)
        assert on.record().added_usd == 20 * 70 - 1000 + 20 * 30 * Decimal("0.05")
        assert (await on.venue.positions())["BTC"].quantity == 20

    staged(script, Backing.TOPPED_UP)


def test_a_cut_frees_its_margin_and_giving_it_back_takes_no_more_than_there_is() -> None:
    """If this fails, cutting an own position moves its liquidation price, or a cut given back is backed by nothing."""

    async def script(on: Stage) -> None:
        on.venue.seed("BTC", Decimal(20), Decimal(100), START_MS)
        on.told.print(0.5)
        await on.at(1)
        before = (await on.venue.positions())["BTC"]
        assert before.margin_usd == 1000 - 2, "funding is paid from its own margin"
        await on.trade("-8")
        cut = (await on.venue.positions())["BTC"]
        assert cut.margin_usd == Decimal(998) * 12 / 20
        assert cut.liquidation_price == before.liquidation_price
        await on.trade("8")
        back = (await on.venue.positions())["BTC"]
        assert back.margin_usd is not None
        assert Decimal(998) - 3 < back.margin_usd <= Decimal(998)
        with pytest.raises(Rejected, match="insufficient margin"):
            await on.trade("8")
        on.record()

    staged(script, Backing.ISOLATED)


def test_a_market_that_is_told_of_no_more_is_closed_and_pays_no_more() -> None:
    """If this fails, a delisted market goes on being held and charged (Lean#9801)."""

    async def script(on: Stage) -> None:
        await on.trade("-4")
        on.told.print(1)
        await on.at(1)
        on.told.known_ms = START_MS + HOUR_MS
        await on.at(4)
        with pytest.raises(Rejected, match="no price"):  # older than two hours
            await on.trade("-1")
        await on.at(25)
        assert (await on.venue.positions())["BTC"].quantity == -4
        on.told.marks["BTC"] = 170.0  # whatever is still said of it, long after
        await on.at(25.01)
        assert await on.venue.positions() == {}
        on.told.print(26)
        await on.at(27)
        (one,) = on.record().forced
        assert (one.why, one.execution.price) == (Why.DELISTING, 100)
        assert one.penalty_usd == 4 * 100 * Decimal("0.005")
        assert len(await on.venue.funding_payments(0)) == 1
        with pytest.raises(Rejected, match="delisted"):
            await on.trade("-1")

    staged(script)


def test_a_gap_of_a_recording_keeps_what_is_held_and_takes_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, an order is filled at a market of which nobody knows anything."""

    async def script(on: Stage) -> None:
        await on.trade("-4")
        await on.at(1)
        on.told.known_ms = START_MS + HOUR_MS
        await on.at(30)
        assert (await on.venue.positions())["BTC"].quantity == -4
        monkeypatch.setattr(
            "hedged.adapters.paper.expiry.Expiry.priced", lambda *_: True
        )  # another venue's price
        with pytest.raises(Rejected, match="a gap"):
            await on.trade("-1")
        on.told.known_ms = None
        await on.at(31)
        await on.trade("-1")
        assert (await on.venue.positions())["BTC"].quantity == -5
        assert not on.record().forced

    monkeypatch.setattr("paper_world.Told.comes_back", lambda *_: True, raising=False)
    staged(script)


def test_more_than_the_book_offers_is_filled_in_part() -> None:
    """If this fails, a hedge larger than the book is filled whole, at prices that nobody offered."""

    async def script(on: Stage) -> None:
        on.told.depth_usd = Decimal(2_000)
        state = await on.venue.place(on.order("-30", worst="95"))
        assert (state.status, state.filled, state.remaining) == (OrderStatus.CANCELLED, 20, 0)
        assert "no more was offered" in state.detail
        (fill,) = await on.venue.executions(0)
        assert fill.quantity == 20
        assert fill.price == Decimal("99.7"), "1 bp and 25 bp of 100, to the tick"
        on.record()

    staged(script)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["BTC", "ETH"]), st.integers(-20, 20).filter(bool), st.integers(40, 250),
            st.integers(-50, 50),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(list(Backing)),
)  # fmt: skip
@settings(max_examples=30)
def test_money_is_neither_made_nor_lost(steps: list[tuple[str, int, int, int]], backing: Backing) -> None:
    """If this fails, a result holds money that no fill, fee, payment, penalty or deposit explains."""

    async def script(on: Stage) -> None:
        on.told.marks["ETH"] = 100.0
        on.venue.seed("BTC", Decimal(5), Decimal(100), START_MS)
        for hour, (symbol, coins, mark, bp) in enumerate(steps):
            on.told.print(hour + 0.5, f"{bp / 10_000:f}", symbol=symbol)
            with contextlib.suppress(Rejected):  # for want of margin
                await on.trade(str(coins), symbol)
            on.told.marks[symbol] = float(mark)
            await on.at(hour + 1)
            record = on.record()
            equity = record.end_usd + record.unrealised_usd
            assert equity >= 0 or backing is not Backing.CROSS
            assert (await on.venue.balance()).total_usd == equity

    staged(script, backing)
