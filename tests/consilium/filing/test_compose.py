"""The registry is told what the sealed document says, nothing else."""

from __future__ import annotations

import hashlib
from datetime import date

import pytest

from consilium.documents.cda import render
from consilium.documents.facts import ProtocolKind
from consilium.errors import Invalid
from consilium.filing.compose import compose, registry_kind
from consilium.filing.port import Filing, FilingError
from tests.consilium.documents.protocols import CENTRE, REGION, START, facts

DOCUMENT = render(facts())


def made(document: bytes = DOCUMENT, **changes: object) -> Filing:
    values: dict[str, object] = {
        "number": "2026-17",
        "signatures": {"p1": b"one", "p4": b"four"},
        "seal": b"seal",
        "pull_url": "http://127.0.0.1/pull",
        "callback_url": "http://127.0.0.1/callback",
    }
    return compose(document, **{**values, **changes})


def test_a_signer_who_is_not_in_the_document_is_refused() -> None:
    with pytest.raises(FilingError) as refused:
        made(signatures={"stranger": b"cms"})
    assert refused.value.code == "signer_not_in_document"


@pytest.mark.parametrize("document", [render(facts(kind=ProtocolKind.COMMISSION)), b"<dissent/>"])
def test_a_document_that_stays_with_the_organisation_is_not_filed(document: bytes) -> None:
    assert registry_kind(document) is None
    with pytest.raises(FilingError) as refused:
        made(document)
    assert refused.value.code == "not_filed"


def test_what_is_no_document_is_refused() -> None:
    with pytest.raises(Invalid):
        made(b"<!DOCTYPE x><x/>")


def test_the_metadata_are_those_of_the_frozen_bytes() -> None:
    one = made()
    assert (one.local_uid, one.version, one.kind_code) == (facts().document_id, 1, "190")
    assert one.document_sha256 == hashlib.sha256(DOCUMENT).hexdigest()
    assert one.created_at == facts().frozen_at
    assert one.created_at > START
    assert one.organisation_oid == CENTRE.oid
    assert (one.patient.surname, one.patient.birth_date, one.patient.sex) == (
        "Страдальский",
        date(1961, 2, 10),
        "1",
    )
    assert (one.patient.snils, one.patient.local_id) == ("11223344595", "mrn-778")


@pytest.mark.parametrize("kind", [ProtocolKind.ONCOLOGICAL, ProtocolKind.CONSULTATION])
def test_a_patronymic_is_found_wherever_the_kind_of_document_keeps_it(kind: ProtocolKind) -> None:
    one = made(render(facts(kind=kind)))
    assert one.patient.patronymic == "Львович"
    assert {signature.signer.patronymic for signature in one.personal_signatures} == {"Сергеевна"}


def test_every_signature_carries_its_signer_and_the_documents_digest() -> None:
    one = made()
    chair, guest = (signature.signer for signature in one.personal_signatures)
    assert (chair.local_id, chair.role_code, chair.surname, chair.post_code) == (
        "p1",
        "CHAIRMAN",
        "Чайкина",
        "50",
    )
    assert (guest.role_code, guest.organisation_oid) == ("ATTENDING_PHYSICIAN", REGION.oid)
    assert {signature.checksum for signature in one.personal_signatures} == {one.document_sha256}
    assert one.organisation_signature is not None
    assert one.organisation_signature.checksum == one.document_sha256


def test_signatures_of_other_organisations_can_be_kept_at_home() -> None:
    one = made(own_signers_only=True)
    assert [signature.signer.local_id for signature in one.personal_signatures] == ["p1"]


@pytest.mark.parametrize("kind, code", [("general", "307"), ("oncological", "190"), ("consultation", "40")])
def test_the_kind_decides_under_which_code_it_is_filed(kind: str, code: str) -> None:
    assert registry_kind(render(facts(kind=ProtocolKind(kind)))) == code
