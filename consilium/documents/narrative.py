"""What a protocol says in words: groups of paragraphs and tables, before any markup.

Each function makes one group of the paper form: composition, attendance, reasons, course, state, questions with votes,
decision, dissent, documents. Which section a group stands in is said by the layouts (layouts.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from consilium.documents import wording
from consilium.documents.facts import ProtocolFacts, ProtocolKind, Recorded, Resolution, SigningNoteKind
from consilium.documents.markup import Form
from consilium.documents.sections import Block, Group, Paragraph, Table

RECORDING_GAPS = {
    "consent": "не все присутствующие были согласны",
    "worker": "медиасервер не отвечал",
    "disk": "запись не попадала на диск",
    "codec": "изображение не записывалось",
}


def prose(text: str, key: str, title: str) -> Group:
    """A group of one text; empty when there is none."""
    return Group(key, title, (Paragraph(text),) if text.strip() else ())


def pairs(rows: list[tuple[str, str]]) -> Table:
    """Labelled values; those without a value are left out."""
    return Table(("Показатель", "Значение"), tuple((name, value) for name, value in rows if value))


def particulars(form: Form) -> Group:
    """Numbers, times, form, organisations, consent."""
    facts = form.facts
    offset = facts.utc_offset_minutes
    rows = [
        ("Номер протокола", facts.number),
        ("Версия документа", str(facts.version)),
        ("Взамен документа", str(facts.replaces) if facts.replaces else ""),
        ("Начало", f"{wording.moment(facts.started_at, offset)} ({wording.offset_name(offset)})"),
        ("Окончание", f"{wording.moment(facts.ended_at, offset)} ({wording.offset_name(offset)})"),
        ("Тип", form.name(facts.consilium_type, "99.2.780") if facts.consilium_type else ""),
        ("Форма проведения", form.name(facts.form, "11.1508")),
        ("Телемедицинские технологии", "применялись" if facts.telemedicine else "не применялись"),
        ("Форма оказания помощи", form.name(facts.urgency, "11.1551")),
        ("Медицинская организация", _organisation(facts)),
        *_requesting(facts),
        *_commission(facts),
        ("Номер случая", facts.case_number),
        ("Вопрос повестки", str(facts.agenda_number)),
        ("Диагноз при направлении", _coded_line(form)),
        ("Основание обработки сведений", wording.consent_line(facts.consent)),
    ]
    return Group("particulars", "Сведения о документе", (pairs(rows),))


def _coded_line(form: Form) -> str:
    one = form.facts.diagnosis
    return f"{one.code} {form.name(one, '11.1005')}".strip()


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
    sort = one.subcommission.name if one.subcommission else ""
    return [
        ("Врачебная комиссия", one.name),
        ("Вид подкомиссии", sort),
        ("Приказ", f"№ {one.order_number}{dated}"),
    ]


def composition(form: Form) -> Group:
    """Who was appointed, as what, and how he took part."""
    facts = form.facts
    rows = tuple(
        (
            one.name.full(),
            one.post.name,
            one.speciality.name if one.speciality else "–",
            one.organisation.name,
            wording.seat(facts.kind, one.seat),
            wording.presence(one),
        )
        for one in facts.participants
    )
    head = ("Фамилия, имя, отчество", "Должность", "Специальность", "Организация", "Роль", "Участие")
    title = "Состав комиссии" if facts.kind is ProtocolKind.COMMISSION else "Состав консилиума"
    return Group("composition", title, (Table(head, rows),))


def attendance(form: Form) -> Group:
    """Who was in the room when; recusals; what was recorded."""
    facts = form.facts
    rows = tuple((one.name.full(), wording.stays(one.attendance, facts)) for one in facts.participants)
    recused = [one for one in facts.participants if one.recused]
    notes = tuple(
        Paragraph(one.recusal_reason or "причина не указана", f"Самоотвод: {one.name.full()}")
        for one in recused
    )
    recorded = tuple(_recorded(one, facts) for one in facts.recordings)
    table = Table(("Участник", "Время присутствия"), rows)
    return Group("attendance", "Присутствие", (table, *notes, *recorded))


def _recorded(one: Recorded, facts: ProtocolFacts) -> Paragraph:
    """That the meeting was recorded, on whose consent, and what of it is missing (RM-14, RM-15)."""
    sentences = ["С согласия всех присутствующих", f"согласие пациента: {one.ground}"]
    missing = [
        f"{wording.stays((gap.stay,), facts)}: {RECORDING_GAPS.get(gap.reason, 'причина не названа')}"
        for gap in one.gaps
    ]
    if missing:
        sentences.append("пропуски: " + "; ".join(missing))
    title = f"Аудио- и видеозапись: {wording.stays((one.stay,), facts)}"
    return Paragraph("; ".join(sentences) + ".", title)


def reasons(form: Form) -> Group:
    """Why the consilium met, its goal and the question it was asked."""
    facts = form.facts
    said = facts.sections.reasons
    more = (
        Paragraph(wording.goal_line(facts, form.name(facts.goal, "11.1506")), "Цель"),
        Paragraph(facts.question, "Вопрос к консилиуму"),
    )
    # The first draft already takes both into the prose: nothing is said twice.
    missing = tuple(one for one in more if one.text.strip() and one.text.strip() not in said)
    return Group("reasons", "Причины проведения", (Paragraph(said), *missing))


def course(form: Form) -> Group:
    """The course of the disease."""
    return prose(form.facts.sections.course, "course", "Течение заболевания")


def state(form: Form) -> Group:
    """The patient's state, in words and as the dictionary grades it."""
    facts = form.facts
    group = prose(facts.sections.state, "state", "Состояние пациента и интерпретация данных")
    if facts.severity is None or not group.blocks:
        return group
    graded = Paragraph(form.name(facts.severity, "11.1006"), "Степень тяжести состояния")
    return Group(group.key, group.title, (*group.blocks, graded))


