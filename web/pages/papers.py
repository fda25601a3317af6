"""The papers of one case as a page shows them: each line with what binds it to the others."""

from __future__ import annotations

from typing import Any

Line = dict[str, Any]


def family(lines: list[Line]) -> list[Line]:
    """Lines of `queries.papers.papers_of` with `relations`: [(key of paper.relation.*, the other line)].

    An act that is not sealed yet is told on the paper it is about; a withdrawn one only on itself.
    """
    known = {one["id"]: one for one in lines}
    return [{**one, "relations": _relations(one, known)} for one in lines]


def _relations(one: Line, known: dict[str, Line]) -> list[tuple[str, Line]]:
    named = [
        ("extract_of" if one["paper"] == "extract" else "annuls", one["parent"]),
        ("replaces", one["replaces"]),
        ("annulled_by", one["annulled_by"]),
        ("replaced_by", one["replaced_by"]),
    ]
    found = [(name, known[other]) for name, other in named if other in known]
    made = [other for other in known.values() if other["parent"] == one["id"]]
    return found + [(name, other) for other in made if (name := _made(other))]


def _made(other: Line) -> str:
    if other["state"] in {"withdrawn", "annulled"}:
        return ""
    if other["paper"] == "extract":
        return "has_extract"
    return "" if other["state"] == "sealed" else "act_waits"
