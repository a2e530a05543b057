"""How long an order takes on paper: a stated law, the same for the same order."""

from statistics import median, quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.adapters.paper.latency import Latency
from hedged.config import PaperConfig, parse_config
from hedged.domain.errors import ConfigError

LAW = Latency(200, 600, 50)


def test_draws_follow_the_law_that_is_stated() -> None:
    """If this fails, the latency that a report states is not the one that orders had."""
    drawn = [LAW.draw_ms(f"{i:032x}", 7) for i in range(4_000)]
    assert abs(median(drawn) / 200 - 1) < 0.05
    assert abs(quantiles(drawn, n=20)[-1] / 600 - 1) < 0.1
    assert min(drawn) == 50


@given(st.text("0123456789abcdef", min_size=32, max_size=32), st.integers(0, 2**31))
def test_a_draw_depends_on_the_order_alone(client_id: str, seed: int) -> None:
    """If this fails, two engines or two runs fill the same order at different instants."""
    assert LAW.draw_ms(client_id, seed) == Latency(200, 600, 50).draw_ms(client_id, seed) >= 50
    assert Latency.constant(350).draw_ms(client_id, seed) == 350
    assert Latency.constant(0).draw_ms(client_id, seed) == 0


def test_placing_cancelling_and_seeds_are_drawn_apart() -> None:
    """If this fails, a slow order is also slow to cancel, always, and another seed changes nothing."""
    drawn = {LAW.draw_ms("c", 7), LAW.draw_ms("c", 7, "cancel"), LAW.draw_ms("c", 8)}
    assert len(drawn) == 3
    assert LAW.draw_ms("c", 7) == 107, "and on every machine it is the same figure"


def test_the_configuration_says_the_law_of_each_venue() -> None:
    """If this fails, a configured latency is ignored, or an impossible law is only found by its results."""
    paper = parse_config({"paper": {"latency": {"okx": {"median_ms": 90, "p95_ms": 200}}}}).paper
    assert paper.latency_of("okx").median_ms == 90
    assert paper.latency_of("bybit").median_ms == PaperConfig().latency_of("cex").median_ms == 200
    assert paper.latency_of("injective").median_ms == 700
    assert parse_config({"paper": {"latency_ms": 200}}).paper.latency_of("injective").p95_ms == 200
    with pytest.raises(ConfigError, match="floor_ms ≤ median_ms ≤ p95_ms"):
        parse_config({"paper": {"latency": {"okx": {"median_ms": 90, "p95_ms": 20}}}})
    with pytest.raises(ValueError, match="floor"):
        Latency(100, 50)
