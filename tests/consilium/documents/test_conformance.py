"""A document is judged by the state's own schema and rules, and what is wrong is told in plain words."""

from __future__ import annotations

import inspect
import re
import resource
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from consilium.directory import nsi
from consilium.documents import required, schematron, validate
from consilium.documents.cda import render
from consilium.documents.conformance import Report, check, require_conformant
from consilium.documents.editions import edition
from consilium.documents.facts import ProtocolKind
from consilium.documents.finding_words import LACKS
from consilium.documents.guides import Official, load_schema
from consilium.documents.judge import judge
from consilium.documents.preview import preview
from consilium.documents.schematron import GuideRefused
from consilium.documents.terms import BUILT_IN
from consilium.errors import Invalid
from tests.consilium.documents.protocols import facts

TEMPLATE = "1.2.643.5.1.13.13.14.57.9.2"
HEAD = (
    '<schema xmlns="http://purl.oclc.org/dsdl/schematron" queryBinding="xslt2">'
    '<ns prefix="identity" uri="urn:hl7-ru:identity"/>'
)
DOCUMENT = (
    '<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:identity="urn:hl7-ru:identity">'
    '<id root="1.2"/><id root="1.3"/><title>Протокол</title><identity:Props/></ClinicalDocument>'
).encode()


@pytest.fixture(scope="module")
def official(semd_dir: Path) -> Official:
    found = Official.load(semd_dir)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def referral(semd_dir: Path) -> bytes:
    """A published example of kind 185 with its author's placeholders filled in."""
    text = (semd_dir / "examples" / "id=195.xml").read_text(encoding="utf-8-sig")
    text = re.sub(r"<\?xml-stylesheet.*?\?>", "", text)
    known = {"mo": "1.2.643.5.1.13.13.12.2.66.6500", "versionNumber": "1", "snils": "11223344595"}
    return re.sub(r"\$\{(\w+)\}", lambda one: known.get(one[1], "1"), text).encode()


def rules(tmp_path: Path, body: str) -> schematron.Schematron:
    path = tmp_path / "rules.sch"
    path.write_text(f"{HEAD}{body}</schema>", encoding="utf-8")
    return schematron.load(path)


def fields(report: Report) -> set[str]:
    return {one.field for one in report.errors}


# The state's own files


@pytest.mark.needs_semd
def test_a_published_example_conforms_and_every_rule_that_concerns_it_fired(
    official: Official, referral: bytes
) -> None:
    report = check(referral, official)
    assert (report.edition, report.guide) == (TEMPLATE, "185")
    assert report.errors == ()
    assert report.xsd
    assert report.rules_fired == 312


@pytest.mark.needs_semd
def test_every_guide_of_the_folder_loads(official: Official) -> None:
    assert official.refused == {}
    assert {"190", "40", "99", "185", "160", "119"} <= set(official.guides)
    assert official.guide_for("1.2.643.5.1.13.13.14.371.9.1") is official.guides["190"]
    assert official.guide_for("1.2.643.5.1.13.13.14.36.9.1") is official.guides["40"]
    assert official.guide_for("1.2.643.5.1.13.13.15.148.1") is None


@pytest.mark.needs_semd
@pytest.mark.parametrize(
    "old, new, field",
    [
        ("<family>", "<family></family><family>", "patient.name"),
        ("11223344595", "112", "patient.snils"),
        ('code="DGN"', 'code="DGNX"', "diagnosis"),
        ("<birthTime ", '<birthTime nullFlavor="NI"/><birthTime ', "patient.birth_date"),
    ],
)
def test_what_is_broken_is_found_and_the_field_that_causes_it_is_named(
    official: Official, referral: bytes, old: str, new: str, field: str
) -> None:
    broken = referral.decode().replace(old, new, 1).encode()
    assert broken != referral
    report = check(broken, official)
    assert not report.conformant
    assert field in fields(report)
    for one in report.errors:
        assert re.search("[А-Яа-я]", one.ru)
        assert not re.search("[А-Яа-я]", re.sub(r"«.*?»|\(rule .*?\)", "", one.en))
        assert one.official or one.code.endswith(("unknown", "differs"))


