"""Facts to render: one full protocol, and ways to change it."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from consilium.documents.facts import (
    Address,
    CaseDocument,
    Choice,
    Coded,
    Consent,
    ConsentBasis,
    Dissent,
    Encounter,
    IdentityPaper,
    Interval,
    Organisation,
    Outcome,
    Participant,
    Patient,
    Payment,
    PersonName,
    Policy,
    ProtocolFacts,
    ProtocolKind,
    Resolution,
    SeatKind,
    Sections,
    Tally,
    Vote,
)

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
CENTRE = Organisation(
    oid="1.2.643.5.1.13.13.12.2.77.1001",
    name="ФГБУ «НМИЦ онкологии» (демонстрация)",
    ogrn="1027700000001",
    inn="7700000001",
    address="Москва, улица Примерная, дом 1",
    okpo="00000001",
    phone="+74950000000",
    place=Address(
        text="Москва, улица Примерная, дом 1", region=Coded(code="77", name="г. Москва"), postal_code="101000"
    ),
)
REGION = Organisation(oid="1.2.643.5.1.13.13.12.2.66.2002", name="ГАУЗ «Областная больница»")
WORDING = "Провести шесть курсов полихимиотерапии по схеме FOLFOX, контроль через 8 недель."


def participant(
    number: int,
    surname: str,
    seat: SeatKind = SeatKind.MEMBER,
    role: str = "COMMISSIONER",
    organisation: Organisation = CENTRE,
    minutes: int = 45,
) -> Participant:
    """A participant who was there for so many minutes; none for an absent one."""
    stay = Interval(joined=START, left=START + timedelta(minutes=minutes))
    return Participant(
        person_id=f"p{number}",
        name=PersonName(surname=surname, given="Анна", patronymic="Сергеевна"),
        post=Coded(code="50", name="врач-онколог"),
        speciality=Coded(code="41", name="Онкология"),
        snils=f"112-233-445 9{number}",
        organisation=organisation,
        role_code=role,
        seat=seat,
        remote=organisation is REGION,
        attendance=(stay,) if minutes else (),
        voted=bool(minutes),
    )


PEOPLE = (
    participant(1, "Чайкина", SeatKind.CHAIR, "CHAIRMAN"),
    participant(2, "Секретарёва", SeatKind.SECRETARY, "SECRETARY"),
    participant(3, "Членова", minutes=30),
    participant(4, "Лечащева", SeatKind.ATTENDING, "ATTENDING_PHYSICIAN", REGION),
    participant(5, "Отсутствующая", minutes=0),
)


def facts(**changes: object) -> ProtocolFacts:
    """A complete oncological protocol, with the given fields replaced."""
    values: dict[str, object] = {
        "document_id": UUID("00000000-0000-4000-8000-000000000001"),
        "set_id": UUID("00000000-0000-4000-8000-0000000000aa"),
        "version": 1,
        "number": "2026-17",
        "kind": ProtocolKind.ONCOLOGICAL,
        "form": Coded(code="2", name="Заочно"),
        "telemedicine": True,
        "started_at": START,
        "ended_at": START + timedelta(minutes=45),
        "frozen_at": START + timedelta(hours=1),
        "organisation": CENTRE,
        "patient": Patient(
            local_id="mrn-778",
            name=PersonName(surname="Страдальский", given="Игорь", patronymic="Львович"),
            birth_date=date(1961, 2, 10),
            sex="1",
            snils="112-233-445 95",
            address="Екатеринбург, улица Дальняя, дом 2",
            places=(
                Address(
                    text="Екатеринбург, улица Дальняя, дом 2",
                    region=Coded(code="66", name="Свердловская область"),
                    postal_code="620000",
                ),
            ),
            paper=IdentityPaper(
                kind=Coded(code="1", name="Паспорт гражданина Российской Федерации"),
                series="6500",
                number="123456",
                issuer="Отдел № 1",
                issued_on=date(2006, 3, 1),
            ),
            policy=Policy(
                kind=Coded(code="2", name="Полис ОМС единого образца, бессрочный"),
                number="1234567890123456",
                valid_from=date(2020, 1, 1),
            ),
        ),
        "diagnosis": Coded(code="C18.7", name="ЗНО сигмовидной кишки"),
        "question": "Показана ли адъювантная терапия?",
        "goal": Coded(code="5", name="Определение тактики лечения"),
        "urgency": Coded(code="1", name="плановая"),
        "consent": Consent(basis=ConsentBasis.CONSENT, given_on=date(2026, 11, 20)),
        "participants": PEOPLE,
        "sections": Sections(
            reasons="Определение тактики после операции.",
            course="Болеет с марта 2026 года.\nОперирован 12.10.2026.",
            state="Удовлетворительное. КТ: без признаков диссеминации.",
            decision=WORDING,
        ),
        "author_id": "p2",
        "authenticator_id": "p1",
        "case_number": "Т-2026-0042",
        "severity": Coded(code="1", name="Удовлетворительное"),
        "encounter": Encounter(
            card_number="А-778",
            kind=Coded(code="1", name="Амбулаторная медицинская карта"),
            started_at=START - timedelta(days=3),
        ),
        "payment": Payment(source=Coded(code="1", name="Средства обязательного медицинского страхования")),
        "requesting_organisation": REGION,
        "resolutions": (
            Resolution(
                number=1,
                wording=WORDING,
                wording_digest=hashlib.sha256(WORDING.encode()).hexdigest(),
                rule_name="простое большинство присутствующих",
                quorum_line="присутствуют 4 из 5, требуется 3",
                tally=Tally(in_favour=2, against=1, abstained=0, not_voted=1),
                votes=(
                    Vote(person_id="p3", choice=Choice.AGAINST),
                    Vote(person_id="p1", choice=Choice.FOR),
                    Vote(person_id="p2", choice=Choice.FOR),
                ),
                outcome=Outcome.ADOPTED,
                closed_at=START + timedelta(minutes=40),
            ),
        ),
        "dissents": (Dissent(number=1, author_id="p3", text="Считаю риск невропатии высоким.", at=START),),
        "documents": (
            CaseDocument(title="КТ грудной клетки", media_type="application/pdf", digest="ab" * 32),
        ),
    }
    values.update(changes)
    return ProtocolFacts(**values)
