"""Every hour has a reason that can be read, every order a decision that explains it, and `hedged explain` tells it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from commands import hedged
from worlds import START_MS, config, dear, run, tables, world_of

from hedged.backtest.outputs import frames
from hedged.backtest.recorded import BacktestOptions, run_backtest
from hedged.backtest.runner import Window
from hedged.backtest.virtual_time import run_virtually
from hedged.commands.economics_text import show_economics
from hedged.config import parse_config
from hedged.domain.clock import DAY_MS, LoopClock
from hedged.sandbox.markets import VENUES
from hedged.strategy.rules import TEXTS, Rule
from hedged.wiring import economics

DAYS = 2


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of two simulated days in which hedges are opened."""
    out = tmp_path_factory.mktemp("run")
    for name, frame in frames(run(world_of(tables(DAYS)), config(), DAYS)).items():
        frame.lazy().sink_parquet(out / f"{name}.parquet")
    return out


def prove(out: Path, cycles: int) -> None:
    """Prove that nothing is unexplained in the outputs of a run."""
    decisions = pl.read_parquet(out / "decisions.parquet")
    fills = pl.read_parquet(out / "fills.parquet")
    per_symbol = decisions.group_by("symbol").len()["len"]
    assert len(per_symbol)
    assert (per_symbol == cycles).all()
    for row in decisions.iter_rows(named=True):
        assert len(row["reason"]) > 10, row
        assert row["rule"] in TEXTS, row
    # every hour of every symbol has details, and what they say is whole
    told = decisions.filter(pl.col("detail").is_not_null())
    hours = told.select("symbol", pl.col("ts").dt.truncate("1h")).unique()
    assert len(hours) == len(decisions.select("symbol", pl.col("ts").dt.truncate("1h")).unique())
    for text in told["detail"]:
        for leg in json.loads(text).get("legs", ()):
            assert leg["rule"] in TEXTS
            assert leg.get("why") or TEXTS[Rule(leg["rule"])]
    # an order stands and falls with the decision of its cycle
    joined = fills.sort("ts").join_asof(
        decisions.sort("ts"), on="ts", by="symbol", suffix="_decided", check_sortedness=False
    )
    acting = {"open", "increase", "decrease", "close", "stop", "frozen", "hold", "refused"}
    assert set(joined["action"]) <= acting, joined.filter(~pl.col("action").is_in(list(acting)))
    assert joined["reason"].null_count() == 0
    assert joined.filter(pl.col("venue") != "injective")["detail"].null_count() == 0


def test_nothing_simulated_is_unexplained(ran: Path) -> None:
    """If this fails, an hour or an order of a backtest has no reason that can be read."""
    prove(ran, DAYS * 96)
    assert len(pl.read_parquet(ran / "fills.parquet")) > 0, "days without trades would show little"


def test_nothing_recorded_is_unexplained(shared_data: Path, tmp_path: Path) -> None:
    """If this fails, an hour or an order on real data has no reason that can be read."""
    start_ms = 1_760_140_800_000  # 2025-10-11: the day after the widest liquidations of the recording
    settings = parse_config(
        {
            "book": {"positions": {"BTC": {"usd": 150_000}, "INJ": {"usd": -50_000}}},
            "cycle": {"history_days": 20},
            "hedge": {"forecaster": "ewma"},
        }
    )
    window = Window(start_ms, start_ms + DAY_MS)
    run_backtest(settings, BacktestOptions(shared_data, ["BTC", "INJ"], window, tmp_path, None))
    prove(tmp_path, 96)
    assert len(pl.read_parquet(tmp_path / "fills.parquet")) > 0


def words(text: str) -> str:
    """Undo what a terminal's width does to lines."""
    return " ".join(text.split())


def test_explain_tells_a_decision_whole(ran: Path) -> None:
    """If this fails, a person who asks why gets no answer: band, cost, break-even, alternatives, rule or drivers."""
    fill = pl.read_parquet(ran / "fills.parquet").row(0, named=True)
    done = hedged("explain", "--run", str(ran), "--symbol", fill["symbol"], "--at", str(fill["ts"]))
    assert done.returncode == 0
    said = words(done.stdout)
    decisions = pl.read_parquet(ran / "decisions.parquet").filter(
        pl.col("symbol") == fill["symbol"], pl.col("ts") <= fill["ts"]
    )
    for part in (
        decisions["reason"][-1], "you hold", "80 % between", "24 hours (decides)", "7 days", "after sure",
        "opposite at binance", "moved to bybit", "What drives the forecast",
        "its own past rates", "traded", f"at {fill['venue']} for", "config",
    ):  # fmt: skip
        assert part in said, part


