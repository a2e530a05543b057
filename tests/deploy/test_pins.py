"""The versions that stand in several files say the same."""

import re
import tomllib
from pathlib import Path

import hedged

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(lock: str) -> set[str]:
    """The `name==version` of a lock, where they are wanted or not."""
    lines = (ROOT / lock).read_text().splitlines()
    return {line.partition(" ;")[0] for line in lines if re.match(r"[a-zA-Z0-9]", line)}


def test_version_is_one() -> None:
    """Otherwise a report or an image would name a version that is not the one that ran."""
    assert PROJECT["version"] == hedged.__version__
    assert f"hedged:{hedged.__version__} " in (ROOT / "Makefile").read_text()


def test_tools_are_tested_on_what_serves() -> None:
    """Otherwise the tests would pass on other versions than those in the container."""
    assert pins("requirements.lock") < pins("requirements-dev.lock")


def test_serving_needs_no_torch() -> None:
    """Otherwise the container would grow by gigabytes."""
    assert not [pin for pin in pins("requirements-dev.lock") if re.match(r"torch|nvidia|triton", pin)]


def test_torch_has_one_version() -> None:
    """Otherwise a model trained in the container would differ from one trained beside it."""
    version = PROJECT["optional-dependencies"]["train"][0].removeprefix("torch==")
    assert f"TORCH_VERSION := {version}\n" in (ROOT / "Makefile").read_text()
    assert f"ARG TORCH_VERSION={version}\n" in (ROOT / "Dockerfile").read_text()


def test_lock_covers_what_is_declared() -> None:
    """Otherwise a dependency was added without `make lock`, and a fresh machine fails at import."""
    locked = {re.split("==", pin)[0].lower() for pin in pins("requirements.lock")}
    declared = {re.split(r"[>=<]", need)[0].lower() for need in PROJECT["dependencies"]}
    assert declared <= locked
