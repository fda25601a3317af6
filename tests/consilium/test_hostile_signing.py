"""Attacks on the desk: signatures that are somebody's, of something, once, and not this one's of this, now."""

import base64
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from consilium import commands as c
from consilium.errors import ConsiliumError
from consilium.model import Protocol, ProtocolStatus, SignatureStatus
from consilium.seal import der
from consilium.store.tables import certificates
from tests.people import World

ALL = ("deputy", "secretary", "member1", "ivanova")
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


def together(*asked: Callable[[], Any]) -> list[str]:
    """All at one moment; "done" or the code of the refusal, in the order given."""
    line, said = threading.Barrier(len(asked)), [""] * len(asked)

    def run(place: int) -> None:
        line.wait(20)
        try:
            asked[place]()
            said[place] = "done"
        except ConsiliumError as refused:
            said[place] = refused.code

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(asked))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def statuses(world: World, protocol: Protocol) -> dict[str, str]:
    return {one.role: str(one.status) for one in world.protocol(protocol.id).current_signatures()}


def row(world: World, protocol: Protocol, login: str) -> Any:
    who = world.id(login)
    return next(one for one in world.protocol(protocol.id).current_signatures() if one.person_id == who)


# --- whose ----------------------------------------------------------------------------------------


def other_spelling(certificate: bytes) -> bytes:
    """The same certificate in other bytes: with (r, s) a signature (r, n - s) is one too, and anybody can compute it."""
    loaded = x509.load_der_x509_certificate(certificate)
    r, s = decode_dss_signature(loaded.signature)
    signature = encode_dss_signature(r, P256_ORDER - s)
    return der.sequence(
        loaded.tbs_certificate_bytes, ECDSA_SHA256, b"\x03" + bytes([len(signature) + 1, 0]) + signature
    )


def test_a_certificate_we_know_to_be_revoked_signs_in_no_other_spelling_either(shared: World):
    """The record knows before the next list does; one that compares bytes is blind to the second spelling."""
    protocol = shared.frozen(*ALL)
    shared.keys.pop("secretary", None)
    key, certificate = shared.key("secretary")
    with shared.parts.store.write(shared.now) as tx:
        known = certificates.c.der == certificate
        tx.connection.execute(sa.update(certificates).where(known).values(revoked_at=shared.now))
        tx.commit()
    spelt = other_spelling(certificate)
    assert spelt != certificate
    for each in (certificate, spelt):
        shared.keys["secretary"] = (key, each)
        refused = shared.refusal("secretary", shared.signing("secretary", protocol.id))
        assert (refused.code, refused.details["reason"]) == ("signature_refused", "REVOKED")
    del shared.keys["secretary"]
    shared.sign("secretary", protocol.id)


# --- of what --------------------------------------------------------------------------------------


def test_a_trial_is_no_signature_and_a_signature_is_no_trial(shared: World):
    """Both are given by the same key in answer to a challenge; what they cover tells them apart."""
    protocol = shared.frozen(*ALL)
    begun = shared.do("deputy", c.BeginSigning(protocol=protocol.id))
    trial = shared.do("deputy", c.BeginReadinessTest(provider="browser", device="ward"))
    of_trial = shared.cms("deputy", base64.b64decode(trial["content"]), begun["signing_time"])
    wanted = c.AttachSignature(
        protocol=protocol.id, challenge=begun["challenge"], digest=begun["digest"], cms=of_trial
    )
    assert shared.refusal("deputy", wanted).details["reason"] == "DIGEST_MISMATCH"
    crossed = replace(wanted, challenge=trial["challenge"])
    assert shared.refusal("deputy", crossed).code == "challenge_expired"
    of_paper = shared.cms("deputy", protocol.document, trial["signing_time"])
    answer = c.AnswerReadinessTest(
        provider="browser", device="ward", challenge=trial["challenge"], cms=of_paper
    )
    assert not shared.do("deputy", answer)["ready"]
    upload = c.UploadSignature(protocol=protocol.id, digest=protocol.digest, file=of_trial)
    assert shared.refusal("deputy", upload).details["reason"] == "DIGEST_MISMATCH"
    assert row(shared, protocol, "deputy").status is SignatureStatus.AWAITED


def test_ones_own_signature_of_another_paper_or_version_is_not_this_ones(shared: World):
    first, second = shared.frozen(*ALL), shared.frozen(*ALL)
    old = shared.signing("deputy", first.id)
    begun = shared.do("deputy", c.BeginSigning(protocol=second.id))
    moved = replace(old, protocol=second.id, challenge=begun["challenge"], digest=begun["digest"])
    assert shared.refusal("deputy", moved).details["reason"] == "DIGEST_MISMATCH"
    assert shared.refusal("deputy", replace(old, protocol=second.id)).code == "challenge_expired"
    # Taken back and frozen anew, the words are the same and the document is another.
    shared.do("chair", c.ReopenProtocol(protocol=first.id, reason="Опечатка"))
    assert shared.refusal("deputy", old).code == "wrong_step"
    shared.do("chair", c.FreezeProtocol(protocol=first.id))
    assert shared.refusal("deputy", old).code == "challenge_expired"
    again = shared.protocol(first.id)
    replayed = c.UploadSignature(protocol=first.id, digest=again.digest, file=old.cms)
    assert shared.refusal("deputy", replayed).details["reason"] == "DIGEST_MISMATCH"