def questions(form: Form) -> Group:
    """Every question with its named votes and outcome."""
    blocks = tuple(block for one in form.facts.resolutions for block in _resolution(one, form.facts))
    return Group("questions", "Вопросы и голосование", blocks)


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


def decision(form: Form) -> Group:
    """The decision."""
    return prose(form.facts.sections.decision, "decision", "Решение")


def dissent(form: Form) -> Group:
    """Dissenting opinions, each with its author."""
    facts = form.facts
    blocks = tuple(
        Paragraph(
            one.text,
            f"Особое мнение № {one.number}: {wording.person_name(facts, one.author_id)}, "
            f"{wording.moment(one.at, facts.utc_offset_minutes)}",
        )
        for one in facts.dissents
    )
    return Group("dissent", "Особое мнение", blocks)


def statements(form: Form) -> Group:
    """What was written down from somebody's words."""
    facts = form.facts
    blocks = tuple(
        Paragraph(
            one.text,
            f"{wording.person_name(facts, one.speaker_id)}, "
            f"{wording.moment(one.at, facts.utc_offset_minutes)}, "
            f"записал(а) {wording.person_name(facts, one.recorded_by_id)}",
        )
        for one in facts.statements
    )
    return Group("statements", "Мнения участников, записанные с их слов", blocks)


def documents(form: Form) -> Group:
    """Every document that lay on the table."""
    rows = tuple(
        (one.title, wording.day(one.dated) if one.dated else "–", one.media_type, one.digest)
        for one in form.facts.documents
    )
    head = ("Документ", "Дата", "Тип", "Отпечаток (SHA-256)")
    return Group("documents", "Рассмотренные документы", (Table(head, rows),) if rows else ())


def notes(form: Form) -> Group:
    """Who was released from signing or declined, and what the edition makes us say."""
    facts = form.facts
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
    return Group("notes", "Примечания", (*signing, *editions))