@pytest.mark.needs_semd
def test_a_document_with_errors_is_refused_with_its_findings(official: Official, referral: bytes) -> None:
    broken = referral.replace(b'code="DGN"', b'code="DGNX"')
    with pytest.raises(Invalid) as refused:
        require_conformant(broken, official)
    assert refused.value.code == "document_refused"
    told = refused.value.details["findings"]
    assert {"code", "rule", "path", "field", "ru", "en", "severity"} <= set(told[0])
    assert "diagnosis" in {one["field"] for one in told}


@pytest.mark.needs_semd
def test_rules_that_stay_silent_are_a_finding(official: Official, referral: bytes) -> None:
    guide = official.guides["185"]
    assert guide.rules is not None
    nothing = replace(guide.rules, rules=guide.rules.rules[:0])
    files = Official(official.folder, {"185": type(guide)("185", guide.schema, nothing)}, {})
    report = check(referral, files)
    assert [one.code for one in report.errors] == ["rules_silent"]


@pytest.mark.needs_semd
def test_many_threads_may_ask_at_once(official: Official, referral: bytes) -> None:
    broken = referral.replace(b'code="DGN"', b'code="DGNX"')
    expected = check(referral, official), check(broken, official)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda at: check((referral, broken)[at % 2], official), range(16)))
    assert found == [expected[at % 2] for at in range(16)]


# Without them


def test_without_the_official_files_it_says_what_it_could_not_check() -> None:
    report = check(DOCUMENT, None)
    assert not report.installed
    assert report.unchecked == ("schema", "rules", "dictionaries")
    assert [(one.code, one.severity) for one in report.findings] == [("not_installed", "warning")]
    assert report.conformant


def test_a_kind_without_a_published_guide_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "guides").mkdir()
    (tmp_path / "guides" / "1.sch").write_text(f"{HEAD}<pattern/></schema>")
    report = check(DOCUMENT, Official.load(tmp_path))
    assert report.installed
    assert [one.code for one in report.findings] == ["guide_missing"]


