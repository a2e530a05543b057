"""Files that the program reads again, damaged in every way: ignored and said, or an error that says what to do."""

import asyncio
import contextlib
import gzip
import json
import shutil
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import bodies, damaged, few, fuzz, spoilt, written
from hypothesis import example, given
from hypothesis import strategies as st
from small_tables import recording

from hedged.adapters.replay.tables import load_tables
from hedged.backtest.report import remake_report
from hedged.buffer.directory import TABLES, read_part
from hedged.buffer.ring import BarWindow
from hedged.buffer.snapshot import read_snapshot, write_snapshot
from hedged.control.kill_file import FILE, read_kill_file
from hedged.control.lease import SIGN_FILE, Sign, boot_id, read_sign
from hedged.domain.bars import N_FIELDS
from hedged.domain.errors import ConfigError, DataError, Fatal, HedgedError, NoJournal
from hedged.domain.market import SeriesKey
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.forecast.artefact import CARD, SHIPPED, load, sha256
from hedged.forecast.members import Members
from hedged.forecast.registry import make_forecaster
from hedged.risk.kill import KillLevel
from hedged.sweep.store import FILE as ROWS
from hedged.sweep.store import opened

SIGN = asdict(Sign(1, 2, boot_id(), "host", "paper", "daemon", "abc", 3, 4.0, left=("one",)))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@fuzz
@given(st.one_of(st.binary(max_size=400), damaged(b"flatten because of this")))
def test_a_kill_file_of_any_content_latches(place: Path, raw: bytes) -> None:
    """If this fails, a KILL that somebody has put there in haste is not obeyed."""
    (place / FILE).write_bytes(raw)
    asked = read_kill_file(place)
    assert asked is not None
    assert asked.level is not KillLevel.NONE
    assert asked.reason
    assert asked.reason.isprintable()


@fuzz
@given(bodies(SIGN))
def test_a_sign_of_life_that_is_none_is_no_daemon(place: Path, raw: bytes) -> None:
    """If this fails, a torn lease.json ends `hedged kill`, or passes for a daemon that lives."""
    (place / SIGN_FILE).write_bytes(raw)
    sign = read_sign(place)
    if sign is not None:
        assert isinstance(sign.alive, bool)
        assert sign.silent_s >= 0
        assert sign.followed >= 0
        f"{sign.pid} {sign.role} {'; '.join(sign.left)}"


@pytest.fixture(scope="module")
def journal(place: Path) -> bytes:
    path = place / "sound.sqlite"
    store = JournalStore(str(path), durable=False)
    store.set_kill(1, 1, "a reason", "paper", "cli")
    store.save_state("episodes", {"ETH": {"a": 1}})
    store.record_cycle(900_000, {"ETH": {"reason": "x" * 500}}, {}, {})
    store.close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = DELETE")
    db.close()
    return path.read_bytes()


@fuzz
@given(st.data())
def test_a_damaged_journal_is_refused_or_read(place: Path, journal: bytes, data: st.DataObject) -> None:
    """If this fails, a journal with a flipped bit or a lost tail ends in a traceback, or is mended in secret."""
    path = place / "journal.sqlite"
    for left in place.glob("journal.sqlite*"):
        left.unlink()
    raw = data.draw(damaged(journal))
    path.write_bytes(raw)
    try:
        store = JournalStore(str(path), durable=False, check=True)
    except (Fatal, NoJournal) as error:
        assert str(path) in str(error)
        return
    try:
        for read in (store.latch, store.decisions, store.book, store.unresolved, store.fills, store.funding):
            read()
        store.load_state("episodes")
    except sqlite3.Error:
        pass  # the journal's thread makes Fatal or NoJournal of it
    except (Fatal, NoJournal):
        pass
    finally:
        store.close()


@pytest.fixture(scope="module")
def window(place: Path) -> bytes:
    ages = np.full((1, 3, N_FIELDS), 1, np.float32)
    kept = BarWindow((SeriesKey("binance", "ETH"),), 1_000, np.arange(3) * 1_000, ages * 2, ages)
    write_snapshot(place / "window", kept, "here")
    return (place / "window").read_bytes()


