"""The human-readable body of a protocol as sections of blocks, before any markup.

A section is one CDA section; its blocks become paragraphs, lists and tables. Order and titles are those of the
paper form: composition, attendance, reasons, course, state, questions with votes, decision, dissent, documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from consilium.documents import wording
from consilium.documents.facts import ProtocolFacts, ProtocolKind, Recorded, Resolution, SigningNoteKind


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One or more lines of text; `caption` is set in bold before them."""

    text: str
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under a header; every row is as long as the header."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Paragraph | Table


@dataclass(frozen=True, slots=True)
class Section:
    """`code` is a code of 99.2.197 where the dictionary has one, and empty elsewhere."""

    key: str
    title: str
    blocks: tuple[Block, ...]
    code: str = ""
    code_name: str = ""


RECORDING_GAPS = {
    "consent": "не все присутствующие были согласны",
    "worker": "медиасервер не отвечал",
    "disk": "запись не попадала на диск",
    "codec": "изображение не записывалось",
}


def sections(facts: ProtocolFacts) -> tuple[Section, ...]:
    """The whole body in order; sections without content are left out."""
    found = (
        _particulars(facts),
        _composition(facts),
        _attendance(facts),
        _reasons(facts),
        _plain(facts.sections.course, "course", "Течение заболевания", "ANAM", "Анамнез заболевания"),
        _state(facts),
        _questions(facts),
        _plain(facts.sections.decision, "decision", "Решение", "CONSILIUM", "Консилиум"),
        _dissent(facts),
        _statements(facts),
        _documents(facts),
        _notes(facts),
    )
    return tuple(one for one in found if one.blocks)


def _plain(text: str, key: str, title: str, code: str = "", name: str = "") -> Section:
    return Section(key, title, (Paragraph(text),) if text.strip() else (), code, name)


def _particulars(facts: ProtocolFacts) -> Section:
    offset = facts.utc_offset_minutes
    rows = [
        ("Номер протокола", facts.number),
        ("Версия документа", str(facts.version)),
        ("Начало", f"{wording.moment(facts.started_at, offset)} ({wording.offset_name(offset)})"),
        ("Окончание", f"{wording.moment(facts.ended_at, offset)} ({wording.offset_name(offset)})"),
        ("Форма проведения", facts.form.name),
        ("Телемедицинские технологии", "применялись" if facts.telemedicine else "не применялись"),
        ("Форма оказания помощи", facts.urgency.name),
        ("Медицинская организация", _organisation(facts)),
        *_requesting(facts),
        *_commission(facts),
        ("Номер случая", facts.case_number),
        ("Вопрос повестки", str(facts.agenda_number)),
        ("Диагноз при направлении", f"{facts.diagnosis.code} {facts.diagnosis.name}".strip()),
        ("Основание обработки сведений", wording.consent_line(facts.consent)),
    ]
    return Section("particulars", "Сведения о документе", (_pairs(rows),), "DOCINFO", "Сведения о документе")


def _pairs(rows: list[tuple[str, str]]) -> Table:
    return Table(("Показатель", "Значение"), tuple((name, value) for name, value in rows if value))


def _organisation(facts: ProtocolFacts) -> str:
    one = facts.organisation
    ids = [f"ОГРН {one.ogrn}" if one.ogrn else "", f"ИНН {one.inn}" if one.inn else ""]
    return ", ".join(part for part in (one.name, *ids, one.address) if part)


def _requesting(facts: ProtocolFacts) -> list[tuple[str, str]]:
    one = facts.requesting_organisation
    return [("Направившая организация", one.name)] if one else []


def _commission(facts: ProtocolFacts) -> list[tuple[str, str]]:
    one = facts.commission
    if one is None:
        return []
    dated = f" от {wording.day(one.order_date)}" if one.order_date else ""
    return [("Врачебная комиссия", one.name), ("Приказ", f"№ {one.order_number}{dated}")]


def _composition(facts: ProtocolFacts) -> Section:
    rows = tuple(
        (
            one.name.full(),
            one.post.name,
            one.speciality.name if one.speciality else "–",
            one.organisation.name,
            wording.SEATS[one.seat],
            wording.presence(one),
        )
        for one in facts.participants
    )
    head = ("Фамилия, имя, отчество", "Должность", "Специальность", "Организация", "Роль", "Участие")
    title = "Состав комиссии" if facts.kind is ProtocolKind.COMMISSION else "Состав консилиума"
    return Section("composition", title, (Table(head, rows),))


