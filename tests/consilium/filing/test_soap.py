"""РЭМД's messages: written as the profile says, read strictly, never trusted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from consilium.filing import messages, profile, soap
from consilium.filing.messages import Answer, RegisterDocument, RegisterDocumentResult
from consilium.filing.port import Filing, FilingError
from consilium.filing.profile import CALLBACK, SERVICE, Profile
from consilium.filing.soap import Fault, Header
from consilium.filing.wire import ErrorDto, RegistryItem, WireError
from tests.consilium.filing.filings import filing

LIMIT = 1 << 20
TO = Header(to="http://127.0.0.1/soap", message_id="m1", reply_to="http://127.0.0.1/door", client="mis-1")


@pytest.fixture(scope="module")
def one() -> Filing:
    return filing("http://127.0.0.1:1", replaces=uuid4())


def test_a_registration_survives_the_way_through_xml(one: Filing) -> None:
    told = messages.register_document(one)
    written = soap.write(Profile(), "registerDocument", TO, told)
    read = soap.read(written, Profile(), LIMIT)
    assert soap.decode(read, "registerDocument", RegisterDocument) == told
    assert (read.header.message_id, read.header.reply_to, read.header.client) == ("m1", TO.reply_to, "mis-1")
    assert one.replaces == told.associations[0].target


def test_names_and_places_are_those_that_were_seen(one: Filing) -> None:
    """Regulation 5.1, 5.2: SOAP 1.2, WS-Addressing, the transport header, names of the DTO."""
    root = etree.fromstring(soap.write(Profile(), "registerDocument", TO, messages.register_document(one)))
    names = {"s": "http://www.w3.org/2003/05/soap-envelope", "a": "http://www.w3.org/2005/08/addressing",
             "t": "http://egisz.rosminzdrav.ru", "r": SERVICE}  # fmt: skip
    found = "s:Body/r:registerDocument/r:personalSignatures/r:item/r:signer/r:position/r:code"
    assert len(root.findall(found, names)) == 2
    assert root.findtext("s:Header/t:transportHeader/t:authInfo/t:clientEntityId", "", names) == "mis-1"
    assert root.findtext("s:Header/a:MessageID", "", names) == "urn:uuid:m1"
    assert root.findtext("s:Header/a:Action", "", names) == SERVICE + "registerDocument"
    assert root.find("s:Body/r:registerDocument/r:document", names) is None  # the file is asked for later


def test_an_answer_of_the_registry_is_read_with_its_errors() -> None:
    item = RegistryItem("77.26.11.23.000000001", datetime(2026, 11, 23, tzinfo=UTC))
    for told in (
        RegisterDocumentResult(relates_to_message="m1", local_uid=uuid4(), status="success", registry_item=item),
        RegisterDocumentResult(
            relates_to_message="m1", local_uid=uuid4(), status="error",
            errors=[ErrorDto("NO_SNILS", 0, "Нет СНИЛС"), ErrorDto("RATE_LIMIT")],
        ),
    ):  # fmt: skip
        written = soap.write(Profile(), "sendRegisterDocumentResult", TO, told)
        assert CALLBACK.encode() in written
        read = soap.read(written, Profile(), LIMIT)
        assert soap.decode(read, "sendRegisterDocumentResult", RegisterDocumentResult) == told


def test_a_profile_changes_names_namespaces_and_actions(tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    file.write_text(
        '{"client": "x", "names": {"status": "State", "item": "row"}, "soap": "urn:other-envelope",'
        ' "operations": {"registerDocumentResponse": {"element": "Ack", "action": "urn:ack"}}}'
    )
    shapes = profile.load(file)
    written = soap.write(shapes, "registerDocumentResponse", TO, Answer("error", [ErrorDto("RATE_LIMIT")]))
    for part in (b"urn:other-envelope", b":Ack", b"urn:ack", b":State>error<", b":row>"):
        assert part in written
    read = soap.read(written, shapes, LIMIT)
    assert soap.decode(read, "registerDocumentResponse", Answer).errors[0].code == "RATE_LIMIT"
    with pytest.raises(WireError):
        soap.read(written, Profile(), LIMIT)


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"unknown": 1}', '{"names": 5}', '{"operations": {"noSuch": {}}}', '{"operations": []}',
     '{"operations": {"registerDocument": {"element": 5}}}', "{" * 5000],
)  # fmt: skip
def test_a_profile_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "profile.json"
    file.write_text(text)
    with pytest.raises(FilingError) as refused:
        profile.load(file)
    assert refused.value.code == "registry_profile"


def test_a_fault_says_whose_it_is() -> None:
    for receiver in (True, False):
        with pytest.raises(Fault) as fault:
            soap.read(soap.write_fault(Profile(), "out of order", receiver=receiver), Profile(), LIMIT)
        assert (fault.value.receiver, fault.value.message) == (receiver, "out of order")


GOOD = soap.write(Profile(), "registerDocumentResponse", TO, Answer("error", [ErrorDto("RATE_LIMIT")]))
HOSTILE = {
    "a doctype": GOOD.replace(b"?>", b'?><!DOCTYPE x [<!ENTITY a "b">]>', 1),
    "an external entity": GOOD.replace(b"?>", b'?><!DOCTYPE x SYSTEM "file:///etc/passwd">', 1),
    "two bodies": GOOD.replace(b"</env:Body>", b"</env:Body><env:Body/>"),
    "two messages": GOOD.replace(b"</env:Body>", b"<x/></env:Body>"),
    "no message": b"<env:Envelope xmlns:env='http://www.w3.org/2003/05/soap-envelope'><env:Body/></env:Envelope>",
    "another envelope": GOOD.replace(b"2003/05/soap-envelope", b"2001/12/soap-envelope"),
    "SOAP 1.1": GOOD.replace(
        b"http://www.w3.org/2003/05/soap-envelope", b"http://schemas.xmlsoap.org/soap/envelope/"
    ),
    "an operation nobody knows": GOOD.replace(b"registerDocumentResponse", b"deleteEverything"),
    "a foreign element inside": GOOD.replace(b"<m:status>", b"<x/><m:status>"),
    "a repeated element": GOOD.replace(b"<m:status>", b"<m:status>success</m:status><m:status>"),
    "words between elements": GOOD.replace(b"<m:status>", b"words<m:status>"),
    "a comment inside": GOOD.replace(b"<m:status>", b"<!-- x --><m:status>"),
    "a state nobody knows": GOOD.replace(b">error<", b">perhaps<"),
    "a code that is none": GOOD.replace(b"RATE_LIMIT", b"rate limit"),
    "a text direction": GOOD.replace(b"RATE_LIMIT", "RATE\u202eLIMIT".encode()),
    "half of it": GOOD[: len(GOOD) // 2],
    "nothing": b"",
    "no text": b"\xff\xfe\x00",
    "a deep one": b"<a>" * 5000,
    "too much": b" " * (LIMIT + 1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_not_of_the_agreed_shape_is_refused(name: str) -> None:
    with pytest.raises(WireError) as refused:
        soap.decode(soap.read(HOSTILE[name], Profile(), LIMIT), "registerDocumentResponse", Answer)
    assert refused.value.code in {"wire_malformed", "wire_too_large"}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_no_change_of_bytes_leaks_an_exception(changes: list[tuple[int, int]]) -> None:
    data = bytearray(GOOD)
    for at, value in changes:
        data[at] = value
    try:
        read = soap.read(bytes(data), Profile(), LIMIT)
        soap.decode(read, "registerDocumentResponse", Answer)
    except WireError:
        return
