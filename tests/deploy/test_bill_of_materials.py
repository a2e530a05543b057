"""What the daemon is made of: every package with a licence that is allowed, named in a valid bill of materials."""

import hashlib
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sbom", ROOT / "scripts/sbom.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_bill_is_valid_and_whole(sbom: ModuleType, tmp_path: Path) -> None:
    """If this fails, whoever asks what runs here, after a vulnerability was published, gets a wrong answer."""
    out = tmp_path / "sbom.json"
    assert sbom.main(str(out)) == 0
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(out.read_text()) is None
    told = json.loads(out.read_text())["components"]
    found = {(one["name"], one["version"]) for one in told}
    assert set(sbom.pins()) <= found
    assert len(list(sbom.pins())) > 80
    hashed = {one["name"]: one["hashes"][0]["content"] for one in told if "hashes" in one}
    files = {"echarts": ROOT / sbom.VENDORED["echarts"][0]}
    files |= {f"{sbom.MODEL}/{file.name}": file for file in (ROOT / sbom.MODEL).iterdir()}
    assert hashed == {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}


def test_the_vendored_script_is_the_one_that_was_checked() -> None:
    """If this fails, the script inside every page is not the one of the npm registry that its version names."""
    told = re.search(r"ECHARTS_SHA256=(\w+)", (ROOT / "scripts/vendor_echarts.sh").read_text())
    assert told is not None
    script = ROOT / "hedged/page/assets/echarts.min.js"
    assert hashlib.sha256(script.read_bytes()).hexdigest() == told[1]


def test_every_licence_is_allowed(sbom: ModuleType) -> None:
    """If this fails, a new dependency brings a duty (copyleft, or none that anybody knows) that nobody has accepted."""
    wrong = {name: why for name, _ in sbom.pins() if (why := sbom.refused(name, sbom.licence(name)))}
    assert wrong == {}


@pytest.mark.parametrize("expression", ["", "GPL-3.0-only", "MIT AND MPL-2.0", "AGPL-3.0-or-later OR MIT"])
def test_what_is_not_allowed_is_found(sbom: ModuleType, expression: str) -> None:
    """If this fails, the test above lets everything through."""
    assert sbom.refused("x", expression)


def test_the_lock_has_hashes_or_says_why_not() -> None:
    """If this fails, nobody knows whether what is installed is what was locked, nor why."""
    pins = re.findall(r"^[a-zA-Z0-9].*==.*$", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    hashed = [pin for pin in pins if pin.endswith("\\")]
    assert len(hashed) == len(pins) or (
        not hashed and (ROOT / "docs/adr/0016-the-lock-has-no-hashes.md").is_file()
    )
