"""The printed copy: PDF/A from the signed bytes, readable by programs that are not ours."""

import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from consilium.documents import cda, setting
from consilium.documents.pdf import Sheet, Stamp, render_pdf
from consilium.errors import Invalid
from tests.consilium.documents import protocols

pytestmark = pytest.mark.needs_pdf

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
CHECK = "https://consilium.example/check/00000000-0000-4000-8000-000000000001"


def stamp(holder: str, *, organisation: bool = False) -> Stamp:
    return Stamp(
        holder=holder,
        role="" if organisation else "председатель",
        serial="1f2e3d4c",
        issuer="Учебный УЦ",
        valid_from=NOW - timedelta(days=1),
        valid_until=NOW + timedelta(days=400),
        signed_at=NOW,
        algorithm="gost2012-256",
        proven_at=NOW + timedelta(seconds=5),
        organisation=organisation,
    )


def sheet(**other: object) -> Sheet:
    stamps = (stamp("Орлов Дмитрий Сергеевич"), stamp("НМИЦ онкологии", organisation=True))
    return replace(Sheet(stamps=stamps, check_url=CHECK, made_at=NOW), **other)


def with_course(words: str) -> object:
    return replace(protocols.facts().sections, course=words)


def asked(tmp_path, program: str, pdf: bytes, *arguments: str) -> str:
    """What a foreign program says of the file; a failure of the program fails the test."""
    path = tmp_path / "copy.pdf"
    path.write_bytes(pdf)
    command = [program, str(path), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout


@pytest.fixture(scope="module")
def copy() -> bytes:
    return render_pdf(cda.render(protocols.facts()), sheet())


def test_the_text_of_the_document_and_every_stamp_can_be_read(copy, tmp_path):
    text = " ".join(asked(tmp_path, "pdftotext", copy, "-").split())
    for words in (
        "Протокол консилиума врачей",
        "Провести шесть курсов",
        "Лист подписей",
        "Орлов Дмитрий Сергеевич, председатель",
        "ЭЛЕКТРОННОЙ ПОДПИСЬЮ ОРГАНИЗАЦИИ",
        "Подписано 23.11.2026 13:00 МСК, время подтверждено меткой",
        "Копия электронного документа",
        CHECK,
    ):
        assert words in text, words


def test_it_declares_pdf_a_with_tags_a_language_and_embedded_fonts_alone(copy, tmp_path):
    declared = asked(tmp_path, "pdfinfo", copy, "-meta")
    assert re.search(r"part[=>]\W*1\W", declared)
    assert re.search(r"conformance[=>]\W*A\W", declared)
    info = asked(tmp_path, "pdfinfo", copy)
    assert re.search(r"Tagged:\s+yes", info)
    assert re.search(r"JavaScript:\s+no", info)
    fonts = asked(tmp_path, "pdffonts", copy).splitlines()[2:]
    assert fonts
    assert all(re.search(r"Identity-H\s+yes\s+yes\s+yes", line) for line in fonts), fonts


def test_the_same_document_gives_the_same_bytes_and_another_one_others(copy):
    assert render_pdf(cda.render(protocols.facts()), sheet()) == copy
    assert render_pdf(cda.render(protocols.facts()), sheet(check_url=CHECK + "?")) != copy


def test_words_of_the_document_are_words_and_never_markup(tmp_path):
    sections = with_course('<img src="file:///etc/passwd"> <b>& "кавычки" #sys.inputs *x* $y$')
    pdf = render_pdf(cda.render(replace(protocols.facts(), sections=sections)), sheet())
    text = " ".join(asked(tmp_path, "pdftotext", pdf, "-").split())
    assert '<img src="file:///etc/passwd"> <b>& "кавычки" #sys.inputs *x* $y$' in text
    assert "root:" not in text


def test_a_certificate_without_an_end_is_stamped_too(tmp_path):
    """RFC 5280 4.1.2.5: its date is the calendar's last second; a copy that fails would keep the seal waiting."""
    endless = replace(
        stamp("Орлов Дмитрий Сергеевич"), valid_until=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    )
    pdf = render_pdf(cda.render(protocols.facts()), sheet(stamps=(endless,)))
    assert "31.12.9999 23:59 UTC" in " ".join(asked(tmp_path, "pdftotext", pdf, "-").split())


def test_an_annulled_document_says_so_before_its_first_word(tmp_path):
    pdf = render_pdf(cda.render(protocols.facts()), sheet(flag="Документ аннулирован 24.11.2026, акт № 3."))
    text = asked(tmp_path, "pdftotext", pdf, "-")
    assert text.index("Документ аннулирован") < text.index("Версия")


def test_letters_that_no_font_has_are_marked_and_cost_no_copy(tmp_path):
    """U+E000 is nobody's letter; PDF/A forbids what cannot be shown."""
    pdf = setting.pdf_of(
        "register.typ",
        {"title": "Журнал", "subtitle": "до \ue000 5 ≥ 4 ₽", "head": ["а"], "widths": [9], "rows": [["б"]]},
    )
    assert "до \ufffd 5 ≥ 4 ₽" in asked(tmp_path, "pdftotext", pdf, "-")
    declared = asked(tmp_path, "pdfinfo", pdf, "-meta")
    assert re.search(r"conformance[=>]\W*A\W", declared)


def test_a_word_without_an_end_stays_on_the_page(tmp_path):
    pdf = render_pdf(cda.render(replace(protocols.facts(), sections=with_course("Щ" * 400))), sheet())
    page = ("-x", "0", "-y", "0", "-W", "595", "-H", "842")
    assert asked(tmp_path, "pdftotext", pdf, *page, "-").count("Щ") == 400


def test_headings_lists_and_tables_are_tagged_as_what_they_are(copy, tmp_path):
    told = asked(tmp_path, "pdfinfo", copy, "-struct").splitlines()
    tags = [line.split()[0].rstrip(":") for line in told if line.strip()]
    assert {"H1", "H2", "P", "L", "Lbl", "LBody", "Table", "TR", "TH", "TD", "Figure"} <= set(tags)
    assert tags.count("H1") == 1


def test_an_annulled_document_says_so_on_every_page(tmp_path):
    flag = "Документ аннулирован 24.11.2026, акт № 3."
    pdf = render_pdf(
        cda.render(replace(protocols.facts(), sections=with_course("Болен. " * 2000))), sheet(flag=flag)
    )
    pages = asked(tmp_path, "pdftotext", pdf, "-").split("\f")[:-1]
    assert len(pages) > 2
    assert all(flag in page for page in pages)


def test_what_is_no_document_is_refused():
    with pytest.raises(Invalid):
        render_pdf(b"<html/>", sheet())


JARS = (
    "preflight",
    "pdfbox2",
    "pdfbox2-tools",
    "xmpbox",
    "fontbox2",
    "commons-logging",
    "javax.activation",
    "jaxb-api",
)


def judged(tmp_path, pdf: bytes) -> subprocess.CompletedProcess[str]:
    """PDFBox Preflight, which knows ISO 19005-1 and nothing of us."""
    path = tmp_path / "judged.pdf"
    path.write_bytes(pdf)
    jars = ":".join(f"/usr/share/java/{one}.jar" for one in JARS)
    command = ["java", "-cp", jars, "org.apache.pdfbox.preflight.Validator_A1b", str(path)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.needs_java
def test_a_validator_of_pdf_a_finds_nothing(copy, tmp_path):
    found = judged(tmp_path, copy)
    assert (found.returncode, found.stdout.strip()) == (0, "The file judged.pdf is a valid PDF/A-1b file")


@pytest.mark.needs_java
def test_the_same_validator_does_find_what_is_wrong(copy, tmp_path):
    undeclared = copy.replace(b"<pdfaid:part>1</pdfaid:part>", b"<pdfaid:part>7</pdfaid:part>")
    found = judged(tmp_path, undeclared)
    assert undeclared != copy
    assert found.returncode != 0
    assert "not a valid PDF/A-1b file" in found.stdout
