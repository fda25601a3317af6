"""The table of kinds: header codes and validity of every edition, as data with a source.

An edition is chosen by the document's date (РЭМД answers NO_DOCUMENT_KIND_ON_DATE outside it) and stays accepted
until its end; an unknown end leaves it open, as НСИ 11.1520 does. `inferred` marks rows for which no published guide
was found: they are configuration to be confirmed, not knowledge.
Sources: НСИ 1.2.643.5.1.13.13.11.1520 and .1522; guides 99, 185, 190, 215; regulation 4.1-4.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from consilium.documents.facts import Coded, ProtocolKind
from consilium.documents.vocabulary import NAMES, SAVED, SEEN
from consilium.errors import Invalid

BASE = "1.2.643.5.1.13.13"
SNILS_ROOT = "1.2.643.100.3"
MINISTRY_ROOT = "1.2.643.5.1.13"
MINISTRY_NAME = "Министерство здравоохранения Российской Федерации"

DICTIONARIES: dict[str, tuple[str, str]] = {**SAVED, **SEEN}
ROLES: dict[str, str] = NAMES["99.2.368"]
SEXES: dict[str, str] = NAMES["11.1040"]

CONSULTATION_EVENT = Coded(code="1", name="Консультация")
COMMISSION_EVENT = Coded(code="5", name="Врачебная комиссия")
CONSILIUM_EVENT = Coded(code="8", name="Консилиум")
REFERRAL_EVENT = Coded(code="50", name="Выдача медицинского документа")


class Layout(StrEnum):
    """Which header and body a document has; one per guide, and one for the local form."""

    ONCOLOGICAL = "oncological"
    GENERAL = "general"
    CONSULTATION = "consultation"
    COMMISSION = "commission"
    EXTRACT = "extract"
    REFERRAL = "referral"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One edition of a document kind.

    `dictionary` is the last arcs of the code's dictionary; `translation` the code of 99.2.1079 that the newer
    header generation adds. `registry_kind` is the code of 11.1520 under which the document is filed, None for a
    document that stays with the organisation (kind 87: EXISTENCE_SEMD is false). `number` is the edition's own
    number. `inferred`: no published guide was found.
    """

    template: str
    code: Coded
    dictionary: str
    title: str
    event: Coded
    starts: date
    registry_kind: str | None
    layout: Layout
    translation: Coded | None = None
    ends: date | None = None
    number: int = 1
    inferred: bool = False

    def valid_on(self, day: date) -> bool:
        """Whether a document of this day may be made in this edition."""
        return self.starts <= day and (self.ends is None or day < self.ends)


_GENERAL = "Протокол консилиума врачей"
_ONCOLOGICAL = "Протокол консилиума врачей (онкологического)"
_CONSULTATION = "Протокол телемедицинской консультации"
_COMMISSION = "Протокол врачебной комиссии"
_EXTRACT = "Выписка из протокола решения врачебной комиссии"
_REFERRAL = "Направление на консультацию и во вспомогательные кабинеты"

EDITIONS: dict[ProtocolKind, tuple[Edition, ...]] = {
    ProtocolKind.GENERAL: (
        Edition(
            template=f"{BASE}.15.148.1",
            code=Coded(code="307", name="Протокол консилиума врачей (CDA) Редакция 1"),
            dictionary="11.1520",
            translation=Coded(code="148", name=_GENERAL),
            title=_GENERAL,
            event=CONSILIUM_EVENT,
            starts=date(2025, 11, 17),
            registry_kind="307",
            layout=Layout.GENERAL,
            inferred=True,
        ),
    ),
    ProtocolKind.ONCOLOGICAL: (
        Edition(
            template=f"{BASE}.14.371.9.1",
            code=Coded(code="371", name=_ONCOLOGICAL),
            dictionary="11.1522",
            title=_ONCOLOGICAL,
            event=CONSILIUM_EVENT,
            starts=date(2023, 8, 14),
            registry_kind="190",
            layout=Layout.ONCOLOGICAL,
        ),
    ),
    ProtocolKind.CONSULTATION: (
        Edition(
            template=f"{BASE}.14.36.9.1",
            code=Coded(code="36", name=_CONSULTATION),
            dictionary="11.1522",
            title=_CONSULTATION,
            event=CONSULTATION_EVENT,
            starts=date(2019, 11, 30),
            registry_kind="40",
            layout=Layout.CONSULTATION,
            inferred=True,
        ),
    ),
    ProtocolKind.COMMISSION: (
        Edition(
            template=f"{BASE}.14.87.9.1",
            code=Coded(code="87", name=_COMMISSION),
            dictionary="11.1522",
            title=_COMMISSION,
            event=COMMISSION_EVENT,
            starts=date(2025, 9, 1),
            registry_kind=None,
            layout=Layout.COMMISSION,
            inferred=True,
        ),
    ),
}


