"""Venue events: when they veto an opening, and how they say so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.market import SeriesKey
from hedged.domain.venue_events import EventKind, Lead, VenueEvent, VenueEvents

T0 = 1_767_225_600_000  # 2026-01-01
HOUR_MS = 3_600_000
LEAD = Lead(maintenance_ms=HOUR_MS // 2, delisting_ms=72 * HOUR_MS)
BTC, ETH = SeriesKey("binance", "BTC"), SeriesKey("binance", "ETH")
OTHER = SeriesKey("bybit", "BTC")

events = st.builds(
    VenueEvent,
    kind=st.sampled_from(EventKind),
    venue=st.sampled_from(["binance", "bybit"]),
    symbol=st.sampled_from([None, "BTC", "ETH"]),
    from_ms=st.integers(T0 - 200 * HOUR_MS, T0 + 200 * HOUR_MS),
    until_ms=st.one_of(st.none(), st.integers(T0 - 200 * HOUR_MS, T0 + 300 * HOUR_MS)),
)
keys = st.sampled_from([BTC, ETH, OTHER])


@pytest.mark.parametrize(
    ("event", "opens", "text"),
    [
        (
            VenueEvent(EventKind.MAINTENANCE, "binance", None, T0 + 2 * HOUR_MS, T0 + 4 * HOUR_MS),
            {0: True, 1.4: True, 1.5: False, 3.9: False, 4: True},
            "binance is in maintenance 2026-01-01 02:00–04:00 UTC",
        ),
        (
            VenueEvent(EventKind.MAINTENANCE, "binance", None, T0 + 23 * HOUR_MS, T0 + 25 * HOUR_MS),
            {24: False},
            "binance is in maintenance 2026-01-01 23:00–2026-01-02 01:00 UTC",
        ),
        (
            VenueEvent(EventKind.MAINTENANCE, "binance", None, T0, None),
            {-0.6: True, -0.5: False, 1e4: False},
            "binance is in maintenance since 2026-01-01 00:00 UTC",
        ),
        (
            VenueEvent(EventKind.DELISTING, "binance", "BTC", T0 + 100 * HOUR_MS, None),
            {27: True, 28: False, 1e4: False},
            "BTC on binance is delisted 2026-01-05 04:00 UTC",
        ),
        (
            VenueEvent(EventKind.DELISTING_ANNOUNCED, "binance", "BTC", T0, T0 + 100 * HOUR_MS),
            {-1: True, 0: False, 99: False, 100: True},
            "the delisting of BTC on binance was announced 2026-01-01 00:00 UTC",
        ),
        (
            VenueEvent(EventKind.HALT, "binance", "BTC", T0, None),
            {-1: True, 0: False, 50: False},
            "BTC on binance does not trade",
        ),
    ],
)
def test_when_and_what(event: VenueEvent, opens: dict[float, bool], text: str) -> None:
    """If this fails, a hedge is opened into a closed venue, is held back too long, or with a false reason."""
    known = VenueEvents((event,))
    for hours, is_open in opens.items():
        veto = known.veto(BTC, T0 + int(hours * HOUR_MS), LEAD)
        assert veto == (None if is_open else text), hours
        assert known.veto(OTHER, T0 + int(hours * HOUR_MS), LEAD) is None
        if event.symbol:
            assert known.veto(ETH, T0 + int(hours * HOUR_MS), LEAD) is None


@given(st.lists(events, max_size=6), keys, st.integers(-50, 50))
def test_more_events_never_open_anything(known: list[VenueEvent], key: SeriesKey, hours: int) -> None:
    """If this fails, one announcement cancels another's veto, or the order of arrival matters."""
    at_ms = T0 + hours * HOUR_MS
    whole = VenueEvents(tuple(known)).veto(key, at_ms, LEAD)
    assert whole == VenueEvents(tuple(reversed(known))).veto(key, at_ms, LEAD)
    assert (whole is not None) == any(VenueEvents((e,)).veto(key, at_ms, LEAD) for e in known)


@given(st.dictionaries(st.sampled_from(["binance", "okx"]), st.just("no answer")), keys)
def test_unknown_vetoes_nothing_and_is_not_well(unknown: dict[str, str], key: SeriesKey) -> None:
    """If this fails, an outage of a status page stops hedging, or is shown as if nothing was announced."""
    known = VenueEvents((), unknown)
    assert known.veto(key, T0, LEAD) is None
    assert (known.text == "nothing announced") == (not unknown)
    assert all(f"{venue}: unknown (no answer)" in known.text for venue in unknown)
