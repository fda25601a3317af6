"""Whether a document is what the state's guides demand: XML schema, schematron, dictionaries.

Judged before anybody signs: freezing calls `require_conformant`, and while people type the page shows the same
findings. Nothing passes by silence: a guide none of whose rules fired is itself a finding, and what could not be
checked (the files are not installed, the guide is published nowhere) is said. Sources: regulation 4.7; РЭМД codes
116 INVALID_DICTIONARY_VERSION, 117, 118 INVALID_ELEMENT_VALUE_NAME.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from lxml import etree

from consilium.documents.editions import BASE
from consilium.documents.finding import (
    Finding,
    Severity,
    field_of,
    located,
    readable,
    rule_finding,
    schema_finding,
)
from consilium.documents.finding_words import PLACES
from consilium.documents.guides import Guide, Official
from consilium.documents.judge import judge
from consilium.documents.schematron import V3
from consilium.documents.terms import BUILT_IN, Terms
from consilium.documents.validate import parse_xml
from consilium.documents.written import written_faults
from consilium.errors import Invalid

MAX_FINDINGS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`edition` is the document's templateId. `xsd`: the schema holds. `unchecked`: schema, rules, dictionaries
    that could not be asked; `guide` the code of 11.1520 whose guide judged, "" for none."""

    edition: str
    installed: bool
    xsd: bool
    rules_fired: int
    findings: tuple[Finding, ...]
    guide: str = ""
    unchecked: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What keeps the document from being frozen."""
        return tuple(one for one in self.findings if one.severity == "error")

    @property
    def conformant(self) -> bool:
        """Whether nothing speaks against it; `unchecked` says how much that is worth."""
        return not self.errors

    def as_data(self) -> dict[str, Any]:
        """For JSON: the package's report/validation.json and the page."""
        return {**asdict(self), "conformant": self.conformant}


def check(xml: bytes, files: Official | None, terms: Terms = BUILT_IN) -> Report:
    """Everything that can be checked here. Raises Invalid for bytes that do not pass `check_xml`.

    `files` is None where nothing is installed. Any thread may ask.
    """
    document = parse_xml(xml)
    template = _template(document)
    guide = files.guide_for(template) if files is not None else None
    schema = _by_schema(document, guide)
    fired, rules = _by_rules(document, xml, guide)
    own = list(_plainer(written_faults(document), (*schema, *rules)))
    told = {one.path for one in own}
    official = [one for one in (*schema, *rules) if one.path not in told]
    coded = list(_by_dictionaries(document, terms))
    unchecked = _unchecked(guide, terms)
    findings = (*own, *official, *coded, *_limits(files, guide, unchecked))
    return Report(
        edition=template,
        installed=files is not None,
        xsd=guide is not None and guide.schema is not None and not schema,
        rules_fired=fired,
        findings=tuple(dict.fromkeys(findings))[:MAX_FINDINGS],
        guide=guide.number if guide else "",
        unchecked=unchecked,
    )


def _plainer(own: Iterable[Finding], official: tuple[Finding, ...]) -> Iterator[Finding]:
    """Our own words for an element, with what the schema or a rule says of the same one beside them."""
    said = {one.path: one for one in reversed(official)}
    for one in own:
        beside = said.get(one.path)
        yield replace(one, rule=beside.rule, official=beside.official) if beside else one


def require_conformant(xml: bytes, files: Official | None, terms: Terms = BUILT_IN) -> Report:
    """The report; raises Invalid("document_refused", findings=[...]) when something speaks against the document."""
    report = check(xml, files, terms)
    if not report.conformant:
        raise Invalid("document_refused", findings=[asdict(one) for one in report.errors])
    return report


def _template(document: etree._Element) -> str:
    found = document.find(f"{{{V3}}}templateId")
    return str(found.get("root", "")) if found is not None else ""


def _by_schema(document: etree._Element, guide: Guide | None) -> list[Finding]:
    faults = guide.schema_faults(document) if guide else ()
    return [schema_finding(located(document, one.path), one.name, one.words) for one in faults]


def _by_rules(document: etree._Element, xml: bytes, guide: Guide | None) -> tuple[int, list[Finding]]:
    if guide is None or guide.rules is None:
        return 0, []
    verdict = judge().judge(guide.rules, xml)
    found = [
        rule_finding(located(document, one.path), one.rule, one.test, one.words, broken=one.broken)
        for one in verdict.hits
    ]
    if not verdict.fired:
        found.append(
            _plain(
                "rules_silent",
                "error",
                f"ни одно правило руководства {guide.number} не сработало: документ не того вида или файл "
                "правил повреждён",
                f"no rule of guide {guide.number} fired: another kind of document, or the file of rules is damaged",
            )
        )
    return verdict.fired, found


