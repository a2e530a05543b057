"""The files of a run, read as a stranger would: every total can be computed again from the tables."""

import json
from pathlib import Path

import polars as pl
import pytest
from worlds import START_MS, config, tables, write_directory

from hedged.adapters.replay.proxy import Proxy
from hedged.backtest.recorded import BacktestOptions, run_backtest
from hedged.backtest.runner import Window
from hedged.config import Config, parse_config
from hedged.domain.clock import DAY_MS

SCHEMAS = {
    "fills": ["ts", "venue", "symbol", "side", "quantity", "price", "fee_usd", "purpose"],
    "book": ["ts", "venue", "symbol", "quantity"],
    "funding": ["ts", "venue", "symbol", "quantity", "rate", "interval_hours", "price", "payment_usd"],
}
SUMMARY = {
    "from", "to", "equity_usd", "assumptions", "proxy", "proxy_rule", "unhedged_funding_usd", "hedged_funding_usd",
    "fees_usd", "spread_usd", "price_pnl_vs_unhedged_usd", "net_saving_usd", "turnover_usd", "per_symbol", "model_hash",
    "config_hash", "data_gaps", "metrics", "baselines", "proxy_rules", "worth",
}  # fmt: skip
PURPOSES = {"own_cut", "own_restore", "hedge_open", "hedge_close", "relocate", "stop"}


def backtest(
    settings: Config, data: Path, out: Path, window: Window, proxy: Proxy | None = None
) -> dict[str, pl.DataFrame]:
    """Run and read back what was written, from the files alone."""
    run_backtest(settings, BacktestOptions(data, sorted(settings.book.positions), window, out, proxy))
    return {name: pl.read_parquet(out / f"{name}.parquet") for name in SCHEMAS}


def check_totals(out: Path, files: dict[str, pl.DataFrame]) -> None:
    """Compute every total of the summary again."""
    summary = json.loads((out / "summary.json").read_text())
    assert set(summary) >= SUMMARY
    for name, columns in SCHEMAS.items():
        assert files[name].columns == columns
        assert files[name].schema["ts"] == pl.Datetime("ms", "UTC")
    fills, book, funding = files["fills"], files["book"], files["funding"]
    signed = pl.when(pl.col("side") == "buy").then(pl.col("quantity")).otherwise(-pl.col("quantity"))
    assert set(fills["purpose"]) <= PURPOSES
    assert (fills["quantity"] > 0).all()
    assert summary["fees_usd"] == pytest.approx(fills["fee_usd"].sum())
    assert summary["turnover_usd"] == pytest.approx((fills["quantity"] * fills["price"]).sum())
    assert summary["hedged_funding_usd"] == pytest.approx(funding["payment_usd"].sum())
    unhedged = 0.0
    for row in funding.iter_rows(named=True):
        mine = (pl.col("venue") == row["venue"]) & (pl.col("symbol") == row["symbol"])
        own = book.filter(mine & (pl.col("ts") < row["ts"]))["quantity"].to_list()
        held = sum(own[-1:]) + fills.filter(mine & (pl.col("ts") < row["ts"])).select(signed).sum().item()
        assert row["quantity"] == pytest.approx(held, abs=1e-9)
        assert row["payment_usd"] == pytest.approx(-held * row["rate"] * row["price"], abs=1e-9)
        unhedged -= sum(own[-1:]) * row["rate"] * row["price"]
    assert summary["unhedged_funding_usd"] == pytest.approx(unhedged)
    net = (
        summary["hedged_funding_usd"]
        - summary["unhedged_funding_usd"]
        - summary["fees_usd"]
        - summary["spread_usd"]
    )
    assert summary["net_saving_usd"] == pytest.approx(net)
    assert summary["metrics"]["net_saving"]["value"] == pytest.approx(net)
    daily = pl.read_parquet(out / "daily.parquet").filter(pl.col("name") == "hedged")
    assert (daily["saved_usd"] - daily["cost_usd"]).sum() == pytest.approx(net)
    for name in ("unhedged_funding_usd", "hedged_funding_usd", "fees_usd", "net_saving_usd"):
        assert summary[name] == pytest.approx(sum(row[name] for row in summary["per_symbol"].values()))


def test_totals_can_be_computed_again(tmp_path: Path) -> None:
    """If this fails, the summary says something that its own tables do not."""
    data = write_directory(tables(3), tmp_path / "data")
    window = Window(START_MS, START_MS + 3 * DAY_MS)
    files = backtest(config(), data, tmp_path / "out", window)
    check_totals(tmp_path / "out", files)
    assert len(files["fills"]) > 4
    assert files["fills"]["ts"].dt.epoch("ms").is_between(window.from_ms, window.to_ms).all()


@pytest.mark.parametrize("rule", ["chain", "level"])
def test_totals_on_recorded_data(tmp_path: Path, shared_data: Path, rule: str) -> None:
    """If this fails, the product's main job does not add up on real data."""
    settings = parse_config({"book": {"positions": {"ETH": {"usd": 100_000}, "INJ": {"usd": -50_000}}}})
    window = Window(1_759_968_000_000, 1_760_227_200_000)  # 2025-10-09 … 10-12, the widest liquidations in it
    files = backtest(settings, shared_data, tmp_path / "out", window, Proxy("hyperliquid", rule))  # type: ignore[arg-type]
    check_totals(tmp_path / "out", files)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["proxy"] == "injective=hyperliquid"
    assert summary["proxy_rule"] == rule
    assert len(files["fills"]) > 0
    rules = summary["proxy_rules"]
    assert rules.keys() == {"chain", "level"}
    assert {told["of"] for name, told in rules.items() if name == rule} == {"hedged"}
    assert rules["chain"]["monthly_funding"]["value"] != rules["level"]["monthly_funding"]["value"]
    home = files["funding"].filter(pl.col("venue") == "injective")
    assert len(home) == 2 * (3 * 24 - 1), "hourly prints strictly inside the window, for two symbols"
    assert set(home["interval_hours"]) == {1.0}
    assert summary["price_sources"]["settlements"].keys() <= {
        "venue_candle",
        "other_venue:binance",
        "venue_mark",
    }
