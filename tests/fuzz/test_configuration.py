"""Configuration and sweep files, wrong in every way: one line that says what to change, or a configuration that holds."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hostile import damaged, fuzz, spoilt
from hypothesis import given
from hypothesis import strategies as st

from hedged.cli import main
from hedged.config import Config, load_config, parse_config
from hedged.config.yaml_text import LARGEST_BYTES, parse_yaml
from hedged.domain.errors import ConfigError
from hedged.sweep.file import example, parse_sweep, read_sweep

EXAMPLE = (Path(__file__).parents[2] / "config.example.yaml").read_text(encoding="utf-8")
TREE: dict[str, Any] = Config().model_dump(mode="json")


def bomb(levels: int, merge: bool) -> str:
    """A few lines that stand for nine to the power of `levels` values."""
    lines = ["a0: &a0 {x: 1}" if merge else "a0: &a0 [x, x]"]
    for n in range(1, levels):
        names = ", ".join([f"*a{n - 1}"] * 9)
        lines.append(f"a{n}: &a{n} {{<<: [{names}], k{n}: 1}}" if merge else f"a{n}: &a{n} [{names}]")
    return "\n".join(lines)


HOSTILE = {
    "aliases": bomb(20, merge=False), "merges": bomb(40, merge=True), "itself": "a: &a [*a]", "itself twice": "book: &b {positions: *b}",
    "lists": "[" * 5_000, "maps": "{a: " * 5_000, "blocks": "\n".join(" " * n + "a:" for n in range(2_000)),
    "digits": "risk: {max_leverage: " + "1" * 5_000 + "}", "sixty": "cycle: {interval_s: " + "59:" * 2_000 + "1}",
    "date": "account: 2025-13-45", "bool": "a: !!bool x", "int": 'a: !!int ""', "time": "a: !!timestamp x", "set": "a: !!set {b}",
    "binary": "account: !!binary x", "python": "a: !!python/object/apply:os.system [id]", "own": "a: !secret x",
    "nul": 'state_dir: "a\\0b"', "escape": 'account: "\\e[2J"', "half": 'account: "\\ud800"', "raw nul": "a: \0",
    "numbers as keys": "1: 2", "no key": "~: 1", "list as key": "? [a]\n: 1", "twice": "mode: paper\nmode: live",
    "twice below": "risk: {max_leverage: 1, max_leverage: 2}", "huge": "book: {positions: {ETH: {usd: 1e400000000}}}",
    "tiny": 'book: {equity_usd: "1e-400000"}', "nan": "hedge: {collateral_share: .nan}", "inf": "cycle: {interval_s: .inf}",
    "many": "\n".join(f"k{n}: 1" for n in range(200_000)), "two": "a: 1\n---\nb: 2", "scalar": "x", "tab": "a:\n\t- b",
    "markup": '"[/bold]": "[/red]"',
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_file_is_refused_in_a_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """If this fails, a file ends in a traceback, takes all memory or never ends, or a key is dropped in silence."""
    path = tmp_path / "config.yaml"
    path.write_bytes(HOSTILE[name].encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigError):
        load_config(path)
    monkeypatch.setattr("sys.argv", ["hedged", "check", "--config", str(path)])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.startswith("error: ")
    assert "Traceback" not in told
    assert len(told) < 5_000


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"a: \xc3\x28", b"x" * (LARGEST_BYTES + 1)])
def test_what_is_no_text_is_refused(raw: bytes, tmp_path: Path) -> None:
    """If this fails, a file of another encoding, or of any size, is read."""
    (tmp_path / "config.yaml").write_bytes(raw)
    for read in (load_config, read_sweep):
        with pytest.raises(ConfigError):
            read(tmp_path / "config.yaml")


def test_an_alias_of_something_small_is_fine() -> None:
    """If this fails, a file that names a list once and uses it twice is taken for a bomb."""
    assert parse_yaml("a: &a [1, 2]\nb: *a\nc: {<<: {d: 1}}", "here") == {
        "a": [1, 2],
        "b": [1, 2],
        "c": {"d": 1},
    }


@fuzz
@given(st.one_of(damaged(EXAMPLE.encode()), st.binary(max_size=300)))
def test_a_damaged_file_is_refused_or_holds(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    """If this fails, a slip of the editor or of the disk ends in a traceback."""
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    path.write_bytes(raw)
    try:
        _holds(load_config(path))
    except ConfigError as error:
        assert len(str(error)) < 20_000


@fuzz
@given(spoilt(TREE))
def test_a_wrong_value_is_named_or_harmless(tree: Any) -> None:
    """If this fails, some setting takes a value by which the daemon fails later, in the midst of trading."""
    if not isinstance(tree, dict):
        return  # refused by load_config
    try:
        _holds(parse_config(tree))
    except ConfigError as error:
        assert len(str(error)) < 200_000


@fuzz
@given(spoilt(yaml.safe_load(example())))
def test_a_wrong_sweep_is_named(tree: Any) -> None:
    """If this fails, a sweep file ends in a traceback, or a sweep of no end begins."""
    try:
        parse_sweep(tree if isinstance(tree, dict) else {}, "sweep.yaml")
    except ConfigError:
        pass


def _holds(config: Config) -> None:
    """A configuration that was taken has a name, costs and no number that arithmetic fails on."""
    assert len(config.hash) == 16
    for venue in ("injective", "binance"):
        costs = config.costs_of(venue)
        assert costs.impact(Decimal(1_000)).is_finite()
    for position in config.book.positions.values():
        assert ((position.usd or position.quantity or Decimal(1)) * Decimal("1.5")).is_finite()
