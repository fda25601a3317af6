"""Between the last signature and the seal: waiting, and a signature that lapses."""

from datetime import timedelta
from uuid import uuid4

import pytest

from consilium.errors import Conflict
from consilium.events import SealDelayed, SignatureLapsed
from consilium.model import Protocol, ProtocolStatus, SignatureStatus
from consilium.rules import protocol as rules
from consilium.rules import sealing
from tests.rules.makers import AT, person, protocol, signature


def sealed_soon(**changes: object) -> Protocol:
    rows = [
        signature(person().id, status=SignatureStatus.SIGNED, cms=b"cms", certificate=b"crt", signed_at=AT)
        for _ in range(3)
    ]
    return protocol(*rows, status=ProtocolStatus.SEALING, **changes)


def test_a_seal_that_waits_says_for_whom_and_since_when():
    waiting = sealed_soon()
    (event,) = sealing.delay(waiting, waiting.version, "timestamp", "OUT_SILENT", AT)
    assert isinstance(event, SealDelayed)
    assert (event.waits_for, event.reason) == ("timestamp", "OUT_SILENT")
    later = AT + timedelta(hours=3)
    assert sealing.delay(waiting, waiting.version, "timestamp", "OUT_SILENT", later) == []
    assert len(sealing.delay(waiting, waiting.version, "timestamp", "TST_IMPRINT", later)) == 1
    assert (waiting.waits_for, waiting.waits_reason, waiting.waits_since) == ("timestamp", "TST_IMPRINT", AT)
    sealing.delay(waiting, waiting.version, "revocation", "OUT_SILENT", later)
    assert waiting.waits_since == later
    sealing.clear(waiting)
    assert (waiting.waits_for, waiting.waits_reason, waiting.waits_since) == ("", "", None)


def test_what_is_taken_back_or_given_up_waits_for_nobody():
    taken_back, given_up = sealed_soon(), sealed_soon()
    for one in (taken_back, given_up):
        sealing.delay(one, one.version, "timestamp", "OUT_SILENT", AT)
    rules.reopen(taken_back, uuid4(), "опечатка")
    rules.withdrawn(given_up, uuid4(), "не нужно", AT)
    assert {(one.waits_for, one.waits_since) for one in (taken_back, given_up)} == {("", None)}


def test_a_signature_that_lapsed_is_asked_for_anew_and_the_others_stay():
    waiting = sealed_soon(document=b"bytes", digest="d")
    first, second, third = waiting.signatures
    (event,) = sealing.lapse(waiting, waiting.version, second.id, "REVOKED")
    assert isinstance(event, SignatureLapsed)
    assert (event.person, event.reason) == (second.person_id, "REVOKED")
    assert (second.status, second.cms, second.signed_at) == (SignatureStatus.AWAITED, b"", None)
    assert {first.status, third.status} == {SignatureStatus.SIGNED}
    assert (waiting.status, waiting.document, waiting.digest) == (ProtocolStatus.SIGNING, b"bytes", "d")
    with pytest.raises(Conflict, match="wrong_step"):
        sealing.lapse(waiting, waiting.version, second.id, "REVOKED")


@pytest.mark.parametrize("status", [ProtocolStatus.DRAFTING, ProtocolStatus.SIGNING, ProtocolStatus.SEALED])
def test_a_word_that_comes_too_late_or_about_another_version_changes_nothing(status: ProtocolStatus):
    waiting = sealed_soon()
    for gone, version in ((status, waiting.version), (ProtocolStatus.SEALING, waiting.version + 1)):
        waiting.status = gone
        with pytest.raises(Conflict, match="wrong_step"):
            sealing.delay(waiting, version, "timestamp", "x", AT)
        with pytest.raises(Conflict, match="wrong_step"):
            sealing.lapse(waiting, version, waiting.signatures[0].id, "x")
    waiting.status = ProtocolStatus.SEALING
    with pytest.raises(Conflict, match="wrong_step"):
        sealing.lapse(waiting, waiting.version, uuid4(), "x")
    assert waiting.waits_for == ""
