"""Rules asked of a document: every rule of a guide becomes one stylesheet, compiled once and run by Saxon.

Asking each expression by itself costs fifteen times as much and leaves two megabytes behind in Saxon for every
document. A rule that breaks still breaks alone: each stands inside its own `xsl:try`, and an expression that is no XPath
at all is told as broken without being asked. Saxon's objects belong to the thread that made them: `Judge` gives them
one of their own and serialises calls.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

from lxml import etree

from consilium.documents.schematron import V3, Check, Rule, Schematron
from consilium.errors import Unavailable

XSL = "http://www.w3.org/1999/XSL/Transform"
MAX_HITS = 200
MAX_COMPILED = 16
WITHIN = 12.0
"""Seconds; a guide is compiled in one and takes 0.01 over a document, the web's pool gives up after 15."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A check that failed. `path` is the XPath of the node (fn:path); `broken`: the test could not be evaluated."""

    rule: str
    test: str
    path: str
    words: str
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """`fired` counts node and rule pairs; none at all means that nothing was judged."""

    fired: int
    hits: tuple[Hit, ...]


class Judge:
    """Evaluates rules in one thread; any thread may ask. Bounded: at most `WITHIN` seconds, `MAX_HITS` hits."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="schematron")
        # Thread-local, so that Saxon's objects also die in the thread that made them.
        self._own = threading.local()

    def judge(self, rules: Schematron, xml: bytes) -> Verdict:
        """All rules over one document that passed `check_xml`. Raises Unavailable("busy") when it takes too long."""
        future = self._executor.submit(self._judge, rules, xml)
        try:
            return future.result(WITHIN)
        except TookTooLong:
            future.cancel()
            raise Unavailable("busy") from None

    def close(self) -> None:
        """End the thread after what it does now."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _judge(self, rules: Schematron, xml: bytes) -> Verdict:
        asked = self._compiled(rules)
        document = self._own.saxon.parse_xml(xml_text=xml.decode("utf-8"))
        return _verdict(rules, asked.transform_to_string(xdm_node=document))

    def _compiled(self, rules: Schematron) -> Any:
        from saxonche import PySaxonProcessor

        if not hasattr(self._own, "saxon"):
            self._own.saxon = PySaxonProcessor(license=False)
            self._own.compiled = {}
        kept: dict[int, tuple[Schematron, Any]] = self._own.compiled
        if id(rules) not in kept:
            if len(kept) >= MAX_COMPILED:  # guides were installed anew, again and again
                kept.clear()
            # The rules are kept beside it: as long as they live their id is theirs alone.
            kept[id(rules)] = (rules, _compile(self._own.saxon, rules))
        return kept[id(rules)][1]


def _compile(saxon: Any, rules: Schematron) -> Any:
    from saxonche import PySaxonApiError

    compiler = saxon.new_xslt30_processor()
    try:
        return compiler.compile_stylesheet(stylesheet_text=_stylesheet(rules, frozenset()))
    except PySaxonApiError:
        wrong = frozenset(one for one in _expressions(rules) if not _is_xpath(compiler, rules, one))
        return compiler.compile_stylesheet(stylesheet_text=_stylesheet(rules, wrong))


def _expressions(rules: Schematron) -> Iterator[str]:
    for rule in rules.rules:
        yield rule.nodes
        for check in rule.checks:
            yield check.test
            yield from (expression for _, expression in check.asked)


def _is_xpath(compiler: Any, rules: Schematron, expression: str) -> bool:
    from saxonche import PySaxonApiError

    alone = f"<xsl:sequence select={quoteattr(expression)}/>"
    try:
        compiler.compile_stylesheet(stylesheet_text=_wrapped(rules, alone))
    except PySaxonApiError:
        return False
    return True


def _wrapped(rules: Schematron, body: str) -> str:
    spaces = "".join(f" xmlns:{prefix}={quoteattr(uri)}" for prefix, uri in rules.prefixes)
    return (
        f'<xsl:stylesheet version="3.0" xmlns:xsl="{XSL}" xpath-default-namespace="{V3}"{spaces} '
        f'exclude-result-prefixes="#all"><xsl:template match="/"><said>{body}</said></xsl:template></xsl:stylesheet>'
    )


def _stylesheet(rules: Schematron, wrong: frozenset[str]) -> str:
    """A stylesheet that answers `fired`, `hit` and `broken` elements; `wrong` are expressions not to be asked."""
    return _wrapped(rules, "".join(_rule(at, one, wrong) for at, one in enumerate(rules.rules)))


def _rule(at: int, rule: Rule, wrong: frozenset[str]) -> str:
    if rule.nodes in wrong:
        return f'<broken rule="{at}"/>'
    checks = "".join(_asked(f'rule="{at}" check="{of}"', one, wrong) for of, one in enumerate(rule.checks))
    each = f"<xsl:for-each select={quoteattr(rule.nodes)}><fired/>{checks}</xsl:for-each>"
    return f'<xsl:try>{each}<xsl:catch><broken rule="{at}"/></xsl:catch></xsl:try>'


def _asked(which: str, check: Check, wrong: frozenset[str]) -> str:
    told = "".join("<filled/>" if one in wrong else _filling(one) for _, one in check.asked)
    broken = f'<broken {which} path="{{path(.)}}">{told}</broken>'
    if check.test in wrong:
        return broken
    missed = f"not(({check.test}))" if check.wanted else check.test
    found = f'<hit {which} path="{{path(.)}}">{told}</hit>'
    return (
        f"<xsl:try><xsl:if test={quoteattr(missed)}>{found}</xsl:if><xsl:catch>{broken}</xsl:catch></xsl:try>"
    )


def _filling(expression: str) -> str:
    return f"<filled><xsl:try><xsl:value-of select={quoteattr(expression)}/><xsl:catch/></xsl:try></filled>"


def _verdict(rules: Schematron, said: str) -> Verdict:
    # Ours, from a document that passed the gate; a long list of faults is no attack.
    answer = etree.fromstring(said.encode("utf-8"), etree.XMLParser(resolve_entities=False, huge_tree=True))
    fired = sum(1 for _ in answer.iterchildren("fired"))
    told = (one for one in answer if one.tag != "fired")
    hits = tuple(_hit(rules, one) for _, one in zip(range(MAX_HITS), told, strict=False))
    return Verdict(fired, hits)


def _hit(rules: Schematron, one: etree._Element) -> Hit:
    rule, at = rules.rules[int(str(one.get("rule")))], one.get("check")
    broken = one.tag == "broken"
    if at is None:
        return Hit("", rule.nodes, "", "", broken=True)
    check = rule.checks[int(str(at))]
    words = check.words
    for (place, _), filled in zip(check.asked, one, strict=False):
        words = words.replace(place, filled.text or "")
    return Hit(check.rule, check.test, str(one.get("path", "")), words, broken)


_judges: dict[int, Judge] = {}
_making = threading.Lock()


def judge() -> Judge:
    """This process's judge, made on first use: a forked child gets one of its own."""
    with _making:
        return _judges.setdefault(os.getpid(), Judge())
