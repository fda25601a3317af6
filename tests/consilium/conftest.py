"""The demonstration world; see tests/people.py.

`world` is new for every test, on both databases. `shared` is one for a file, on SQLite: for many small
questions and refusals, each of which brings its own case or consilium. Both are copies of one that is made
once a run: what costs is hashing passwords, looking at images and building tables.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from consilium.settings import Settings
from tests import services
from tests.people import World, inhabited


@pytest.fixture(scope="session")
def furniture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a world, its SQLite database inside."""
    folder = tmp_path_factory.mktemp("furniture") / "var"
    with inhabited(embedded(folder)):
        return folder


@pytest.fixture(scope="session")
def furniture_of_postgres(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """Address of a world's database, and the data folder beside it."""
    folder = tmp_path_factory.mktemp("furniture") / "var"
    with services.fresh_database(postgres_url) as address:
        with inhabited(replace(embedded(folder), database_url=address)):
            pass
        yield address, folder


@pytest.fixture
def world(settings: Settings, request: pytest.FixtureRequest) -> Iterator[World]:
    if settings.database_url.startswith("sqlite"):
        folder = request.getfixturevalue("furniture")
        for part in folder.glob("consilium.db*"):
            shutil.copy(part, Path(settings.database_url.removeprefix("sqlite:///")).with_name(part.name))
    else:
        address, folder = request.getfixturevalue("furniture_of_postgres")
        services.refill(settings.database_url, address)
    shutil.copytree(
        folder,
        settings.data_dir,
        ignore=shutil.ignore_patterns("consilium.db*", "secret"),
        dirs_exist_ok=True,
    )
    with inhabited(settings, furnished=True) as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, furniture: Path) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("shared") / "var"
    shutil.copytree(furniture, folder)
    with inhabited(embedded(folder), furnished=True) as made:
        yield made


def embedded(folder: Path) -> Settings:
    """Demonstration settings with everything in one folder."""
    return Settings.from_environment({"CONSILIUM_DEMO": "1", "CONSILIUM_DATA_DIR": str(folder)})
