"""The demonstration world on both databases; see tests/people.py."""

from collections.abc import Iterator

import pytest

from consilium import bootstrap
from consilium.settings import Settings
from tests.people import World, loaded


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    parts = bootstrap.build(settings)
    try:
        yield loaded(parts)
    finally:
        parts.close()
