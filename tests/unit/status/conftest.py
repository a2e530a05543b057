"""One life of a daemon for all tests of what it tells."""

import pytest
from status_world import Life, live


@pytest.fixture(scope="session")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """A daemon that has lived for some hours, hedges held."""
    return live(tmp_path_factory.mktemp("life") / "journal.sqlite")
