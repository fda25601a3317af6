"""No XML comes near a signature whose meaning depends on more than its own bytes."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilium.documents.text import check_text, mixed_words, tidy_text
from consilium.documents.validate import MAX_XML_BYTES, check_xml
from consilium.errors import Invalid

CANARY = "http://127.0.0.1:9/canary"
BILLION = '<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>'
REFUSED = {
    ("byte order mark", "xml_bom"): b"\xef\xbb\xbf<a/>",
    ("UTF-16", "xml_bom"): '<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16"),
    ("another encoding", "xml_encoding"): b'<?xml version="1.0" encoding="windows-1251"?><a/>',
    ("broken UTF-8", "xml_encoding"): b"<a>\xff</a>",
    ("external entity", "xml_doctype"): f'<!DOCTYPE a [<!ENTITY x SYSTEM "{CANARY}">]><a>&x;</a>'.encode(),
    ("parameter entity", "xml_doctype"): f'<!DOCTYPE a [<!ENTITY % p SYSTEM "{CANARY}">%p;]><a/>'.encode(),
    ("external subset", "xml_doctype"): f'<!DOCTYPE a SYSTEM "{CANARY}"><a/>'.encode(),
    ("billion laughs", "xml_doctype"): BILLION.encode(),
    ("doctype in a comment", "xml_doctype"): b"<a><!-- <!DOCTYPE b> --></a>",
    ("style sheet", "xml_processing_instruction"): b'<?xml version="1.0"?><?xml-stylesheet href="x.xsl"?><a/>',
    ("other instruction", "xml_processing_instruction"): b"<a><?php echo 1 ?></a>",
    ("XInclude", "xml_xinclude"):
        f'<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="{CANARY}"/></a>'.encode(),
    ("schema location", "xml_schema_location"):
        f'<a xmlns:x="http://www.w3.org/2001/XMLSchema-instance" x:schemaLocation="a {CANARY}"/>'.encode(),
    ("undeclared entity", "xml_malformed"): b"<a>&x;</a>",
    ("not closed", "xml_malformed"): b"<a><b></a>",
    ("two roots", "xml_malformed"): b"<a/><b/>",
    ("nothing", "xml_malformed"): b"",
    ("carriage return", "xml_character"): b"<a>\r\n</a>",
    ("bidi override", "xml_character"): "<a>\u202e</a>".encode(),
    ("bidi override by number", "xml_character"): b"<a>&#x202E;</a>",
    ("bidi override in an attribute", "xml_character"): b'<a b="&#x202E;"/>',
    ("control character by number", "xml_character"): b"<a>&#x85;</a>",
    ("bidi after a child", "xml_character"): b"<a><b/>&#x2066;</a>",
    ("zero character by number", "xml_malformed"): b"<a>&#0;</a>",
    ("too deep", "xml_too_deep"): b"<a>" * 70 + b"</a>" * 70,
    ("far too deep", "xml_too_deep"): b"<a>" * 100_000,
    ("too many nodes", "xml_too_many_nodes"): b"<a>" + b"<b/>" * 200_001 + b"</a>",
}  # fmt: skip


@pytest.mark.parametrize("name, reason", list(REFUSED))
def test_treacherous_xml_is_refused_with_its_reason(name: str, reason: str) -> None:
    began = time.process_time()
    with pytest.raises(Invalid) as refused:
        check_xml(REFUSED[name, reason])
    assert (refused.value.code, refused.value.details["reason"]) == ("file_refused", reason)
    assert time.process_time() - began < 3  # of this process alone: others may keep it waiting


def test_a_document_over_the_limit_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(Invalid) as refused:
        check_xml(b"<a>" + b" " * MAX_XML_BYTES + b"</a>")
    assert refused.value.code == "too_large"


@given(st.binary(max_size=300))
def test_any_bytes_are_accepted_or_refused_with_a_code(data: bytes) -> None:
    try:
        check_xml(data)
        code = "accepted"
    except Invalid as refusal:
        code = refusal.code
    assert code in {"accepted", "file_refused"}


def test_plain_xml_passes() -> None:
    check_xml(
        "<?xml version='1.0' encoding='UTF-8'?>\n<a b=\"&lt;!DOCTYPE&gt;\">Выписка &amp; T3\u00a0N1</a>".encode()
    )


def test_a_word_of_two_alphabets_is_pointed_out() -> None:
    assert mixed_words("Препарат Аvastin, HER2-позитивный, Т3N1M0, Covid и Сovid") == (
        "Аvastin",
        "Т3N1M0",
        "Сovid",
    )


def test_pasted_text_is_tidied_and_nothing_else_is_changed() -> None:
    assert tidy_text("a\r\nb\rc\u00adд\u200bе\ufeff") == "a\nb\ncде"
    assert tidy_text("и\u0306") == "й"
    with pytest.raises(Invalid):
        check_text(tidy_text("1\u202e2"))