def _old_extract(number: int, kind: str, starts: date, *, inferred: bool) -> Edition:
    return Edition(
        template=f"{BASE}.14.347.9.{number}",
        code=Coded(code="347", name=_EXTRACT),
        dictionary="11.1522",
        title=_EXTRACT,
        event=COMMISSION_EVENT,
        starts=starts,
        registry_kind=kind,
        layout=Layout.EXTRACT,
        number=number,
        inferred=inferred,
    )


def _new_extract(number: int, kind: str, starts: date) -> Edition:
    return Edition(
        template=f"{BASE}.15.75.{number}",
        code=Coded(code=kind, name=NAMES["11.1520"][kind]),
        dictionary="11.1520",
        translation=Coded(code="75", name=_EXTRACT),
        title=_EXTRACT,
        event=COMMISSION_EVENT,
        starts=starts,
        registry_kind=kind,
        layout=Layout.EXTRACT,
        number=number,
        inferred=True,
    )


# No end date is published for any of the four: all are accepted side by side from their start.
EXTRACTS: tuple[Edition, ...] = (
    _old_extract(1, "99", date(2021, 11, 4), inferred=False),
    _old_extract(2, "158", date(2023, 8, 28), inferred=True),
    _new_extract(3, "312", date(2025, 11, 17)),
    _new_extract(4, "334", date(2026, 8, 10)),
)


def _referral(number: int, kind: str, starts: date, *, inferred: bool) -> Edition:
    return Edition(
        template=f"{BASE}.14.57.9.{number}",
        code=Coded(code="57", name=_REFERRAL),
        dictionary="11.1522",
        title=_REFERRAL,
        event=REFERRAL_EVENT,
        starts=starts,
        registry_kind=kind,
        layout=Layout.REFERRAL,
        number=number,
        inferred=inferred,
    )


REFERRALS: tuple[Edition, ...] = (
    _referral(1, "85", date(2021, 6, 30), inferred=True),
    _referral(2, "185", date(2023, 8, 14), inferred=False),
)


def edition(kind: ProtocolKind, on: date) -> Edition:
    """The edition in force on a day; before the first one, the first (old cases are still written down)."""
    rows = EDITIONS[kind]
    return next((row for row in rows if row.valid_on(on)), rows[0])


def extract_edition(on: date, installed: frozenset[str], forced: str | None = None) -> Edition:
    """The edition of a commission's extract made on a day.

    The newest accepted one whose guide is in `installed` (codes of 11.1520); with none installed, the newest one
    that was published. `forced` is an operator's choice by that code. Raises Invalid("unknown_code") for a code that
    is none of theirs, Invalid("invalid_field") for one that the day does not accept; both with `field` "edition".
    """
    return _chosen(EXTRACTS, on, installed, forced)


def referral_edition(on: date, installed: frozenset[str], forced: str | None = None) -> Edition:
    """The edition of a referral for consultation made on a day; as `extract_edition`."""
    return _chosen(REFERRALS, on, installed, forced)


def _chosen(rows: tuple[Edition, ...], on: date, installed: frozenset[str], forced: str | None) -> Edition:
    if forced:
        return _forced(rows, on, forced)
    accepted = [row for row in rows if row.valid_on(on)]
    if not accepted:
        raise _not_accepted(rows[0].registry_kind, on)
    for wanted in (
        [row for row in accepted if row.registry_kind in installed],
        [row for row in accepted if not row.inferred],
    ):
        if wanted:
            return wanted[-1]
    return accepted[-1]


def _forced(rows: tuple[Edition, ...], on: date, forced: str) -> Edition:
    row = next((row for row in rows if row.registry_kind == forced), None)
    if row is None:
        raise wrong_edition(forced)
    if not row.valid_on(on):
        raise _not_accepted(forced, on)
    return row


def wrong_edition(edition: str | None) -> Invalid:
    """The refusal of an edition that is not of this document."""
    return Invalid("unknown_code", field="edition", edition=edition)


def _not_accepted(edition: str | None, on: date) -> Invalid:
    return Invalid("invalid_field", field="edition", edition=edition, on=on.isoformat())


def every_edition() -> tuple[Edition, ...]:
    """All rows: protocols, extracts, referrals."""
    return (*(row for rows in EDITIONS.values() for row in rows), *EXTRACTS, *REFERRALS)


def registry_kinds() -> frozenset[str]:
    """Every kind code this product files."""
    return frozenset(row.registry_kind for row in every_edition() if row.registry_kind)


def edition_of(template: str) -> Edition | None:
    """The edition a rendered document names in its templateId; None for anything else."""
    return next((row for row in every_edition() if row.template == template), None)
