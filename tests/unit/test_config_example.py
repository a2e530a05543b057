"""The example configuration is where an operator learns of a setting: it names every one, in its own section."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from hedged.config import Config, parse_config

ROOT = Path(__file__).parents[2]
SECTIONS = {
    name: field.annotation
    for name, field in Config.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}


def section(name: str) -> str:
    """The lines of one section of the example, also where it is commented out."""
    text = (ROOT / "config.example.yaml").read_text(encoding="utf-8")
    found = re.findall(rf"^(?:# )?{name}:.*\n((?:(?:# )? +.*\n|#  .*\n)*)", text, re.MULTILINE)
    return "".join(found)


@pytest.mark.parametrize("name", sorted(SECTIONS))
def test_every_setting_stands_in_the_example(name: str) -> None:
    """If this fails, a setting exists that only a reader of the source can find."""
    shown = section(name)
    missing = [key for key in SECTIONS[name].model_fields if not re.search(rf"\b{key}:", shown)]
    assert not missing, f"config.example.yaml, {name}: {missing}"


def test_every_setting_of_injective_is_documented() -> None:
    """If this fails, the operator cannot read what a setting of keys, gas or nodes does."""
    text = "".join((ROOT / "docs" / page).read_text() for page in ("injective.md", "injective-trading.md"))
    missing = [key for key in SECTIONS["injective"].model_fields if f"`{key}" not in text]
    assert not missing


def test_what_is_commented_out_is_valid_once_it_is_not() -> None:
    """If this fails, an operator who takes the comment signs away has written a configuration that is refused."""
    text = (ROOT / "config.example.yaml").read_text(encoding="utf-8")
    tree = yaml.safe_load(text)
    off = set(re.findall(r"^# ([a-z_]+):.*$", text, re.MULTILINE)) & set(Config.model_fields)
    assert {"injective", "cex", "outside", "webhook", "recorder"} <= off
    for name in sorted(off):
        found = re.search(rf"^# {name}:.*\n(?:#  .*\n)*", text, re.MULTILINE)
        assert found is not None
        shown = re.sub(r"^# ?", "", found[0], flags=re.MULTILINE)
        shown = re.sub(
            r"^  \w+: .*# .*\b(instead of .*_file|with network: custom).*\n", "", shown, flags=re.MULTILINE
        )
        parse_config(tree | {"data": {"source": "venues"}} | yaml.safe_load(shown))
