"""What is wrong with a document, told to the person who can put it right.

The official texts speak of XML elements. Here each complaint gets a field of our interface and a sentence in plain
words, made from where it is and what kind of demand was missed; the official text travels beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from lxml import etree

from consilium.documents.finding_words import ALIASES, DEMANDS, FIELDS, PLACES, SUBJECTS

Severity = Literal["error", "warning", "info"]

SNILS_ROOT = "1.2.643.100.3"
_QUALIFIED = re.compile(r"Q\{([^}]*)\}")
_NAMED_CODE = re.compile(
    r"\[[^\[\]]*code[^\[\]]*?(?:\[@code|@code)\s*=\s*'([^']+)'\]?[^\[\]]*\]|@code\s*=\s*'([A-Z0-9]+)'"
)
_COUNTED = re.compile(r"^\s*count\((?P<what>.+)\)\s*(?P<sign>>=|<=|=|>|<)\s*(?P<count>[\[\]\d,\s]+)$")
_WANTED = re.compile(r"^\s*(?P<what>[\w:@/.]*@[\w:]+|\.)\s*=\s*(?P<value>'[^']*'|\[[^\]]*\])\s*$")
_EMPTY = re.compile(r"^\s*(?P<what>[\w:@/.]+?)\s*!=\s*''\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to put right, or to know.

    `code` is stable; `rule` is the guide's own number of the rule; `path` names the element; `field` is the id of
    the field or section of the interface that causes it; `official`: the words of the guide or the schema.
    """

    code: str
    field: str
    ru: str
    en: str
    severity: Severity = "error"
    rule: str = ""
    path: str = ""
    official: str = ""


def located(document: etree._Element, path: str) -> etree._Element:
    """The element of an fn:path() or lxml path; the document itself when the path leads nowhere."""
    steps = _QUALIFIED.sub(r"{\1}", path).split("/@")[0].split("/text()")[0]
    if path.startswith("/*"):
        # libxml2 writes the prefixes of the document, and stars where it has none.
        spaces = {prefix: uri for prefix, uri in document.nsmap.items() if prefix}
        try:
            found = document.xpath(steps, namespaces=spaces)
        except (
            etree.XPathError
        ):  # a prefix that is declared further inside: the complaint itself still counts
            return document
        return found[0] if isinstance(found, list) and found and etree.iselement(found[0]) else document
    below = _below_root(steps)
    element = document.find(below) if below else document
    return document if element is None else element


def _below_root(steps: str) -> str:
    """`/{ns}a[1]/{ns}b[2]` without its first step; namespaces hold slashes."""
    parts = re.findall(r"(?:\{[^}]*\})?[^/{}]+", steps)
    return "/".join(parts[1:])


def readable(element: etree._Element) -> str:
    """`ClinicalDocument/component/…/section[DGN]/entry/observation[838]`: names, and the codes that tell apart."""
    chain = [element, *element.iterancestors()]
    return "/".join(_step(one) for one in reversed(chain))


def _step(element: etree._Element) -> str:
    name = etree.QName(element).localname
    if name == "id":
        return "id[snils]" if element.get("root") == SNILS_ROOT else name
    if name in {"section", "observation", "act"}:
        code = next((one.get("code") for one in element.iterchildren("{*}code")), None)
        return f"{name}[{code}]" if code else name
    if name == "performer":
        return f"{name}[{1 + sum(1 for _ in element.itersiblings(element.tag, preceding=True))}]"
    return name


def field_of(where: str, test: str = "") -> str:
    """The interface's field for an element's readable path and the demand that was missed."""
    asked = _COUNTED.match(test)
    said = _NAMED_CODE.sub(
        lambda found: f"[{found.group(1) or found.group(2)}]", asked["what"] if asked else test
    )
    for text in (f"{where}/{said}", where):
        for pattern, field in FIELDS:
            if pattern.search(text):
                return field
    return "document"


def place(field: str) -> str:
    """The nearest place of the interface: `patient.policy[0].number` and `participants.post` lead somewhere."""
    bare = re.sub(r"\[\d+\]", "", field)
    while bare and bare not in PLACES:
        bare = ALIASES.get(bare) or bare.rpartition(".")[0]
    return bare or "document"


def rule_finding(element: etree._Element, rule: str, test: str, official: str, *, broken: bool) -> Finding:
    """A schematron rule that was missed."""
    where = readable(element)
    field = field_of(where, test)
    problem = _problem(where, test) if not broken else DEMANDS["broken"]
    return _told("rule_broken" if broken else "rule", field, problem, element, rule, official)


