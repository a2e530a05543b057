"""`hedged config`: the schema, faults by line, what differs; secrets are never shown."""

import json
from pathlib import Path

import jsonschema
import yaml
from commands import hedged

from hedged.config import Config, parse_config
from hedged.config.difference import changes, effective, leaves, said, shown
from hedged.config.schema import json_schema

ROOT = Path(__file__).parents[3]
SECRET = "planted-where-it-does-not-belong"


def written(folder: Path, text: str, name: str = "c.yaml") -> str:
    file = folder / name
    file.write_text(text)
    return str(file)


def test_the_schema_is_one_and_takes_the_example() -> None:
    """If this fails, an editor underlines what the daemon takes, or lets pass what it refuses."""
    done = hedged("config", "schema")
    schema = json.loads(done.stdout)
    assert (done.returncode, schema) == (0, json_schema())
    checker = jsonschema.Draft202012Validator(schema)
    checker.check_schema(schema)
    example = yaml.safe_load((ROOT / "config.example.yaml").read_text(encoding="utf-8"))
    checker.validate(example)
    port = schema["$defs"]["TelemetryConfig"]["properties"]["port"]
    assert (port["default"], port["maximum"]) == (9464, 65535), "what an editor shows"
    for wrong in ({"hegde": {}}, {"hedge": {"cap": 2}}, {"mode": "demo"}, {"cycle": {"interval_s": 1}}):
        assert list(checker.iter_errors(example | wrong)), wrong


def test_the_schema_goes_into_a_file(tmp_path: Path) -> None:
    """If this fails, an operator has no file to point the editor at."""
    assert hedged("config", "schema", "--out", str(tmp_path / "s.json")).returncode == 0
    assert json.loads((tmp_path / "s.json").read_text()) == json_schema()


FAULTY = """\
hedge:
  cap: 7
  cpa: 1
  max_daily_loss: 1
book:
  positions:
    INJ: {usd: 1, quantity: 2}
risk:
  equity: 3
costs:
  cex: {maker_bp: 1}
"""


def test_every_fault_is_told_with_its_line(tmp_path: Path) -> None:
    """If this fails, an operator mends a file fault by fault, and looks for each."""
    file = written(tmp_path, FAULTY)
    done = hedged("config", "validate", file)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"{file}:2: hedge.cap: Input should be less than or equal to 1",
        f"{file}:3: hedge.cpa: unknown key; did you mean 'cap'?",
        f"{file}:4: hedge.max_daily_loss: unknown key here; it belongs to risk.max_daily_loss",
        f"{file}:7: book.positions.INJ: give either usd or quantity",
        f"{file}:9: risk.equity: unknown key",
        f"{file}:11: costs.cex.taker_bp: Field required",
    ]
    assert "line 3: hedge.cpa: unknown key" in hedged("check", "--config", file).stderr
    sound = hedged("config", "validate", written(tmp_path, "mode: paper\n"))
    assert (sound.returncode, " is valid: mode paper" in sound.stdout) == (0, True)


def test_a_file_that_is_none_is_told_and_not_quoted(tmp_path: Path) -> None:
    """If this fails, a slip of the pen puts the secret beside it on the screen."""
    for text in (f"a: [{SECRET}", f"a: {SECRET}\na: 2", f"{SECRET}: b: c", f"- {SECRET}", f'"{SECRET}'):
        done = hedged("config", "validate", written(tmp_path, text))
        assert done.returncode == 2
        assert SECRET not in done.stdout + done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert hedged("config", "validate", str(tmp_path / "none.yaml")).returncode == 2


def test_only_what_means_something_else_differs(tmp_path: Path) -> None:
    """If this fails, a comment or 0.40 for 0.4 counts as a change, or a changed limit is overlooked."""
    a = written(tmp_path, "hedge: {cap: 0.4}\nbook: {positions: {INJ: {usd: 1}}}\n")
    b = written(
        tmp_path,
        "# the same\nbook:\n  positions: {INJ: {usd: 1.0}}\nmode: paper\nhedge: {cap: '0.40'}\n",
        "b",
    )
    done = hedged("config", "diff", a, b)
    assert (done.returncode, done.stdout) == (0, f"{a} and {b}: no difference\n")
    done = hedged("config", "diff", "defaults", a)
    assert (done.returncode, done.stdout) == (
        1,
        "- book.positions: {} → none\n- book.positions.INJ.usd: none → 1\n",
    )
    c = written(tmp_path, "hedge: {cap: 0.3}\nbook: {positions: {INJ: {usd: 1}}}\n", "c")
    assert hedged("config", "diff", a, c).stdout == "- hedge.cap: 0.4 → 0.3\n"


def test_secrets_are_compared_and_not_shown(tmp_path: Path) -> None:
    """If this fails, a difference or a listing shows a token, or that it changed goes by unseen."""
    text = "cex: {okx: {key_file: /k/%s, options: {apiKey: %s}}}\ninjective: {nodes: []}\n"
    a, b = (written(tmp_path, text % (one, f"{SECRET}-{one}"), one) for one in ("a", "b"))
    done = hedged("config", "diff", a, b)
    assert done.stdout.splitlines() == ["- cex.okx.key_file: changed", "- cex.okx.options: changed"]
    listing = hedged("config", "show", a).stdout
    assert SECRET not in done.stdout + listing
    tree = yaml.safe_load(listing)
    assert tree["cex"]["okx"]["options"] == "<hidden>"
    assert tree["hedge"]["cap"] == 0.4
    first, second = (
        leaves(shown(parse_config(yaml.safe_load(Path(one).read_text())), "a-key")) for one in (a, b)
    )
    assert first["cex.okx.options"] != second["cex.okx.options"]
    assert "key" not in json.dumps([first["cex.okx.options"], second["cex.okx.options"]])


def test_what_is_shown_can_be_read_again(tmp_path: Path) -> None:
    """If this fails, the listing of the whole configuration is not one."""
    config = parse_config({"book": {"positions": {"INJ": {"usd": 80_000}}}, "hedge": {"cap": "0.25"}})
    assert parse_config(shown(config)) == config
    assert changes(Config(), config).keys() == {"book.positions", "book.positions.INJ.usd", "hedge.cap"}
    assert said({"telemetry.token_env": ("A", "B"), "x": (True, None)}) == [
        "telemetry.token_env: changed", "x: true → none",
    ]  # fmt: skip
    assert effective(config)["hedge.cap"] == 0.25


def test_nothing_runs_and_it_says_so(tmp_path: Path) -> None:
    """If this fails, a token is sent to whoever listens at the daemon's port."""
    (tmp_path / "t").write_text("abcdefgh" * 3)
    (tmp_path / "t").chmod(0o600)
    file = written(tmp_path, f"state_dir: {tmp_path}/s\ntelemetry: {{token_file: {tmp_path}/t}}\n")
    for command in (("diff", file), ("show", "running")):
        done = hedged("config", *command, "--config", file)
        assert (done.returncode, f"no daemon runs on {tmp_path}/s" in done.stderr) == (2, True)
    none = written(tmp_path, f"state_dir: {tmp_path}/s\n", "d")
    assert "no token is configured" in hedged("config", "diff", none, "--config", none).stderr