def _attendance(facts: ProtocolFacts) -> Section:
    rows = tuple((one.name.full(), wording.stays(one.attendance, facts)) for one in facts.participants)
    recused = [one for one in facts.participants if one.recused]
    notes = tuple(
        Paragraph(one.recusal_reason or "причина не указана", f"Самоотвод: {one.name.full()}")
        for one in recused
    )
    recorded = tuple(_recorded(one, facts) for one in facts.recordings)
    return Section(
        "attendance", "Присутствие", (Table(("Участник", "Время присутствия"), rows), *notes, *recorded)
    )


def _recorded(one: Recorded, facts: ProtocolFacts) -> Paragraph:
    """That the meeting was recorded, on whose consent, and what of it is missing (RM-14, RM-15)."""
    sentences = ["С согласия всех присутствующих", f"согласие пациента: {one.ground}"]
    missing = [f"{wording.stays((gap.stay,), facts)}: {RECORDING_GAPS[gap.reason]}" for gap in one.gaps]
    if missing:
        sentences.append("пропуски: " + "; ".join(missing))
    title = f"Аудио- и видеозапись: {wording.stays((one.stay,), facts)}"
    return Paragraph("; ".join(sentences) + ".", title)


def _reasons(facts: ProtocolFacts) -> Section:
    blocks = (
        Paragraph(facts.sections.reasons),
        Paragraph(wording.goal_line(facts), "Цель"),
        Paragraph(facts.question, "Вопрос к консилиуму"),
    )
    return Section("reasons", "Причины проведения", tuple(one for one in blocks if one.text.strip()))


def _state(facts: ProtocolFacts) -> Section:
    title = "Состояние пациента и интерпретация данных"
    return _plain(facts.sections.state, "state", title, "PATOBJ", "Объективные данные")


def _questions(facts: ProtocolFacts) -> Section:
    blocks = tuple(block for one in facts.resolutions for block in _resolution(one, facts))
    return Section("questions", "Вопросы и голосование", blocks)


def _resolution(one: Resolution, facts: ProtocolFacts) -> Iterator[Block]:
    yield Paragraph(one.wording, f"Вопрос {one.number}")
    yield Paragraph(one.wording_digest, "Отпечаток формулировки (SHA-256)")
    if one.quorum_line:
        yield Paragraph(one.quorum_line, "Кворум")
    votes = wording.named_votes(one, facts)
    if votes:
        yield Table(("Участник", "Голос"), tuple(votes))
    yield Paragraph(wording.tally_line(one.tally), "Итог")
    yield Paragraph(wording.outcome_line(one))


def _dissent(facts: ProtocolFacts) -> Section:
    blocks = tuple(
        Paragraph(
            one.text,
            f"Особое мнение № {one.number}: {wording.person_name(facts, one.author_id)}, "
            f"{wording.moment(one.at, facts.utc_offset_minutes)}",
        )
        for one in facts.dissents
    )
    return Section("dissent", "Особое мнение", blocks)


def _statements(facts: ProtocolFacts) -> Section:
    blocks = tuple(
        Paragraph(
            one.text,
            f"{wording.person_name(facts, one.speaker_id)}, "
            f"{wording.moment(one.at, facts.utc_offset_minutes)}, "
            f"записал(а) {wording.person_name(facts, one.recorded_by_id)}",
        )
        for one in facts.statements
    )
    return Section("statements", "Мнения участников, записанные с их слов", blocks)


def _documents(facts: ProtocolFacts) -> Section:
    rows = tuple(
        (one.title, wording.day(one.dated) if one.dated else "–", one.media_type, one.digest)
        for one in facts.documents
    )
    head = ("Документ", "Дата", "Тип", "Отпечаток (SHA-256)")
    blocks = (Table(head, rows),) if rows else ()
    return Section("documents", "Рассмотренные документы", blocks, "LINKDOCS", "Связанные документы")


def _notes(facts: ProtocolFacts) -> Section:
    words = {
        SigningNoteKind.RELEASED: "Освобождён(а) от подписания",
        SigningNoteKind.DECLINED: "Отказ от подписи",
    }
    signing = tuple(
        Paragraph(
            one.reason,
            f"{words[one.kind]}: {wording.person_name(facts, one.person_id)}, "
            f"{wording.moment(one.at, facts.utc_offset_minutes)}",
        )
        for one in facts.signing_notes
    )
    editions = tuple(Paragraph(one) for one in facts.edition_notes)
    return Section("notes", "Примечания", (*signing, *editions))
