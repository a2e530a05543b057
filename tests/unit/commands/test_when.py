"""Instants as a person types them."""

import pytest

from hedged.commands.when import when_ms
from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.domain.errors import ConfigError

NOW_MS = 1_750_003_200_000  # 2025-06-15 16:00 UTC


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("now", NOW_MS),
        ("3h ago", NOW_MS - 3 * HOUR_MS),
        ("45 min ago", NOW_MS - 45 * MINUTE_MS),
        ("1.5 hours ago", NOW_MS - 90 * MINUTE_MS),
        ("2 days ago", NOW_MS - 48 * HOUR_MS),
        ("2025-06-15 16:00", NOW_MS),
        ("2025-06-15T16:00:00Z", NOW_MS),
        ("2025-06-15T18:00+02:00", NOW_MS),
        ("2025-06-15", NOW_MS - 16 * HOUR_MS),
    ],
)
def test_it_is_read_as_it_is_meant(text: str, ms: int) -> None:
    """If this fails, another decision than the one asked for is explained."""
    assert when_ms(text, NOW_MS) == ms


@pytest.mark.parametrize("text", ["yesterday", "3h", "2025-13-01", "", "-1h ago"])
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    """If this fails, a typing error is taken for some other time."""
    with pytest.raises(ConfigError, match='is no time: write "2026-11-20 14:00"'):
        when_ms(text, NOW_MS)
