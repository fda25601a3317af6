"""A person's certificate seals for an organisation only by a power of attorney that names him."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from consilium import clock, powers
from consilium.errors import Unavailable
from consilium.rules.turns import ZONE
from consilium.seal.names import SignerIdentity
from consilium.seal.policy import DEMO_ECDSA, RU_UKEP
from consilium.seal.representation import represents

HEAD = SignerIdentity("Главнова А. П.", "Главнова", "Анна Петровна", "55667788990", "", "", "")
NOBODY = SignerIdentity("", "", "", "", "", "", "")


def ground(**power: object) -> bytes:
    return json.dumps({"power_of_attorney": power}).encode()


def test_the_power_that_names_him_lets_him_seal() -> None:
    filed = ground(number="3f1d7c2e", person={"snils": "556-677-889 90"})
    assert represents(filed, HEAD, RU_UKEP)
    assert not represents(filed, HEAD, DEMO_ECDSA)
    assert not represents(filed, NOBODY, RU_UKEP)


@pytest.mark.parametrize(
    "filed",
    [
        b"",
        b"not json",
        b"[]",
        b"[" * 100_000,
        b'{"power_of_attorney": null}',
        ground(number="3f1d7c2e"),
        ground(number="3f1d7c2e", person="55667788990"),
        ground(number="3f1d7c2e", person={"snils": "11111111111"}),
        ground(number="", person={"snils": "55667788990"}),
        ground(number=7, person={"snils": "55667788990"}),
        ground(person={"snils": "55667788990"}),
    ],
)
def test_anything_else_does_not(filed: bytes) -> None:
    assert not represents(filed, HEAD, RU_UKEP)


TODAY = clock.now().astimezone(ZONE).date()
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    "said,counts",
    [
        ({}, True),
        ({"valid_from": TODAY.isoformat(), "valid_until": TODAY.isoformat()}, True),
        ({"valid_until": f"{(TODAY + DAY).isoformat()}T00:00:00Z"}, True),
        ({"valid_until": (TODAY - DAY).isoformat()}, False),
        ({"valid_from": (TODAY + DAY).isoformat()}, False),
        ({"valid_until": "forever"}, False),
        ({"valid_until": None}, False),
    ],
)
def test_a_power_that_ended_or_has_not_begun_seals_nothing(
    tmp_path: Path, said: dict[str, object], counts: bool
) -> None:
    """63-ФЗ 17.2: who signs by a power signs while it is in force."""
    (tmp_path / powers.FILE).write_text(json.dumps({"number": "3f1d7c2e", **said}))
    if counts:
        assert powers.power_of(tmp_path)["number"] == "3f1d7c2e"
    else:
        with pytest.raises(Unavailable):
            powers.power_of(tmp_path)


def test_a_power_built_to_exhaust_a_reader_is_none(tmp_path: Path) -> None:
    (tmp_path / powers.FILE).write_text("[" * 60_000)
    with pytest.raises(Unavailable):
        powers.power_of(tmp_path)