def written_finding(element: etree._Element, kind: str, name: str) -> Finding:
    """What no guide takes, whichever it is: an empty or malformed value (written.py)."""
    where = readable(element)
    problem = _fill(kind, _subject(where, name))
    return _told("value_malformed" if kind == "format" else "value_empty", field_of(where), problem, element)


def schema_finding(element: etree._Element, name: str, words: str) -> Finding:
    """A complaint of the XML schema."""
    where = readable(element)
    expected = re.findall(r"\{[^}]*\}(\w+)", words.partition("Expected is")[2])
    found = re.search(r"attribute '([^']+)'", words)
    unknown = found is not None and found.group(1) == "nullFlavor"
    subject = _subject(where, "" if found is None or unknown else found.group(1))
    if name == "SCHEMAV_ELEMENT_CONTENT":
        missing = "Missing child" in words
        names = [_named(one) for one in expected] or [subject]
        listed = ", ".join(f"«{one[0]}»" for one in names[:4]), ", ".join(one[1] for one in names[:4])
        problem = _fill("missing" if missing else "misplaced", subject, listed)
    else:
        problem = _fill("not_null" if unknown else "schema_value", subject)
    field = field_of(where, f"count({'|'.join(expected)})=1" if expected else "")
    return _told("schema", field, problem, element, "XSD", re.sub(r"\{urn:[^}]*\}", "", words))


def _told(
    code: str,
    field: str,
    problem: tuple[str, str],
    element: etree._Element,
    rule: str = "",
    official: str = "",
) -> Finding:
    place, person = PLACES[field], _whose(element)
    whose = f" ({person})" if person else ""
    note = (f" (правило {rule})", f" (rule {rule})") if rule else ("", "")
    return Finding(
        code=code,
        field=field,
        ru=f"{place[0]}{whose}: {problem[0]}{note[0]}.",
        en=f"{place[1]}{whose}: {problem[1]}{note[1]}.",
        rule=rule,
        path=readable(element),
        official=official,
    )


def _whose(element: etree._Element) -> str:
    """The name of the person a finding is about, so that one of sixty is found."""
    for one in (element, *element.iterancestors()):
        if etree.QName(one).localname in {"assignedEntity", "assignedAuthor", "performer"}:
            name = one.find(".//{*}assignedPerson/{*}name")
            parts = [] if name is None else [" ".join((part.text or "").split()) for part in name]
            return " ".join(part for part in parts if part)
    return ""


def _problem(where: str, test: str) -> tuple[str, str]:
    """What kind of demand a test is, in words."""
    if counted := _COUNTED.match(test):
        subject, count = _subject("", _last(counted["what"])), counted["count"].strip()
        kind = {"=": "exactly", ">=": "at_least", "<=": "at_most"}.get(counted["sign"], "other")
        return _fill(kind, subject, (count, count))
    if re.fullmatch(r"\s*[\w:/]*@nullFlavor\s*", test):
        return _fill("not_null", _subject(where, _last(test.replace("/@nullFlavor", ""))))
    if empty := _EMPTY.match(test):
        return _fill("empty", _subject(where, _last(empty["what"])))
    if wanted := _WANTED.match(test):
        value = wanted["value"].strip("[]").replace("'", "").replace(",", ", ")
        return _fill("value", _subject(where, _last(wanted["what"])), (value, value))
    if "matches(" in test:
        return _fill("format", _subject(where, _last(test.partition("matches(")[2].partition(",")[0])))
    return _fill("other", _subject(where, ""))


def _fill(kind: str, subject: tuple[str, str], more: tuple[str, str] = ("", "")) -> tuple[str, str]:
    ru, en = DEMANDS[kind]
    return ru.format(subject=subject[0], more=more[0]), en.format(subject=subject[1], more=more[1])


def _last(expression: str) -> str:
    """`component[section/code/@code='ANAM']` and `identity:Props/identity:Ogrn`: the name that is meant."""
    code = _NAMED_CODE.search(expression)
    if code:
        return code.group(1) or code.group(2)
    bare = re.sub(r"\[[^\]]*\]", "", expression).split("|")[0]
    return bare.strip().rstrip("/").split("/")[-1].split(":")[-1]


def _subject(where: str, name: str) -> tuple[str, str]:
    """Plain words for an element or attribute; an attribute is told by the element that carries it."""
    owner = re.sub(r"\[[^\]]*\]", "", where).split("/")[-1]
    code = re.search(r"\[(\w+)\]$", where)
    if name.startswith("@") or name in {"", ".", "root", "extension", "value", "displayName", "codeSystem"}:
        return SUBJECTS.get(name.lstrip("@")) or _named((code.group(1) if code else "") or owner)
    return _named(name)


def _named(name: str) -> tuple[str, str]:
    return SUBJECTS.get(name, (f"элемент {name}", f"element {name}"))
