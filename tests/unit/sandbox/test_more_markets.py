"""The sandbox's further markets: what a rehearsal with 25 of them relies on."""

import pytest

from hedged.domain.errors import ConfigError
from hedged.sandbox.injective.crowd import SimulatedFeed
from hedged.sandbox.injective.market import market_rules
from hedged.sandbox.injective.wide import simulated_feed
from hedged.sandbox.markets import SYMBOLS
from hedged.sandbox.more_markets import ALL_SYMBOLS, MORE_COINS, START_PRICES

START_MS = 1_760_000_400_000
MINUTE_MS = 60_000


def test_there_are_25_markets_with_grids_that_their_prices_fit() -> None:
    """If this fails, the command cannot run as many markets as it says, or their orders are off the tick."""
    assert len(set(ALL_SYMBOLS)) == 25
    rules = market_rules(ALL_SYMBOLS)
    assert [one.symbol for one in rules] == list(ALL_SYMBOLS)
    for coin in MORE_COINS:
        one = coin.at_exchange()
        assert one.price % one.tick == 0
        assert one.tick / one.price < 1e-3
        assert one.step * one.price < 5_000
        assert not one.step % one.contract
    with pytest.raises(ConfigError, match="the sandbox has no market for XYZ; it has INJ"):
        market_rules(["XYZ"])


def test_further_coins_live_lives_of_their_own_and_leave_the_simulators_own_alone() -> None:
    """If this fails, all markets move as one, or more markets change what the first three do."""
    feed = simulated_feed(ALL_SYMBOLS, 7, START_MS, 3_600.0, 48)
    alone = SimulatedFeed(7, START_MS, 3_600.0, 48)
    at_ms = START_MS + 90 * MINUTE_MS
    moods, own = feed.until(at_ms), alone.until(at_ms)
    assert {symbol: moods[symbol] for symbol in SYMBOLS} == own
    assert len({tuple(feed.past_rates[symbol]) for symbol in ALL_SYMBOLS}) == 25
    for symbol in ALL_SYMBOLS:
        assert len(feed.past_rates[symbol]) == len(feed.past_prices[symbol]) == 48
        assert 0.3 < moods[symbol].mark / START_PRICES[symbol] < 3


def test_three_markets_take_one_world() -> None:
    """If this fails, the usual sandbox pays for markets that nobody asked for."""
    assert isinstance(simulated_feed(("BTC",), 7, START_MS, 3_600.0), SimulatedFeed)
