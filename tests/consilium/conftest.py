"""The demonstration world; see tests/people.py.

`world` is new for every test, on both databases. `shared` is one for a file, on SQLite: for many small
questions and refusals, each of which brings its own case or consilium.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from consilium.settings import Settings
from tests.people import World, inhabited


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    with inhabited(settings) as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with inhabited(embedded(tmp_path_factory.mktemp("shared"))) as made:
        yield made


def embedded(folder: Path) -> Settings:
    """Demonstration settings with everything in one folder."""
    return Settings.from_environment({"CONSILIUM_DEMO": "1", "CONSILIUM_DATA_DIR": str(folder)})
