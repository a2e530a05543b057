"""Write docs/configuration.md from the configuration's own schema. Run it after changing a setting."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hedged.config import Config
from hedged.config.schema import json_schema

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
Node = Mapping[str, Any]
HEAD = """# Every setting

<!-- made by scripts/config_page.py from hedged/config/ -->

Everything has a default; `config.example.yaml` shows the same with more words. An unknown key is refused, and the one
that was probably meant is named.

- `hedged config validate config.yaml` names every fault with its line; `hedged config show` prints what it comes to.
- `hedged config diff new.yaml` says what would change for the running daemon, and what of it needs a restart.
- `hedged config schema --out schema.json` writes a JSON Schema: editors that speak YAML complete and check with it.
- After an edit `hedged reload`, or SIGHUP: taken over whole or refused whole.

Lists are in brackets. *required*: a section that is given at all needs it.
"""


def page() -> str:
    """Return the whole page."""
    schema = json_schema()
    defs: Node = schema["$defs"]
    parts = [HEAD]
    for name, title, node in _sections(schema, defs):
        mine = _at(Config().model_dump(mode="json"), name)
        rows = [
            _row(key, one, defs, key in node.get("required", ()), mine.get(key))
            for key, one in _leaves(node, defs)
        ]
        if not rows:
            continue
        about = node.get("description", "").partition("\n\n")[0].replace("\n", " ")
        head = "| setting | values | default | meaning |\n|---|---|---|---|"
        parts.append(
            f"## {title}\n\n{about}\n\n{head}\n" + "\n".join(rows) + "\n" if name else _top(head, rows)
        )
    return "\n".join(parts)


def _top(head: str, rows: list[str]) -> str:
    return f"## At the top\n\n{head}\n" + "\n".join(rows) + "\n"


def _sections(node: Node, defs: Node, path: str = "") -> Iterator[tuple[str, str, Node]]:
    """Yield every section with its path, outer ones first."""
    yield path, f"`{path}`", node
    for key, one in node["properties"].items():
        inner, suffix = _section_of(one, defs)
        if inner is not None:
            yield from _sections(inner, defs, f"{path}.{key}{suffix}".lstrip("."))


def _section_of(node: Node, defs: Node) -> tuple[Node | None, str]:
    """Return the section that a setting is, and how its path goes on; None for a plain value."""
    for one in (node, *node.get("anyOf", ()), *node.get("allOf", ())):
        if "$ref" in one:
            inner = defs[one["$ref"].rpartition("/")[2]]
            if "properties" in inner:
                return inner, ""
        if (
            isinstance(more := one.get("additionalProperties"), dict)
            and _section_of(more, defs)[0] is not None
        ):
            return _section_of(more, defs)[0], ".NAME"
        if isinstance(items := one.get("items"), dict) and _section_of(items, defs)[0] is not None:
            return _section_of(items, defs)[0], "[]"
    return None, ""


def _leaves(node: Node, defs: Node) -> Iterator[tuple[str, Node]]:
    for key, one in node["properties"].items():
        if _section_of(one, defs)[0] is None:
            yield key, one


def _at(tree: Any, path: str) -> Mapping[str, Any]:
    """Return the defaults of a section that has a single place; none for one that goes by name or in a list."""
    for key in path.split(".") if path else ():
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree if isinstance(tree, dict) else {}


def _row(key: str, node: Node, defs: Node, required: bool, made: Any) -> str:
    default = node.get("default") if made is None else made
    told = "*required*" if required else "" if default in (None, "") else f"`{_told(default)}`"
    cells = (f"`{key}`", _values(node, defs), told, node.get("description", ""))
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _values(node: Node, defs: Node) -> str:
    """Say what may stand there."""
    if "$ref" in node:
        return _values(defs[node["$ref"].rpartition("/")[2]], defs)
    if "enum" in node:
        return ", ".join(str(one) for one in node["enum"])
    if "const" in node:
        return str(node["const"])
    if "anyOf" in node:
        found = [_values(one, defs) for one in node["anyOf"] if one.get("type") != "null"]
        # a decimal may be written as a number or as its text
        return next((one for one in found if one.startswith("number")), " or ".join(dict.fromkeys(found)))
    kind = node.get("type", "any")
    if kind == "array":
        inner = node.get("items") or (node.get("prefixItems") or [{}])[0]
        return f"[{_values(inner, defs)}, …]"
    if kind == "object":
        return "by name"
    names = {"string": "text", "integer": "integer", "number": "number", "boolean": "true, false"}
    return f"{names.get(kind, kind)}{_bounds(node)}"


def _bounds(node: Node) -> str:
    bounds = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
    told = [f"{sign} {node[name]:.10g}" for name, sign in bounds if name in node]
    return f" {', '.join(told)}" if told else ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
