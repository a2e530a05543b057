"""The assumptions that a summary states."""

from pathlib import Path

from hedged.backtest.assumptions import assumptions
from hedged.backtest.runner import RunResult, Window
from hedged.backtest.world import World
from hedged.config import PaperConfig, parse_config
from hedged.sandbox.markets import simulated_markets

DOC = Path(__file__).parents[3] / "docs" / "backtest.md"


def test_every_setting_of_paper_is_stated_with_its_figure() -> None:
    """If this fails, a figure rests on something that its reader is not told."""
    paper = {
        "latency": {"okx": {"median_ms": 91, "p95_ms": 191, "floor_ms": 11}},
        "seed": 4_321, "liquidation_fee_bp": 77, "margin_calls": "unmet", "price_expires_s": 5_432,
        "delisted_after_s": 65_432, "delisting_cost_bp": 33,
    }  # fmt: skip
    assert {*paper, "latency_ms"} == set(PaperConfig.model_fields), (
        "tell the new one here and in assumptions()"
    )
    config = parse_config({"paper": paper, "hedge": {"venues": ["okx"]}, "book": {"equity_usd": 1}})
    result = RunResult(config, Window(0, 1), [], [], [], [], "", "", equity_usd=config.book.equity_usd or 0)  # type: ignore[arg-type]
    told = str(assumptions(result, World({}, simulated_markets(), None)))
    for figure in (91, 191, 11, 4_321, 77, "unmet", 5_432, 65_432, 33):
        assert str(figure) in told
    assert "okx" in told
    told = DOC.read_text(encoding="utf-8")
    assert all(f"paper.{name}`" in told for name in PaperConfig.model_fields)
