"""A person's certificate seals for an organisation only by a power of attorney that names him."""

import json

import pytest

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