@fuzz
@given(st.data())
def test_a_damaged_window_costs_a_cold_start(place: Path, window: bytes, data: st.DataObject) -> None:
    """If this fails, a damaged window ends the start, or its numbers are believed."""
    line, _, body = window.partition(b"\n")
    head = data.draw(st.one_of(st.just(line), bodies(json.loads(line))))
    path = place / "window"
    path.write_bytes(head + b"\n" + data.draw(st.one_of(st.just(body), damaged(body))))
    with contextlib.suppress(DataError):
        found = read_snapshot(path, 1_000, "here", -1_000, 5_000)
        assert found is not None
        assert found.values.shape[1:] == (3, N_FIELDS)


@pytest.fixture(scope="module")
def tables(place: Path) -> dict[str, bytes]:
    folder = place / "sound"
    folder.mkdir()
    for name, frame in recording(12).items():
        frame.write_parquet(folder / f"{name}.parquet")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@fuzz
@given(st.data())
def test_a_damaged_table_is_named(place: Path, tables: dict[str, bytes], data: st.DataObject) -> None:
    """If this fails, a damaged part of a data directory ends a backtest or the recorder in a traceback."""
    folder = place / "data"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    wrong = data.draw(st.sampled_from(sorted(tables)))
    for name, raw in tables.items():
        (folder / name).write_bytes(data.draw(damaged(raw)) if name == wrong else raw)
    with contextlib.suppress(DataError):
        load_tables(folder, None)
    name = wrong.removesuffix(".parquet")
    if name in TABLES:
        with contextlib.suppress(DataError):
            read_part(folder / wrong, TABLES[name])


CARD_TREE: dict[str, Any] = json.loads((SHIPPED / CARD).read_text())


def card_as(place: Path, raw: bytes) -> Path:
    """A copy of the shipped model with another card."""
    model = place / "model"
    if not model.exists():
        shutil.copytree(SHIPPED, model)
    (model / CARD).write_bytes(raw)
    return model


@fuzz
@given(
    st.one_of(
        bodies(CARD_TREE), spoilt(CARD_TREE | {"metrics": {}}, 1).map(lambda tree: written(tree).encode())
    )
)
def test_a_wrong_card_is_refused(place: Path, raw: bytes) -> None:
    """If this fails, a model whose card is damaged ends the start in a traceback, or forecasts all the same."""
    model = card_as(place, raw)
    try:
        artefact = load(model)
    except ConfigError as error:
        assert str(model) in str(error)
        return
    assert all(isinstance(name, str) for name in (*artefact.card.features, *artefact.card.members))
    assert isinstance(artefact.card.width, int | float)


@pytest.mark.parametrize("name", ["networks.onnx", "trees.onnx.gz"])
def test_a_hostile_graph_with_a_right_card_is_refused(place: Path, name: str) -> None:
    """If this fails, a damaged model of which the card was made anew ends the start in a traceback."""
    sound = (SHIPPED / name).read_bytes()
    inside = gzip.decompress(sound) if name.endswith(".gz") else sound

    @few
    @given(st.one_of(st.binary(max_size=100), damaged(inside[:HEAD])))
    def opened_as(raw: bytes) -> None:
        body = raw + inside[HEAD:]
        model = vouched(place, name, gzip.compress(body, 0) if name.endswith(".gz") else body)
        with contextlib.suppress(ConfigError):
            Members(load(model), threads=1)

    opened_as()


def test_trees_that_unpack_to_gigabytes_are_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a few kilobytes of a stranger's model take all memory."""
    monkeypatch.setattr("hedged.forecast.artefact.LARGEST_GRAPH", 1 << 20)
    with pytest.raises(ConfigError, match="unpacks to more"):
        load(vouched(place, "trees.onnx.gz", gzip.compress(bytes(1 << 21)))).trees()


@fuzz
@example(b'{"model": "tree", "card": {"data": {}}}')
@given(bodies(json.loads((SHIPPED / "cascade.json").read_text()) | {"model": "tree\nversion=v4\n"}))
def test_a_wrong_cascade_head_is_refused(place: Path, raw: bytes) -> None:
    """If this fails, a cascade head that is none ends the start in a traceback."""
    with contextlib.suppress(HedgedError):
        make_forecaster("persistence", vouched(place, "cascade.json", raw), crowded_share=0.7)