def _by_dictionaries(document: etree._Element, terms: Terms) -> Iterator[Finding]:
    """Codes, names and versions, as РЭМД compares them with НСИ."""
    for element in document.iter(etree.Element):
        code, system = element.get("code"), str(element.get("codeSystem", ""))
        number = system.removeprefix(f"{BASE}.")
        if code is None or number == system or not terms.knows(number):
            continue
        version = terms.version(number)[0]
        name, whole = terms.name(number, code), _whole(terms, number)
        if element.get("codeSystemVersion") != version:
            said = str(element.get("codeSystemVersion", ""))
            yield _of_code(element, "version_unknown", (number, f"«{said}»", version), whole=whole)
        elif name and name != element.get("displayName"):
            said = str(element.get("displayName", ""))
            yield _of_code(element, "name_differs", (number, f"«{said}»", name), whole=whole)
        elif not name and whole:
            # Which kinds there are is our own table's business: it may be newer than the dictionary that is here.
            own = element.tag == f"{{{V3}}}code" and element.getparent() is document
            yield _of_code(element, "code_unknown", (number, f"«{code}»", version), whole=not own)


def _whole(terms: Terms, number: str) -> bool:
    """An imported dictionary is whole; of the built-in ones only the names we use are known."""
    return terms is not BUILT_IN and number in terms.versions and bool(terms.names.get(number))


_CODED: dict[str, tuple[str, str]] = {
    "version_unknown": (
        "справочник {number}: указана версия {said}, а установлена {known}",
        "dictionary {number}: version {said} is written, {known} is installed",
    ),
    "name_differs": (
        "справочник {number}: написано {said}, а по справочнику «{known}»",
        "dictionary {number}: {said} is written, the dictionary says “{known}”",
    ),
    "code_unknown": (
        "справочник {number} (версия {known}): кода {said} в нём нет",
        "dictionary {number} (version {known}) has no code {said}",
    ),
}


def _of_code(element: etree._Element, code: str, told: tuple[str, str, str], *, whole: bool) -> Finding:
    """An error where the whole dictionary is here to say so; a warning where only our own names are."""
    number, said, known = told
    where = readable(element)
    field = field_of(where)
    ru, en = (words.format(number=number, said=said, known=known) for words in _CODED[code])
    return Finding(
        code=code,
        field=field,
        ru=f"{PLACES[field][0]}: {ru}.",
        en=f"{PLACES[field][1]}: {en}.",
        severity="error" if whole else "warning",
        rule={"version_unknown": "РЭМД 116", "name_differs": "РЭМД 118", "code_unknown": "РЭМД 117"}[code],
        path=where,
    )


def _unchecked(guide: Guide | None, terms: Terms) -> tuple[str, ...]:
    absent = []
    if guide is None or guide.schema is None:
        absent.append("schema")
    if guide is None or guide.rules is None:
        absent.append("rules")
    if terms is BUILT_IN:
        absent.append("dictionaries")
    return tuple(absent)


def _limits(files: Official | None, guide: Guide | None, unchecked: tuple[str, ...]) -> Iterator[Finding]:
    """What could not be asked, said aloud."""
    if files is None:
        yield _plain(
            "not_installed",
            "warning",
            "проверено не полностью: официальные файлы не установлены (consilium semd install ПАПКА)",
            "not checked in full: the official files are not installed (consilium semd install FOLDER)",
        )
    elif guide is None:
        yield _plain(
            "guide_missing",
            "warning",
            "проверено не полностью: для этого вида документа нет опубликованных схемы и правил",
            "not checked in full: no schema and no rules of this kind of document are installed",
        )
    elif "rules" in unchecked:
        yield _plain(
            "rules_missing",
            "info",
            f"по руководству {guide.number} проверена только схема: правил для него не опубликовано",
            f"guide {guide.number}: the schema alone was checked, its rules are not installed",
        )


def _plain(code: str, severity: Severity, ru: str, en: str) -> Finding:
    return Finding(
        code=code,
        field="document",
        severity=severity,
        ru=f"{ru[0].upper()}{ru[1:]}.",
        en=f"{en[0].upper()}{en[1:]}.",
    )
