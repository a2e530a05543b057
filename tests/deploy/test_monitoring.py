"""Prometheus' own judge of what is deployed beside the daemon: its configuration, its rules, and when they fire."""

import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"
pytestmark = pytest.mark.skipif(
    not shutil.which("promtool"), reason="needs promtool (Debian's package prometheus)"
)


@pytest.mark.parametrize(
    "command",
    [
        ["check", "rules", "rules.yml"],
        ["check", "config", "--syntax-only", "prometheus.yml"],
        ["test", "rules", "rules_test.yml"],
    ],
    ids=["rules", "config", "cases"],
)
def test_promtool_agrees(command: list[str]) -> None:
    """If this fails, Prometheus refuses to start with these files, or an alert does not fire when it should."""
    result = subprocess.run(["promtool", *command], check=False, cwd=DEPLOY, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
