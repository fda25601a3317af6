"""Continuous numbers of papers: per body and year, without gaps, a series for each sort of paper (PR-08).

A number is taken in the transaction that makes the paper: what is refused takes none, and two at once wait for
each other at the counter. What was made keeps its number for ever, given up or annulled as well, so that the
journal of the year counts 1, 2, 3 and every line has its paper (приказ 180н, журнал комиссии; 947н п. 21).
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from consilium.model import Consilium, Paper
from consilium.rules.turns import ZONE


def _year(at: datetime) -> int:
    """Of the day that stands on the paper: the new year begins at midnight here, not in Greenwich."""
    return at.astimezone(ZONE).year


def series(paper: Paper, consilium: Consilium, at: datetime) -> str:
    """The series a paper of this consilium is numbered in: its commission's, otherwise its organisation's."""
    return series_of(paper, consilium.body_id or consilium.organisation_id, at)


def series_of(paper: Paper, keeper: UUID, at: datetime) -> str:
    """The series of a body or an organisation."""
    return f"{paper}:{keeper}:{_year(at)}"


def number(at: datetime, count: int) -> str:
    """`2026-00042`."""
    return f"{_year(at)}-{count:05}"
