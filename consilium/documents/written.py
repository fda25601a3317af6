"""What every guide demands of every element, asked without any guide: nothing empty, nothing malformed.

The common modules of the published rules (Core01 names, Core03 times, Core04 identifiers, Core07 and Core11 codes and
values) and the data types of their schemas are the same for all kinds. Asked here they hold for kinds whose guide is
published nowhere as well, and where no official files are installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from consilium.documents.finding import Finding, written_finding
from consilium.documents.markup import TYPE, V3

_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_CODE = re.compile(r"\S+")
# Core03-1; schemas take the months and days of the calendar alone, which ours always are.
_TIME = re.compile(r"[12][0-9]{7}([0-2][0-9][0-5][0-9]([0-5][0-9])?\+[0-2][0-9][0-5]0)?")
_SPOKEN = frozenset(f"{{{V3}}}{name}" for name in ("title", "name", "family", "given", "streetAddressLine"))
_TIMES = frozenset({"effectiveTime", "low", "high", "time", "birthTime", "IssueDate"})
_WORDED = frozenset(f"{{{V3}}}{name}" for name in ("observation", "act"))


# Coded values of the header that no guide takes as unknown.
_NEVER_UNKNOWN = frozenset({"Type", "functionCode", "confidentialityCode", "stateCode"})


def written_faults(document: etree._Element) -> Iterator[Finding]:
    """A finding per element that is empty or malformed, whatever the document is."""
    for element in document.iter(etree.Element):
        local = etree.QName(element).localname
        if element.get("nullFlavor") is None:
            yield from (written_finding(element, kind, name) for kind, name in _faults(element, local))
        elif local in _NEVER_UNKNOWN:
            yield written_finding(element, "not_null", local)


def _faults(element: etree._Element, local: str) -> Iterator[tuple[str, str]]:
    """Kind of demand (finding_words.DEMANDS) and the name of what misses it."""
    if element.get("codeSystem") is not None:
        yield from _of_code(element)
    if local in {"id", "setId"}:
        yield from _of_identifier(element, local)
    if (
        local in _TIMES
        and element.get("value") is not None
        and not _TIME.fullmatch(str(element.get("value")))
    ):
        yield "format", "effectiveTime"
    if _must_speak(element) and not "".join(str(part) for part in element.itertext()).strip():
        yield "empty", local


def _of_code(element: etree._Element) -> Iterator[tuple[str, str]]:
    if not _CODE.fullmatch(str(element.get("code", ""))):
        yield "format", "code"
    if not str(element.get("displayName", "")).strip():
        yield "empty", "displayName"


def _of_identifier(element: etree._Element, local: str) -> Iterator[tuple[str, str]]:
    if not _OID.fullmatch(str(element.get("root", ""))):
        yield "format", local
    elif not str(element.get("extension", "-")).strip():
        yield "empty", local


def _must_speak(element: etree._Element) -> bool:
    """Elements that are words: names, addresses, values in words, the text of an entry."""
    if element.tag in _SPOKEN or element.get(TYPE) == "ST":
        return True
    parent = element.getparent()
    return element.tag == f"{{{V3}}}text" and parent is not None and parent.tag in _WORDED
