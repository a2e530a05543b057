"""The package as a container or a service installs it, not as the working tree shows it."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from hedged.backtest import report

ROOT = Path(__file__).resolve().parents[2]


def test_the_wheel_holds_every_file_that_is_read_at_run_time(tmp_path: Path) -> None:
    """If this fails, the daemon runs from a checkout and crashes in the container."""
    tree = tmp_path / "tree"  # building leaves traces beside the sources
    shutil.copytree(ROOT / "hedged", tree / "hedged")
    shutil.copy(ROOT / "pyproject.toml", tree)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        str(tmp_path),
        ".",
    ]
    subprocess.run(command, check=True, cwd=tree, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        packed = set(wheel.namelist())
    package = Path(report.__file__).resolve().parents[2]
    needed = {
        path.relative_to(package.parent).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert any(name.endswith(".sql") for name in needed)
    assert not needed - packed
