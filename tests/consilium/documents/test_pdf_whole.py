"""The printed copy shows everything the signed document says, and nothing of it off the page."""

from __future__ import annotations

import re
import subprocess
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from consilium.documents import cda
from consilium.documents.facts import ProtocolKind
from consilium.documents.markup import V3
from consilium.documents.pdf import Sheet, Stamp, render_pdf
from tests.consilium.documents.hospital import LETTERS, SITUATIONS, of_patient, whole
from tests.consilium.documents.protocols import facts

pytestmark = pytest.mark.needs_pdf

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
WIDTH, HEIGHT = 595, 842  # A4 in points
TOP, BOTTOM = 50, 62  # what stands above and below on every page interrupts a text
CROWDED = (
    "nothing odd",
    "sixty",
    "opinions of 4000 characters",
    "an unknown role",
    "roles of every sort",
    "every outcome",
    "twenty questions",
    "documents of every sort",
    "many diagnoses",
    "results",
    "advice",
    "statements",
    "recorded",
    "signing notes",
    "came again and again",
    "commission",
    "foreigner",
    "organisation with a telephone in words",
)


def sheet(signers: int) -> Sheet:
    stamps = tuple(
        Stamp(
            holder=f"Подписавший-{at} {LETTERS if at == 1 else 'Иван'}",
            role="участник",
            serial="1f" * 20,
            issuer="Удостоверяющий центр с весьма длинным названием " * 3,
            valid_from=NOW,
            valid_until=NOW,
            signed_at=NOW,
            algorithm="gost2012-256",
        )
        for at in range(signers)
    )
    return Sheet(stamps=stamps, check_url="https://consilium.example/check/x", made_at=NOW)


def letters(text: str) -> str:
    """What is left of a text whatever a page does to it: no spaces, no hyphens, no marks of breaking."""
    plain = unicodedata.normalize("NFKC", text)
    return "".join(one for one in plain if not one.isspace() and one not in "-\u2010\u00ad\u200b")


def spoken(xml: bytes) -> Iterator[str]:
    """Everything the narrative shows: titles and paragraphs in pieces of a line, cells by their words."""
    for text in etree.fromstring(xml).iter(f"{{{V3}}}text"):
        section = text.getparent()
        if section is None or section.tag != f"{{{V3}}}section":
            continue
        yield str(section.findtext(f"{{{V3}}}title"))
        for block in text:
            if block.tag == f"{{{V3}}}table":
                for cell in block.iter(f"{{{V3}}}th", f"{{{V3}}}td"):
                    yield from "".join(str(part) for part in cell.itertext()).split()
            else:
                said = letters("".join(str(part) for part in block.itertext()))
                yield from (said[at : at + 60] for at in range(0, len(said), 60))


def asked(path: Path, *arguments: str) -> str:
    command = ["pdftotext", *arguments, str(path), "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout


def outside(path: Path) -> list[str]:
    """Words whose box leaves the paper."""
    box = r'<word xMin="([\d.-]+)" yMin="([\d.-]+)" xMax="([\d.-]+)" yMax="([\d.-]+)">(.*?)</word>'
    return [
        word
        for left, top, right, bottom, word in re.findall(box, asked(path, "-bbox"))
        if float(left) < 50 or float(right) > WIDTH - 40 or float(top) < 0 or float(bottom) > HEIGHT
    ]


@pytest.mark.parametrize("name", CROWDED)
def test_every_word_of_the_document_is_on_the_copy_and_on_the_paper(name: str, tmp_path: Path) -> None:
    kind = ProtocolKind.COMMISSION if name == "commission" else ProtocolKind.ONCOLOGICAL
    xml = cda.render(replace(SITUATIONS[name](whole()), kind=kind))
    path = tmp_path / "copy.pdf"
    path.write_bytes(render_pdf(xml, sheet(61 if name == "sixty" else 2)))
    body = ["-x", "0", "-y", str(TOP), "-W", str(WIDTH), "-H", str(HEIGHT - TOP - BOTTOM)]
    shown = letters(asked(path, *body))
    assert [words for words in spoken(xml) if letters(words) not in shown] == []
    assert outside(path) == []
    signed = letters(asked(path))
    assert "Подписавший0" in signed
    assert name != "sixty" or "Подписавший60" in signed


def test_a_word_without_an_end_stays_on_the_paper_wherever_it_stands(tmp_path: Path) -> None:
    endless = replace(facts().participants[2], qualification=LETTERS)
    made = replace(
        of_patient(name=replace(facts().patient.name, surname=LETTERS))(facts()),
        question=LETTERS,
        sections=replace(facts().sections, decision=LETTERS, course="0123456789abcdef" * 40),
        participants=(
            *facts().participants[:2],
            replace(endless, name=replace(endless.name, surname=LETTERS)),
        ),
        resolutions=(),
    )
    path = tmp_path / "copy.pdf"
    path.write_bytes(render_pdf(cda.render(made), sheet(3)))
    assert outside(path) == []
    assert letters(LETTERS) in letters(asked(path))
