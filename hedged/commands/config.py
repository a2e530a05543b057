"""The commands `hedged config …`: the schema, what is wrong with a file, what it comes to, and what differs."""

import json
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hedged.commands.shared import ConfigPath, console

if TYPE_CHECKING:
    from hedged.config import Config

RUNNING, DEFAULTS = "running", "defaults"
app = typer.Typer(
    no_args_is_help=True, help="The configuration: its schema, what is wrong with a file, what differs."
)
Output = Annotated[Path | None, typer.Option("--out", help="Write to this file instead.")]


@app.command()
def schema(out: Output = None) -> None:
    """Print the JSON Schema of the configuration, for editors that complete and check YAML."""
    from hedged.config.schema import json_schema

    text = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8")


@app.command()
def validate(file: Annotated[Path, typer.Argument(help="Configuration file.")] = Path("config.yaml")) -> None:
    """Say everything that is wrong with a file, line by line. Reads it alone: no key, no venue. Exit code 1: faulty."""
    from hedged.config import load_config
    from hedged.config.faults import Invalid

    try:
        loaded = load_config(file)
    except Invalid as error:
        for fault in error.faults:
            at = f"{file}:{fault.line}" if fault.line is not None else str(file)
            _say(f"{at}: {fault.path}: {fault.text}")
        raise typer.Exit(1) from None
    _say(f"{file} is valid: mode {loaded.mode}, config {loaded.hash}")


@app.command()
def show(
    of: Annotated[str | None, typer.Argument(help="A file, or `running`; default: --config.")] = None,
    config: ConfigPath = Path("config.yaml"),
) -> None:
    """Print the whole configuration that comes of a file, defaults filled in, or the running daemon's. No secrets."""
    import yaml

    tree = _running(config) if of == RUNNING else _shown(_loaded(of or str(config)))
    sys.stdout.write(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True))


@app.command()
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A file, `running` or `defaults`.")],
    b: Annotated[str | None, typer.Argument(metavar="[B]", help="The same; alone, A is B.")] = None,
    config: ConfigPath = Path("config.yaml"),
) -> None:
    """Say what changes from A to B; with one argument, from what runs now to that file.

    Compared is what they mean: order, comments, spelling and defaults that are written out make no difference. Secrets
    are never shown. From `running` it is also said what a reload can take over. Exit code 1: something differs.
    """
    from hedged.config.difference import differing, leaves, said
    from hedged.control.reload import need_restart

    before, after = (RUNNING, a) if b is None else (a, b)
    key = _token(config) if RUNNING in (before, after) else secrets.token_hex()
    old, new = (
        leaves(_running(config) if one == RUNNING else _shown(_loaded(one), key)) for one in (before, after)
    )
    found = differing(old, new)
    restart = set(need_restart(found)) if before == RUNNING else set[str]()
    for name, line in zip(found, said(found), strict=True):
        _say(f"- {line}{' (needs a restart)' if name in restart else ''}")
    if not found:
        _say(f"{before} and {after}: no difference")
        return
    if before == RUNNING:
        _say(
            "`hedged reload` refuses this whole: restart for it"
            if restart
            else "`hedged reload` takes it over"
        )
    raise typer.Exit(1)


def _loaded(name: str) -> "Config":
    from hedged.config import load_config, parse_config

    return parse_config({}) if name == DEFAULTS else load_config(Path(name))


def _shown(config: "Config", key: str | None = None) -> dict[str, Any]:
    from hedged.config.difference import shown

    return shown(config, key)


def _token(config: Path) -> str:
    from hedged.control.client import token_of

    return token_of(_loaded(str(config))).reveal()


def _running(config: Path) -> dict[str, Any]:
    """Ask the daemon for the configuration that is in force there. Raises Fatal where it cannot be had."""
    from hedged.control.client import ask, token_of

    loaded = _loaded(str(config))
    tree: dict[str, Any] = ask(loaded, "GET", "/api/config", token=token_of(loaded)).body["config"]
    return tree


def _say(text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True, markup=False)