def test_an_opinions_signature_is_none_of_the_protocol(shared: World):
    protocol = shared.frozen(*ALL, dissent_by="deputy")
    (paper,) = protocol.current_dissents()
    begun = shared.do("deputy", c.BeginSigning(protocol=protocol.id))
    cms = shared.cms("deputy", paper.document, begun["signing_time"])
    wanted = c.AttachSignature(
        protocol=protocol.id, challenge=begun["challenge"], digest=begun["digest"], cms=cms
    )
    assert shared.refusal("deputy", wanted).details["reason"] == "DIGEST_MISMATCH"


# --- now ------------------------------------------------------------------------------------------


def test_of_two_tabs_the_later_signs(shared: World):
    protocol = shared.frozen(*ALL)
    first = shared.signing("member1", protocol.id)
    second = shared.signing("member1", protocol.id)
    assert shared.refusal("member1", first).code == "challenge_expired"
    shared.do("member1", second)
    assert shared.refusal("member1", second).code == "already_signed"


def test_one_signature_sent_twice_at_once_is_one_signature(world: World):
    protocol = world.frozen(*ALL)
    wanted = world.signing("member1", protocol.id)
    said = together(*[lambda: world.do("member1", wanted)] * 4)
    assert sorted(said) == ["already_signed"] * 3 + ["done"]
    assert world.journal("protocol", protocol.id).count("SignatureAttached") == 1


def test_who_is_replaced_while_he_signs_has_signed_or_was_replaced(world: World):
    for _ in range(4):
        protocol = world.frozen(*ALL)
        wanted = world.signing("secretary", protocol.id)
        signature = row(world, protocol, "secretary").id
        other = row(world, protocol, "deputy").seat_id
        change = c.ReplaceSigner(
            protocol=protocol.id, signature=signature, stand_in=other, reason="Не отвечает"
        )
        said = together(lambda w=wanted: world.do("secretary", w), lambda w=change: world.do("chair", w))
        assert sorted(said) in (["already_decided", "done"], ["already_signed", "done"]), said
        left = statuses(world, protocol)["secretary"]
        assert left == ("signed" if said[0] == "done" else "released")
        assert row(world, protocol, "secretary").cms == (
            base64.b64decode(wanted.cms) if said[0] == "done" else b""
        )


def test_what_is_taken_back_while_the_last_one_signs_is_sealed_by_nobody(world: World):
    for _ in range(3):
        protocol = world.frozen(*ALL)
        *first, last = world.signer_logins(protocol.id)
        for login in first:
            world.sign(login, protocol.id)
        wanted = world.signing(last, protocol.id)
        back = c.ReopenProtocol(protocol=protocol.id, reason="Опечатка")
        said = together(lambda w=wanted, who=last: world.do(who, w), lambda w=back: world.do("chair", w))
        assert said[1] == "done"
        assert said[0] in {"done", "wrong_step"}
        found = world.protocol(protocol.id)
        assert (found.status, found.version, found.document) == (ProtocolStatus.DRAFTING, 2, b"")
        assert found.current_signatures() == []


def test_a_stand_in_is_not_passed_on_in_a_circle(shared: World):
    """A released row is nobody's again: neither the absent one's nor by way of a third."""
    protocol = shared.frozen(*ALL)
    seats = {login: row(shared, protocol, login).seat_id for login in ("secretary", "member1", "deputy")}

    def change(login: str, to: str) -> c.ReplaceSigner:
        signature = row(shared, protocol, login).id
        return c.ReplaceSigner(
            protocol=protocol.id, signature=signature, stand_in=seats[to], reason="Отсутствует"
        )

    shared.do("chair", change("secretary", "member1"))
    assert shared.refusal("chair", change("secretary", "deputy")).code in {"already_decided", "wrong_step"}
    assert shared.refusal("chair", change("member1", "secretary")).code == "cannot_stand_in"
    refused = shared.refusal("secretary", c.BeginSigning(protocol=protocol.id))
    assert refused.code in {"already_decided", "not_a_signer"}


@pytest.mark.parametrize("life", [timedelta(minutes=10), timedelta(minutes=10, seconds=1)])
def test_a_challenge_ends_with_its_tenth_minute(shared: World, life: timedelta):
    protocol = shared.frozen(*ALL)
    at = shared.now.replace(microsecond=0)
    shared.key("deputy")
    begun = shared.service.handle(
        c.BeginSigning(protocol=protocol.id), shared.actor("deputy"), protocol.id, at
    ).result
    wanted = c.AttachSignature(
        protocol=protocol.id,
        challenge=begun["challenge"],
        digest=begun["digest"],
        cms=shared.cms("deputy", protocol.document, begun["signing_time"]),
    )
    if life > timedelta(minutes=10):
        assert shared.refusal("deputy", wanted, at=at + life).code == "challenge_expired"
    else:
        shared.do("deputy", wanted, at=at + life)
