"""What is too old to be gone by."""

import numpy as np

from hedged.adapters.paper.expiry import Expiry, heard_ms, last_heard_ms
from hedged.domain.bars import Field, blank_observation
from hedged.domain.clock import HOUR_MS
from hedged.domain.market import SeriesKey

RULES = Expiry(price_s=7_200, delisted_s=86_400)


def test_prices_and_markets_expire_at_the_ages_that_are_stated() -> None:
    """If this fails, a rate or price of long ago is still charged and traded on (Lean#9801)."""
    now_ms = 1_000 * HOUR_MS
    assert RULES.priced(now_ms - 2 * HOUR_MS, now_ms)
    assert not RULES.priced(now_ms - 2 * HOUR_MS - 1, now_ms)
    assert not RULES.delisted(now_ms - 24 * HOUR_MS, now_ms)
    assert RULES.delisted(now_ms - 24 * HOUR_MS - 1, now_ms)
    assert RULES.priced(0, now_ms), "where nobody says since when"
    assert not RULES.delisted(0, now_ms), "what was never heard of is not gone"
    assert not Expiry().delisted(1, now_ms)
    assert Expiry().priced(1, now_ms)


def test_a_market_is_heard_of_by_its_own_words_alone() -> None:
    """If this fails, another venue's price keeps a delisted market alive, and funding goes on without prints."""
    seen = blank_observation(SeriesKey("bybit", "BTC"), 9)
    seen.known_at_ms[Field.MARK] = seen.known_at_ms[Field.SENTIMENT] = 9
    assert heard_ms(seen) == 0
    seen.known_at_ms[Field.FUNDING_SETTLED], seen.known_at_ms[Field.VOLUME] = 5, 7
    assert heard_ms(seen) == 7
    own = [np.array([2, 6]), np.array([4]), np.array([], np.int64)]
    assert list(last_heard_ms(own, np.array([1, 2, 4, 5, 9]))) == [0, 2, 4, 4, 6]
