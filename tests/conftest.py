"""What every test may lean on: the real market history beside the repository, and honest skipping."""

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import structlog.testing
from hypothesis import settings

# Small arrays all of it: a second thread of BLAS, OpenMP or Polars only spins, and takes the other worker's core.
# Read when the libraries are first imported; processes that tests start inherit it.
for pool in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{pool}_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "1")

# live accounts are leased machine-wide: not those of tests that run at the same time
LEASES = tempfile.TemporaryDirectory(prefix="hedged-leases-")
os.environ["XDG_RUNTIME_DIR"] = LEASES.name

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("HEDGED_SHARED") or ROOT.parent / "shared")
NO_SHARED = "needs ../shared/data (real market history, not part of the repository)"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

# what a simulation logs in seconds would fill pages; tests of the log configure it themselves
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
QUIET = structlog.get_config()

settings.register_profile("hedged", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("hedged")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real market history; HEDGED_SHARED names another parent than ../shared."""
    data = SHARED / "data"
    if not data.is_dir():
        pytest.skip(NO_SHARED)
    return data


@pytest.fixture(scope="session")
def recorded() -> Callable[[str], Any]:
    """Reads a recorded response of Injective by the name of its file."""
    return _reader("injective")


@pytest.fixture(scope="session")
def recorded_cex() -> Callable[[str], Any]:
    """Reads a recorded response of an exchange: `binance__parse_order__3`."""
    read = _reader("cex")
    return lambda name: read(f"async_support__{name}")["raw"]


def _reader(folder_name: str) -> Callable[[str], Any]:
    folder = SHARED / "fixtures" / folder_name
    if not folder.is_dir():
        pytest.skip("needs ../shared/fixtures (recorded responses, not part of the repository)")
    return lambda name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """Commands configure the log of their process; here it is that of all tests, and goes back to being quiet."""
    yield
    structlog.configure(**QUIET)


@pytest.fixture
def logs() -> Iterator[list[dict[str, Any]]]:
    """What is logged during the test, one dict per line, `event` and `log_level` among its keys."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET))
    with structlog.testing.capture_logs() as lines:
        yield lines


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Whoever uses the history carries its marker, so that no skipped proof goes uncounted.

    Workers take one file after another: the slow ones first, then those that wait for real servers, then the many
    small ones. Otherwise one worker would end long after the other.
    """
    for item in items:
        if {"shared_data", "recorded", "recorded_cex"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.shared)
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: (item.path not in slow, "wire" not in item.path.parts))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine cannot show."""
    if item.get_closest_marker("shared") and not (SHARED / "data").is_dir():
        pytest.skip(NO_SHARED)
    if item.get_closest_marker("browser") and not any(map(shutil.which, BROWSERS)):
        pytest.skip("needs chromium")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name at the end each proof that a missing ../shared cost."""
    skipped = [
        report.nodeid
        for report in terminalreporter.stats.get("skipped", [])
        if "shared" in getattr(report, "keywords", ())  # a module that was skipped whole has none
    ]
    if not skipped:
        terminalreporter.write_line("no proof was skipped for lack of ../shared")
        return
    terminalreporter.section("skipped for lack of ../shared")
    for nodeid in skipped:
        terminalreporter.write_line(nodeid)
    terminalreporter.write_line(f"{len(skipped)} proofs skipped: {NO_SHARED}")