def test_a_hostile_document_meets_the_xml_gate_first() -> None:
    with pytest.raises(Invalid) as refused:
        check(b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', None)
    assert refused.value.code == "file_refused"


# The language of the rules


def test_a_report_that_hits_is_a_fault_like_an_assert_that_fails(tmp_path: Path) -> None:
    found = rules(
        tmp_path,
        '<pattern><rule context="ClinicalDocument"><assert test="count(id)=1">A1. one id</assert>'
        '<report test="title">A2. no title</report><assert test="title">A3. a title</assert></rule></pattern>',
    )
    verdict = judge().judge(found, DOCUMENT)
    assert verdict.fired == 1
    assert [one.rule for one in verdict.hits] == ["A1", "A2"]


def test_a_node_belongs_to_the_first_rule_of_a_pattern_that_matches_it(tmp_path: Path) -> None:
    body = (
        '<rule context="id[@root=\'1.2\']"><report test="true()">A1. special</report></rule>'
        '<rule context="id | title"><report test="true()">A2. general</report></rule>'
    )
    together = judge().judge(rules(tmp_path, f"<pattern>{body}</pattern>"), DOCUMENT)
    assert sorted(one.rule for one in together.hits) == ["A1", "A2", "A2"]
    apart = body.replace("</rule><rule", "</rule></pattern><pattern><rule")
    separately = judge().judge(rules(tmp_path, f"<pattern>{apart}</pattern>"), DOCUMENT)
    assert sorted(one.rule for one in separately.hits) == ["A1", "A2", "A2", "A2"]


def test_variables_and_values_in_messages_are_filled_in(tmp_path: Path) -> None:
    found = rules(
        tmp_path,
        '<let name="ids" value="//id"/><pattern><let name="most" value="1"/><rule context="ClinicalDocument">'
        '<let name="mine" value="count(id)"/><assert test="count($ids) &lt;= $most and $mine = 1">A1. There are '
        '<value-of select="$mine"/> in <name/>.</assert></rule></pattern>',
    )
    (hit,) = judge().judge(found, DOCUMENT).hits
    assert hit.words == "A1. There are 2 in ClinicalDocument."


def test_patterns_outside_the_default_phase_are_not_asked(tmp_path: Path) -> None:
    path = tmp_path / "rules.sch"
    one = '<pattern id="{0}"><rule context="ClinicalDocument"><report test="true()">{0}1. x</report></rule></pattern>'
    phase = '<phase id="only"><active pattern="B"/></phase>'
    head = HEAD.replace("queryBinding", 'defaultPhase="only" queryBinding')
    path.write_text(f"{head}{phase}{one.format('A')}{one.format('B')}</schema>")
    assert [hit.rule for hit in judge().judge(schematron.load(path), DOCUMENT).hits] == ["B1"]


def test_a_rule_that_cannot_be_applied_to_the_document_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    found = rules(
        tmp_path,
        '<pattern><rule context="ClinicalDocument"><assert test="string-length(id/@root) &gt; 1">A1. x</assert>'
        '<report test="title">A2. x</report></rule></pattern>',
    )
    hits = judge().judge(found, DOCUMENT).hits
    assert [(one.rule, one.broken) for one in hits] == [("A1", True), ("A2", False)]


def test_a_rule_that_is_no_expression_at_all_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    found = rules(
        tmp_path,
        '<pattern><rule context="ClinicalDocument"><assert test="count((">A1. x <name/></assert>'
        '<assert test="false()">A2. <value-of select="((">, </value-of><name/></assert></rule></pattern>'
        '<pattern><rule context="id[["><assert test="true()">A3. x</assert></rule></pattern>',
    )
    verdict = judge().judge(found, DOCUMENT)
    assert verdict.fired == 1
    told = [(one.rule, one.broken, one.words) for one in verdict.hits]
    assert told == [
        ("A1", True, "A1. x ClinicalDocument"),
        ("A2", False, "A2. ClinicalDocument"),
        ("", True, ""),
    ]


@pytest.mark.needs_semd
def test_document_after_document_leaves_nothing_behind(official: Official, referral: bytes) -> None:
    guide = official.guides["185"].rules
    assert guide is not None
    grown = []
    for _ in range(2):  # the first hundred fill caches
        before = resident()
        for _ in range(100):
            assert judge().judge(guide, referral).hits == ()
        grown.append(resident() - before)
    assert grown[1] < 80 * 1024 * 1024  # asking each expression by itself: 170


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.parametrize(
    "body",
    [
        '<pattern><rule context="a"><assert test="doc(\'file:///etc/passwd\')">A1. x</assert></rule></pattern>',
        '<pattern><rule context="a[unparsed-text(\'file:///etc/passwd\')]"><assert test="a">x</assert></rule></pattern>',
        '<let name="x" value="environment-variable(\'HOME\')"/><pattern/>',
        '<include href="other.sch"/>',
        '<pattern abstract="true"/>',
        '<pattern><rule context=""><assert test="a">x</assert></rule></pattern>',
        '<pattern><rule context="a"><assert>x</assert></rule></pattern>',
    ],
)
def test_rules_that_reach_out_or_cannot_be_evaluated_are_refused(tmp_path: Path, body: str) -> None:
    with pytest.raises(GuideRefused):
        rules(tmp_path, body)


def test_a_file_that_is_no_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "CDA.xsd"
    for content in (b"", b"<a/>", b"not xml"):
        path.write_bytes(content)
        with pytest.raises(GuideRefused):
            load_schema(path)
        with pytest.raises(GuideRefused):
            schematron.load(path)


# Of a draft


def test_everything_a_draft_may_lack_has_words_of_its_own() -> None:
    sources = (inspect.getsource(module) for module in (required, validate))
    codes = {
        code for text in sources for code in re.findall(r'"(\w+_(?:missing|few|incomplete|pseudonym))"', text)
    }
    codes |= {
        code for text in map(inspect.getsource, (required,)) for code in re.findall(r'Missing\("(\w+)"', text)
    }
    assert codes - {"protocol_incomplete"} <= set(LACKS)


def test_what_the_freeze_would_refuse_is_an_error_before_and_what_it_would_let_pass_a_warning() -> None:
    """A known guide's demands stop the freeze; a guide nobody could read stops nobody."""
    for kind, severity in ((ProtocolKind.ONCOLOGICAL, "error"), (ProtocolKind.GENERAL, "warning")):
        whole = facts(kind=kind)
        told = preview(replace(whole, patient=replace(whole.patient, sex="")), None, BUILT_IN)
        found = {one.code: one for one in told.findings}
        assert found["patient_sex_missing"].severity == severity
        assert found["patient_sex_missing"].field == "patient.sex"


@pytest.mark.needs_semd
def test_a_patient_without_a_number_is_decided_on_and_the_registry_s_wish_is_a_word_in_time(
    official: Official,
) -> None:
    """The rules of guide 190 take such a document; that the registry wants the number (11.1520) stops no decision."""
    whole = facts(kind=ProtocolKind.ONCOLOGICAL)
    unknown = replace(whole, patient=replace(whole.patient, snils=""))
    row = edition(ProtocolKind.ONCOLOGICAL, unknown.frozen_at.date())
    lacking = required.missing_for_edition(unknown, row)
    assert [one.code for one in lacking] == ["patient_snils_missing"]
    assert not any(required.stops_freezing(one, row) for one in lacking)
    told = preview(unknown, official, BUILT_IN)
    assert {one.code: one.severity for one in told.findings}["patient_snils_missing"] == "warning"
    require_conformant(render(unknown, BUILT_IN), official, BUILT_IN)


@pytest.mark.needs_semd
@pytest.mark.parametrize("kind", list(ProtocolKind))
def test_every_kind_we_make_conforms_to_what_is_published_of_it(
    official: Official, kind: ProtocolKind
) -> None:
    terms = nsi.terms_of([nsi.dictionary(number, official.folder) for number in numbers(official.folder)])
    report = check(render(facts(kind=kind), terms), official, terms)
    assert report.errors == ()
    if kind is ProtocolKind.ONCOLOGICAL:
        assert report.xsd
        assert report.rules_fired > 400
    if kind is ProtocolKind.CONSULTATION:
        assert report.xsd


def numbers(folder: Path) -> list[str]:
    return [one.number for one in nsi.of_folder(folder)[0]]


@pytest.mark.needs_semd
def test_a_name_and_a_code_that_the_dictionary_does_not_know_are_errors(official: Official) -> None:
    terms = nsi.terms_of([nsi.dictionary(number, official.folder) for number in numbers(official.folder)])
    document = render(facts(kind=ProtocolKind.ONCOLOGICAL), terms)
    for old, new, code in (
        ('displayName="Консилиум"', 'displayName="Консилиум врачей"', "name_differs"),
        (
            'code="8" codeSystem="1.2.643.5.1.13.13.99.2.726"',
            'code="8888" codeSystem="1.2.643.5.1.13.13.99.2.726"',
            "code_unknown",
        ),
        ('codeSystemVersion="3.10"', 'codeSystemVersion="1.1"', "version_unknown"),
    ):
        changed = document.decode().replace(old, new).encode()
        assert changed != document
        found = [one for one in check(changed, official, terms).errors if one.code == code]
        assert "meeting" in {one.field for one in found}, code
