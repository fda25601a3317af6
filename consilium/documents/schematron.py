"""The state's schematron rules as they lie in a file (ISO/IEC 19757-3, query binding XPath 3.1).

Every context and every test is plain XPath and is kept as it stands; judge.py asks them. Two things the files leave
unsaid are kept here: their names carry no prefix and mean `urn:hl7-org:v3` (without that nothing matches and everything
"passes"), and `report` hits are faults like failed asserts. Within a pattern a node belongs to the first rule whose
context matches it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

V3 = "urn:hl7-org:v3"
SCHEMATRON = "{http://purl.oclc.org/dsdl/schematron}"

_KNOWN = frozenset(
    f"{SCHEMATRON}{name}"
    for name in (
        *(
            "schema",
            "ns",
            "pattern",
            "rule",
            "assert",
            "report",
            "let",
            "phase",
            "active",
            "value-of",
            "name",
        ),
        *("title", "p", "emph", "dir", "span", "diagnostics", "diagnostic", "properties", "property"),
    )
)
# Anything that would read something else than the document, or run something.
_REACHING_OUT = re.compile(
    r"\b(doc|doc-available|document|collection|uri-collection|unparsed-text\S*|environment-variable\S*|"
    r"available-environment-variables|transform|load-xquery-module|json-doc|put|saxon:\S*)\s*\("
)
_RULE_ID = re.compile(r"^\s*([A-Za-zА-Яа-яЁё]+\d[\w-]*)\.\s")


class GuideRefused(Exception):
    """A file of the folder is no guide we can judge by; the message says why, in English, for an operator."""


@dataclass(frozen=True, slots=True)
class Check:
    """One assert, or one report (then `wanted` is False: the test must not hold)."""

    rule: str
    test: str
    wanted: bool
    words: str
    asked: tuple[tuple[str, str], ...] = ()
    """Placeholders in `words` and the expressions that fill them (value-of, name)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`nodes` selects what the rule is about, without what an earlier rule of the pattern took."""

    context: str
    nodes: str
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Schematron:
    """A file's rules. `template` is the templateId/@root they demand, "" when they do not say."""

    rules: tuple[Rule, ...]
    prefixes: tuple[tuple[str, str], ...]
    template: str = ""


def load(path: Path) -> Schematron:
    """Read a .sch file. Raises GuideRefused for one that is no schematron, or uses what we do not evaluate."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.parse(str(path), parser).getroot()
    except (OSError, etree.XMLSyntaxError) as error:
        raise GuideRefused(f"{path.name}: {error}") from error
    if root.tag != f"{SCHEMATRON}schema":
        raise GuideRefused(f"{path.name}: no schematron schema")
    for one in root.iter():
        _check_element(one, path.name)
    rules = tuple(rule for pattern in _active(root) for rule in _rules(pattern, _lets(root), path.name))
    prefixes = tuple((str(one.get("prefix")), str(one.get("uri"))) for one in root.iter(f"{SCHEMATRON}ns"))
    return Schematron(rules, prefixes, _template(rules))


def _check_element(one: etree._Element, name: str) -> None:
    if one.tag not in _KNOWN or one.get("abstract") == "true" or one.get("is-a"):
        raise GuideRefused(f"{name}: {one.tag} is not supported")
    for value in one.attrib.values():
        if _REACHING_OUT.search(str(value)):
            raise GuideRefused(f"{name}: {value[:60]!r} reads something else than the document")


def _active(root: etree._Element) -> Iterator[etree._Element]:
    """All patterns, or those of the default phase."""
    phase = root.get("defaultPhase", "#ALL")
    named = {
        str(one.get("pattern"))
        for chosen in root.iter(f"{SCHEMATRON}phase")
        if chosen.get("id") == phase
        for one in chosen.iter(f"{SCHEMATRON}active")
    }
    for pattern in root.iter(f"{SCHEMATRON}pattern"):
        if phase == "#ALL" or pattern.get("id") in named:
            yield pattern


def _lets(element: etree._Element, *, of_node: bool = False) -> str:
    """`let $x := ..., ` for each own variable; those outside a rule are of the document, not of the node."""
    bound = [
        (str(one.get("name")), str(one.get("value", "()")))
        for one in element.iterchildren(f"{SCHEMATRON}let")
    ]
    return "".join(
        f"let ${name} := ({value}) return " if of_node else f"let ${name} := (root(.) ! ({value})) return "
        for name, value in bound
    )


def _rules(pattern: etree._Element, outer: str, name: str) -> Iterator[Rule]:
    outer += _lets(pattern)
    taken: list[str] = []
    for rule in pattern.iterchildren(f"{SCHEMATRON}rule"):
        context = _anywhere(str(rule.get("context", "")), name)
        if context in taken:  # a node belongs to the first rule that matches it
            continue
        nodes = f"({context}) except ({' | '.join(taken)})" if taken else context
        taken.append(context)
        own = outer + _lets(rule, of_node=True)
        yield Rule(context, outer + nodes, tuple(_check(one, own, name) for one in rule if _is_check(one)))


def _is_check(one: etree._Element) -> bool:
    return one.tag in (f"{SCHEMATRON}assert", f"{SCHEMATRON}report")


def _anywhere(context: str, name: str) -> str:
    """The pattern `a/b` as an expression that finds every node it matches: `//a/b`, branch by branch."""
    if not context.strip():
        raise GuideRefused(f"{name}: rule context {context[:60]!r}")
    branches = [one.strip() for one in _branches(context)]
    return " | ".join(one if one.startswith("/") else f"//{one}" for one in branches)


def _branches(context: str) -> Iterator[str]:
    """Split at each `|` that stands outside brackets and quotes."""
    depth, quote, start = 0, "", 0
    for at, char in enumerate(context):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "[(":
            depth += 1
        elif char in "])":
            depth -= 1
        elif char == "|" and depth == 0:
            yield context[start:at]
            start = at + 1
    yield context[start:]


def _check(one: etree._Element, lets: str, name: str) -> Check:
    test = str(one.get("test", ""))
    if not test.strip():
        raise GuideRefused(f"{name}: a check without a test")
    parts, asked = [one.text or ""], list[tuple[str, str]]()
    for inner in one:
        local = etree.QName(inner).localname
        if local in {"value-of", "name"}:
            place = f"\u27e6{len(asked)}\u27e7"
            expression = inner.get("select") if local == "value-of" else f"name({inner.get('path', '.')})"
            asked.append((place, f"{lets}string-join(({expression}) ! string(.), ' ')"))
            parts.append(place)
        else:
            parts.append("".join(str(piece) for piece in inner.itertext()))
        parts.append(inner.tail or "")
    words = " ".join("".join(parts).split())
    found = _RULE_ID.match(words)
    rule = one.get("id") or (found.group(1) if found else "")
    return Check(rule, lets + test, one.tag == f"{SCHEMATRON}assert", words, tuple(asked))


def _template(rules: tuple[Rule, ...]) -> str:
    """`//ClinicalDocument/templateId` must have this @root."""
    for rule in rules:
        if rule.context.endswith("/ClinicalDocument/templateId"):
            for check in rule.checks:
                found = re.fullmatch(r"\s*@root\s*=\s*['\"]([0-9.]+)['\"]\s*", check.test)
                if found:
                    return found.group(1)
    return ""