def test_explain_tells_machines_the_same(ran: Path) -> None:
    """If this fails, what is piped into a tool is no JSON, or not what stands in the journal."""
    done = hedged("explain", "--run", str(ran), "--json", "--last")
    told: list[dict[str, Any]] = json.loads(done.stdout)
    last = pl.read_parquet(ran / "decisions.parquet").filter(pl.col("ts") == pl.col("ts").max())
    assert [one["symbol"] for one in told] == ["BTC", "INJ"]
    assert [one["reason"] for one in told] == last.sort("symbol")["reason"].to_list()
    assert told[0]["detail"]["legs"][0]["kind"] == "cut"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--last", "--at", "now"), "leave one out"),
        (("--symbol", "DOGE"), "nothing was decided of DOGE"),
        (("--at", "2020-01-01"), "the first decision is of 2026-01-01T00:00:00Z"),
        (("--at", "2026-02-01"), "and no later one"),
        (("--journal", "j"), "both say where to look"),
    ],
)
def test_explain_says_what_it_lacks(ran: Path, arguments: tuple[str, ...], says: str) -> None:
    """If this fails, a typing error ends in a traceback or in another decision."""
    done = hedged("explain", "--run", str(ran), *arguments)
    assert done.returncode == 2
    assert says in words(done.stderr)


def test_explain_without_a_configuration_says_what_to_name(tmp_path: Path) -> None:
    """If this fails, the first thing a new user types is answered by an error of the operating system."""
    done = hedged("explain", "--config", str(tmp_path / "none.yaml"))
    assert done.returncode == 2
    assert "name it with --config, a journal with --journal, or what a backtest wrote with --run" in words(
        done.stderr
    )


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> Callable[..., economics.Economics]:
    """Reckons on simulated markets, a day after their history's end."""
    now_ms = START_MS + DAY_MS
    sources = world_of(tables(DAYS)).venues(VENUES)
    monkeypatch.setattr(economics, "_sources", lambda *_: (None, sources))

    def reckon(**sections: object) -> economics.Economics:
        return run_virtually(lambda: economics.read_economics(config(**sections), LoopClock(now_ms)))

    return reckon


def test_the_economics_of_a_book(simulated: Callable[..., economics.Economics]) -> None:
    """If this fails, a new user is told to hedge, or not to, on figures of another book."""
    told = simulated()
    assert {s: round(usd, -3) for s, usd in told.own_usd.items()} == {"INJ": 80_000, "BTC": 150_000}
    assert [span.hours for span in told.spans] == [1, 8, 168]
    assert set(told.past) == set(told.legs) == set(told.own_usd)
    for symbol, past in told.past.items():
        assert past.hours > 10 * 24, symbol
        assert 0 <= past.saved_usd < 0.4 * 2 * 24 * 30 * abs(told.own_usd[symbol]) * 1e-3
    assert told.charged is None
    assert told.kept == "it takes 21 days of market data, and there are 12"


def test_the_economics_are_shown_to_a_person(
    simulated: Callable[..., economics.Economics], capsys: pytest.CaptureFixture[str]
) -> None:
    """If this fails, the table is cut off at a terminal's usual width, or the verdict is missing."""
    from rich.console import Console

    show_economics(Console(width=80, force_terminal=False), simulated())
    said = capsys.readouterr().out
    assert "…\n" not in said.replace("80 % between", "")
    for part in (
        "Funding ahead",
        "1 hour",
        "8 hours",
        "7 days",
        "saved at best",
        "is not known: it takes",
        "INJ: moved to bybit",
        "At stake a month",
    ):
        assert part in said, part
    assert max(map(len, said.splitlines())) <= 80


def test_the_economics_say_what_the_planner_kept_of_the_past(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a trader sees what was attainable on the own book, and not what this planner makes of it."""
    days = 14
    sources = world_of(dear(tables(days))).venues(VENUES)
    monkeypatch.setattr(economics, "_sources", lambda *_: (None, sources))
    shares: list[float] = []
    told = run_virtually(
        lambda: economics.read_economics(
            config(cycle={"history_days": 24}), LoopClock(START_MS + days * DAY_MS), shares.append
        )
    )
    assert not isinstance(told.kept, str)
    assert set(told.kept) == {"BTC", "INJ"}
    for symbol, kept in told.kept.items():
        assert kept.hours == 24 * 24 - 14 * 24 - 1, symbol
        assert kept.most_usd > 0, symbol
        assert 0 < kept.closing_usd < kept.cost_usd
        # nobody beats perfect foresight over more hours at the same costs
        assert kept.net_usd <= told.past[symbol].saved_usd, symbol
    assert told.kept_usd is not None
    assert shares == sorted(shares)
    assert not told.trained_on, "the EWMA was trained on nothing"


def test_days_that_are_not_known_are_not_days_without_funding(
    simulated: Callable[..., economics.Economics],
) -> None:
    """If this fails, what the window does not hold counts as a month without funding."""
    told = simulated(cycle={"history_days": 7})
    assert told.days == pytest.approx(7, abs=0.2)
    known = sum(past.funding_usd for past in told.past.values())
    assert told.months["at the rates of the last 7 days"] == pytest.approx(known * 30 / 7, rel=0.05)