def test_a_file_that_the_card_does_not_name_is_not_read(place: Path) -> None:
    """If this fails, a graph is served of which no hash was checked, or a card has files read from elsewhere."""
    model = vouched(place, "cascade.json", (SHIPPED / "cascade.json").read_bytes())
    card = json.loads((model / CARD).read_text())
    for files in (
        {n: h for n, h in card["files"].items() if n != "networks.onnx"},
        {**card["files"], "../../etc/hostname": "0"},
    ):
        (model / CARD).write_text(json.dumps(card | {"files": files}))
        with pytest.raises(ConfigError, match="lacks"):
            Members(load(model), threads=1)


HEAD = 20_000


def vouched(place: Path, name: str, content: bytes) -> Path:
    """A copy of the shipped model with another file, of which the card tells the right hash."""
    model = place / "vouched"
    shutil.rmtree(model, ignore_errors=True)
    model.mkdir()
    card = json.loads((SHIPPED / CARD).read_text())
    for one in card["files"]:
        (model / one).symlink_to(SHIPPED / one)
    (model / name).unlink()
    (model / name).write_bytes(content)
    card["files"][name] = sha256(content)
    (model / CARD).write_text(json.dumps(card))
    return model


SUMMARY: dict[str, Any] = {
    "name": "run", "per_symbol": {"ETH": {"position_usd": 1.0, "unhedged_usd": 1.0}}, "saved_usd": 1.0, "window": {"from": "x"},
    "metrics": {"sharpe": {"value": 1.0}},
}  # fmt: skip


@fuzz
@given(bodies(SUMMARY), st.binary(max_size=100))
def test_a_damaged_run_is_no_run(place: Path, raw: bytes, table: bytes) -> None:
    """If this fails, `hedged report` on a damaged run ends in a traceback."""
    run = place / "run"
    run.mkdir(exist_ok=True)
    (run / "summary.json").write_bytes(raw)
    (run / "decisions.parquet").write_bytes(table)
    with contextlib.suppress(HedgedError):
        remake_report(run)
    (run / "decisions.parquet").unlink()
    with contextlib.suppress(HedgedError):
        remake_report(run)


ROW: dict[str, Any] = {
    "key": "k",
    "status": "ok",
    "seconds": 1.0,
    "metrics": {"a": 1.0},
    "daily": [1.0],
    "gaps": [],
    "stand_in": None,
}


@fuzz
@given(st.lists(bodies(ROW), max_size=3))
def test_a_damaged_sweep_says_so(place: Path, lines: list[bytes]) -> None:
    """If this fails, a sweep cannot be gone on with after a full disk, and does not say why."""
    out = place / "sweep"
    out.mkdir(exist_ok=True)
    (out / ROWS).write_bytes(b"\n".join(lines) + b"\n")
    with contextlib.suppress(ConfigError), opened(out) as rows:
        assert isinstance("k" in rows, bool)


@pytest.mark.parametrize("value", ["CAST(x'ff' AS TEXT)", "'{'", "x'00'"])
def test_a_row_that_cannot_be_read_is_damage(tmp_path: Path, value: str) -> None:
    """If this fails, a flipped bit that SQLite does not see ends the daemon in a traceback, and says of no way on."""
    path = tmp_path / "journal.sqlite"
    JournalStore(str(path), durable=False).close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"INSERT INTO states VALUES ('x', {value})")
        db.commit()
    journal = Journal.open(path)
    try:
        with pytest.raises(Fatal, match=r"damaged|cannot be used"):
            asyncio.run(journal(JournalStore.load_state, "x"))
    finally:
        journal.close()


@pytest.mark.parametrize(
    "line", ["null", '{"key": []}', '{"key": "k", "status": [], "seconds": 1}', "[" * 5_000]
)
def test_a_row_of_another_shape_is_no_row(tmp_path: Path, line: str) -> None:
    """If this fails, a sweep that was cut off cannot be gone on with, and does not say why."""
    (tmp_path / ROWS).write_text(f"{line}\n")
    with contextlib.suppress(ConfigError), opened(tmp_path) as rows:
        assert "k" not in rows
