"""Header codes of each kind of protocol, as data with a source, and the dictionaries the header names.

A kind's edition is chosen by the document's date (РЭМД answers NO_DOCUMENT_KIND_ON_DATE outside it). `inferred`
marks rows for which no published artefact was found: they are configuration to be confirmed, not knowledge.
Sources: НСИ 1.2.643.5.1.13.13.11.1520 and .1522, guides 190 and 215; see docs/rules.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from consilium.documents.facts import Coded, ProtocolKind

BASE = "1.2.643.5.1.13.13"
SNILS_ROOT = "1.2.643.100.3"
MINISTRY_ROOT = "1.2.643.5.1.13"
MINISTRY_NAME = "Министерство здравоохранения Российской Федерации"

# The last arcs below 1.2.643.5.1.13.13: (version, name) as published.
DICTIONARIES: dict[str, tuple[str, str]] = {
    "11.1002": ("9.6", "Должности медицинских и фармацевтических работников"),
    "11.1040": ("2.1", "Пол пациента"),
    "11.1504": ("1.3", "Тип адреса пациента"),
    "11.1520": ("12.14", "Электронные медицинские документы"),
    "11.1522": ("7.24", "Виды медицинской документации"),
    "11.1551": ("1.1", "Формы оказания медицинской помощи"),
    "99.2.166": ("5.41", "Кодируемые поля CDA документов"),
    "99.2.197": ("4.29", "Секции электронных медицинских документов"),
    "99.2.285": ("1.2", "Уровень конфиденциальности медицинского документа"),
    "99.2.368": (
        "2.8",
        "Роли сотрудников при подписании медицинских документов, в том числе в электронном виде",
    ),
    "99.2.723": ("1.1", "Типы медицинских карт"),
    "99.2.726": ("3.10", "Типы документированных событий"),
    "99.2.1079": ("1.26", "Виды структурированных электронных медицинских документов"),
}

ROLES: dict[str, str] = {
    "ADVISER": "Консультант",
    "ATTENDING_PHYSICIAN": "Лечащий врач",
    "AUTHOR": "Автор документа",
    "CHAIRMAN": "Председатель",
    "COMMISSIONER": "Член комиссии",
    "DEP_CHIEF": "Заведующий отделением",
    "DOCTOR": "Врач",
    "HEAD_DOCTOR": "Главный врач",
    "MEMBER_OF_MDRT": "Участник МДРК",
    "PERFORMER": "Исполнитель",
    "SECRETARY": "Секретарь",
    "VICE_CHAIRMAN": "Заместитель председателя",
}
SEXES: dict[str, str] = {"1": "Мужской", "2": "Женский", "3": "Неопределенный"}
CONFIDENTIALITY: dict[str, str] = {"N": "Обычный", "R": "Ограниченный", "V": "Крайне ограниченный"}
OTHER_CARD = Coded(code="3", name="Иная медицинская карта")

CONSULTATION_EVENT = Coded(code="1", name="Консультация")
COMMISSION_EVENT = Coded(code="5", name="Врачебная комиссия")
CONSILIUM_EVENT = Coded(code="8", name="Консилиум")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One edition of a document kind.

    `dictionary` is the last arcs of the code's dictionary; `translation` the code of 99.2.1079 that the newer
    header generation adds. `registry_kind` is the code of 11.1520 under which the document is filed, None for a
    document that stays with the organisation (kind 87: EXISTENCE_SEMD is false).
    """

    template: str
    code: Coded
    dictionary: str
    title: str
    event: Coded
    starts: date
    registry_kind: str | None
    translation: Coded | None = None
    ends: date | None = None
    inferred: bool = False

    def valid_on(self, day: date) -> bool:
        """Whether a document of this day may be made in this edition."""
        return self.starts <= day and (self.ends is None or day < self.ends)


_GENERAL = "Протокол консилиума врачей"
_ONCOLOGICAL = "Протокол консилиума врачей (онкологического)"
_CONSULTATION = "Протокол телемедицинской консультации"
_COMMISSION = "Протокол врачебной комиссии"

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
            inferred=True,
        ),
    ),
}


def edition(kind: ProtocolKind, on: date) -> Edition:
    """The edition in force on a day; before the first one, the first (old cases are still written down)."""
    rows = EDITIONS[kind]
    return next((row for row in rows if row.valid_on(on)), rows[0])


def registry_kinds() -> frozenset[str]:
    """Every kind code this product files."""
    return frozenset(row.registry_kind for rows in EDITIONS.values() for row in rows if row.registry_kind)


def edition_of(template: str) -> Edition | None:
    """The edition a rendered document names in its templateId; None for anything else."""
    rows = (row for kind in EDITIONS.values() for row in kind)
    return next((row for row in rows if row.template == template), None)
