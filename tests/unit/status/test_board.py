"""The status document as a living daemon fills it: what is known stands in it, what is not is unknown."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest
from status_world import LASTS_MS, Life, live
from worlds import START_MS

from hedged.backtest.virtual_time import run_virtually
from hedged.domain.clock import HOUR_MS
from hedged.status.board import Board
from hedged.status.document import Status


def test_before_anything_is_known_nothing_is_zero(life: Life) -> None:
    """If this fails, an operator who looks at a start reads zeros for what nobody knows yet."""
    told = life.before
    assert (told.health.state, told.health.ready) == ("starting", False)
    assert told.health.reasons[0].startswith("starting")
    assert (told.cycle.last_ms, told.cycle.next_ms, told.cycle.took_s) == (None, None, None)
    assert told.saved is None
    assert (told.about.model_hash, told.about.paper_days) == (None, None)
    empty = (told.book, told.ahead, told.collateral, told.stops, told.decisions, told.earlier, told.forecasts)
    assert set(empty) == {()}
    assert life.prepared.health.reasons == ("waiting for the first cycle",)
    assert life.prepared.book == ()
    assert life.prepared.saved is None
    assert life.prepared.cycle.next_ms == START_MS + 15 * 60_000


def test_the_book_shows_funding_before_and_after_hedging(life: Life) -> None:
    """If this fails, the operator cannot see what the hedge is for."""
    told = life.last
    rows = {row.symbol: row for row in told.book}
    assert set(rows) == {"BTC", "INJ"}
    for row in rows.values():
        assert row.own_usd == pytest.approx(row.own_quantity * row.mark_price)
        assert row.own is not None
        assert row.hedged is not None
        assert row.own.mean_usd < row.hedged.mean_usd < 0, "dear to hold, and hedged"
        assert row.own.low_usd <= row.own.mean_usd <= row.own.high_usd
        assert {leg.venue for leg in row.hedge} > {"injective"}
        assert {leg.strategy for leg in row.hedge} == {"funding_hedge"}
    (deciding,) = [row for row in told.ahead if row.decides]
    assert deciding.hours == rows["INJ"].horizon_h == 24
    assert deciding.own.mean_usd == pytest.approx(sum(row.own.mean_usd for row in rows.values() if row.own))
    assert [row.hours for row in told.ahead] == [1, 8, 24, 168]


def test_money_adds_up(life: Life) -> None:
    """If this fails, what is said to be saved is not what it is made of."""
    saved, pnl = life.last.saved, life.app.progress.last.pnl
    assert saved is not None
    assert saved.net_usd == pytest.approx(pnl.total_usd)
    assert saved.net_usd == pytest.approx(saved.funding_usd + saved.price_usd - saved.costs_usd)
    assert saved.costs_usd > 0
    assert saved.funding_usd > 0, "settlements have spared something"
    paid = life.app.metrics.registry.get_sample_value
    unhedged = [paid("hedged_funding_usd", {"symbol": s, "kind": "unhedged"}) or 0.0 for s in ("BTC", "INJ")]
    assert saved.unhedged_usd == pytest.approx(sum(unhedged))
    assert saved.unhedged_usd < 0
    assert saved.since_ms == START_MS + 2_000


def test_stops_and_collateral_are_measured(life: Life) -> None:
    """If this fails, nobody sees how near a stop or a margin call is."""
    told = life.last
    episodes = life.app.cycle.desk.stops.episodes
    assert {one.symbol for one in told.stops} == {"BTC", "INJ"}
    for one in told.stops:
        assert one.state == "watched"
        assert one.loss_usd == pytest.approx(episodes[one.symbol].loss_usd)
        assert one.allowance_usd == pytest.approx(episodes[one.symbol].allowance_usd)
    rows = {row.venue: row for row in told.collateral}
    assert set(rows) == {"injective", "binance", "bybit"}
    for venue, row in rows.items():
        assert row.equity_usd == pytest.approx(row.free_usd + row.used_usd)
        held = {row.symbol for row in told.book for leg in row.hedge if leg.venue == venue}
        assert row.held == bool(held or venue == "injective")
        if venue != "injective":
            assert (row.margin_call_move is not None) == row.held
            assert row.nearest in (held or {None})
    assert rows["injective"].margin_call_move is None, "a static book tells no liquidation price: unknown"


def test_forecasts_have_their_past_and_their_errors(life: Life) -> None:
    """If this fails, a model that is always wrong looks as good as one that is right."""
    told = life.last
    keys = [(one.symbol, one.venue) for one in told.forecasts]
    assert keys == sorted(keys, key=lambda key: (key[0], key[1] != "injective", key[1]))
    for one in told.forecasts:
        assert one.hours == (1, 8, 24, 168)
        assert (
            len({len(one.hours), len(one.mean), len(one.p10), len(one.p25), len(one.p75), len(one.p90)}) == 1
        )
        bands = zip(one.p10, one.p25, one.p50, one.p75, one.p90, strict=True)
        assert all(list(band) == sorted(band) for band in bands)
        assert list(one.past_ms) == sorted(set(one.past_ms))
        assert len(one.past) == len(one.past_ms) > 3
    by_key = {(one.venue, one.symbol): one for one in told.forecasts}
    here, there = by_key["injective", "INJ"], by_key["bybit", "INJ"]
    assert here.past_ms[-3:] == tuple(START_MS + h * HOUR_MS for h in (2, 3, 4))
    assert here.coming is None, "this forecaster tells no rate of it"
    assert here.last_error is None
    error = there.last_error
    assert error is not None
    assert error.ts_ms == there.past_ms[-1] == START_MS + 4 * HOUR_MS
    assert error.rate == pytest.approx(there.past[-1], rel=1e-4)
    assert error.inside == (error.p10 <= error.rate <= error.p90)
    assert there.mean_error == pytest.approx(abs(error.rate - error.p50))
    assert there.judged == 1
    assert there.coming is not None
    assert there.coming.at_ms == START_MS + 8 * HOUR_MS
    assert all(one.last_error is None for one in life.first.forecasts)


def test_decisions_come_with_what_they_rest_on(life: Life) -> None:
    """If this fails, the operator sees what was done and never why."""
    opened = {one.symbol: one for one in life.first.decisions}["INJ"]
    assert opened.action == "open"
    told = opened.explanation
    assert told is not None
    assert {leg.kind for leg in told.legs} == {"cut", "opposite", "relocate"}
    assert all(leg.why for leg in told.legs)
    assert {leg.venue for leg in told.wanted} > {"injective"}
    assert [rate.venue for rate in told.rates] == ["injective", "binance", "bybit"]
    assert [span.hours for span in told.spans] == [1, 8, 24, 168]
    assert [(one.symbol, one.action) for one in life.first.earlier] == [("INJ", "open"), ("BTC", "open")]
    assert all(one.ts_ms > START_MS - 1 for one in life.last.earlier)
    assert life.last.earlier[-1].ts_ms == START_MS + 2_000, "newest first"


def test_the_document_is_plain_json_and_reads_back(life: Life) -> None:
    """If this fails, a program that reads it meets NaN, or a number that was changed on the way."""
    text = life.last.model_dump_json()
    assert "NaN" not in text
    assert json.loads(text)["about"]["mode"] == "paper"
    assert Status.model_validate_json(text) == life.last


def test_a_restart_goes_on_with_what_the_journal_knows(life: Life) -> None:
    """If this fails, a restart forgets the days of paper trading, what was saved, and what was done."""
    again = live(life.journal, 60_000, start_ms=START_MS + LASTS_MS)
    assert again.before.about.paper_days is None
    assert again.prepared.about.paper_days == 1, "known before the first cycle of this life"
    assert again.last.about.paper_days == 1, "the same day counts once"
    assert again.prepared.earlier == life.last.earlier
    assert again.last.saved is not None
    assert again.last.saved.since_ms == START_MS + 2_000
    assert life.last.saved is not None
    assert again.last.saved.unhedged_usd == pytest.approx(life.last.saved.unhedged_usd)


def test_a_fault_of_the_board_ends_nothing(life: Life, logs: list[MutableMapping[str, Any]]) -> None:
    """If this fails, a slip in what is only shown stops a daemon that trades."""

    class Broken:
        asked = 0

        async def cycle(self, _: int) -> None:
            self.asked += 1
            if self.asked < 3:
                raise ValueError("a slip")

    async def main() -> None:
        broken = Broken()
        board = Board(life.board.process, life.board.clock, records=broken)  # type: ignore[arg-type]
        running = asyncio.get_running_loop().create_task(board.run())
        for _ in range(4):
            await asyncio.sleep(0.01)
            board.on_cycle(life.app.progress.last)  # type: ignore[arg-type]
        assert broken.asked >= 3
        assert not running.done()
        running.cancel()

    run_virtually(main)
    assert [one["event"] for one in logs] == ["status_broken"], "told once"
