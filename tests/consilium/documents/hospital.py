"""What a real hospital brings: patients without papers, odd names, long lists, hostile texts. Each changes facts a little.

Nothing here is promised to be complete: a situation may well lack what a guide demands. What must hold is that the gate
before freezing and the state's own rules are of one mind about it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from uuid import UUID

from consilium.documents.facts import (
    Address,
    CaseDocument,
    Choice,
    Coded,
    CommissionOrder,
    Consent,
    ConsentBasis,
    Diagnosis,
    Dissent,
    DocumentReference,
    Encounter,
    Guardian,
    Hospitalisation,
    IdentityPaper,
    Interval,
    Licence,
    Outcome,
    Payment,
    PersonName,
    Policy,
    ProtocolFacts,
    Recommendations,
    Recorded,
    RecordingGap,
    RemoteStatement,
    Resolution,
    Result,
    SeatKind,
    Service,
    SigningNote,
    SigningNoteKind,
    Tally,
    Vote,
)
from consilium.documents.record import ResultAuthor, ResultKind, Tnm, Treatment
from tests.consilium.documents.protocols import CENTRE, REGION, START, facts, participant

Situation = Callable[[ProtocolFacts], ProtocolFacts]

LONG = "Особое мнение: терапия показана, риск приемлем. " * 85  # 4 000 characters
LETTERS = "Пневмоноультрамикроскопическийсиликовулканокониоз" * 6
ODD_TEXTS: dict[str, str] = {
    "empty": "",
    "blank": "  ",
    "spaces around": "  края  ",
    "long": LONG,
    "one long word": LETTERS,
    "markup": "&lt; <b>\"жирно\"</b> & 'так' ]]> <!-- x -->",
    "lines and tabs": "первая\n\n\tвторая\n третья ",
    "emoji": "боль 😀 👩‍⚕️".replace("\u200d", ""),
    "mixed script": "Аvastin HЕR2",
    "digits": "0",
    "bidi override": "1\u202e2",
    "bidi isolate": "\u2066x\u2069",
    "Arabic": "ألم",
    "zero character": "a\x00b",
    "escape": "a\x1bb",
    "lone surrogate": "a\ud800b",
    "not a character": "a\ufffeb",
    "private use": "\ue000",
    "next line": "a\x85b",
    "line separator": "a\u2028b",
    "no-break space": "\u00a0",
    "combining marks": "е\u0301" * 40,
    "braces": "{{ 7*7 }} ${x} #set",
}


def of_patient(**changes: object) -> Situation:
    """The patient with other fields."""
    return lambda made: replace(made, patient=replace(made.patient, **changes))  # type: ignore[arg-type]  # names of fields are checked by replace itself


def of_organisation(**changes: object) -> Situation:
    """The registering organisation with other fields, wherever it stands."""
    return lambda made: replace(made, organisation=replace(made.organisation, **changes))  # type: ignore[arg-type]  # as above


def having(**changes: object) -> Situation:
    """The facts with other fields."""
    return lambda made: replace(made, **changes)  # type: ignore[arg-type]  # as above


def everybody(**changes: object) -> Situation:
    """Every participant with other fields."""
    return lambda made: replace(
        made,
        participants=tuple(replace(one, **changes) for one in made.participants),  # type: ignore[arg-type]  # as above
    )


def _crowd(number: int) -> Situation:
    def change(made: ProtocolFacts) -> ProtocolFacts:
        people = tuple(participant(at, f"Участник-{at}") for at in range(10, 10 + number))
        votes = tuple(
            Vote(person_id=one.person_id, choice=list(Choice)[at % 3]) for at, one in enumerate(people)
        )
        first = replace(made.resolutions[0], votes=votes) if made.resolutions else None
        return replace(
            made,
            participants=(*made.participants, *(replace(one, snils="112-233-445 95") for one in people)),
            resolutions=(first, *made.resolutions[1:]) if first else (),
        )

    return change


def _alone(made: ProtocolFacts) -> ProtocolFacts:
    """The chair decides alone."""
    return replace(
        made,
        participants=made.participants[:1],
        author_id="p1",
        resolutions=(),
        dissents=(),
    )


def _resolution(number: int, outcome: Outcome, wording: str = "Показана ли операция?") -> Resolution:
    return Resolution(
        number=number,
        wording=wording,
        wording_digest=hashlib.sha256(wording.encode()).hexdigest(),
        rule_name="" if outcome is Outcome.WITHDRAWN else "простое большинство присутствующих",
        quorum_line="" if outcome is Outcome.WITHDRAWN else "присутствуют 4 из 5, требуется 3",
        tally=Tally(in_favour=1, against=1, abstained=1, not_voted=1),
        votes=() if outcome is Outcome.WITHDRAWN else (Vote(person_id="p1", choice=Choice.ABSTAIN),),
        outcome=outcome,
    )


def _at(moment: datetime, offset: int) -> Situation:
    return having(
        started_at=moment,
        ended_at=moment + timedelta(minutes=1),
        frozen_at=moment + timedelta(minutes=2),
        utc_offset_minutes=offset,
    )


def _dissents(*texts: str) -> Situation:
    return lambda made: replace(
        made,
        dissents=tuple(
            Dissent(number=at, author_id=made.participants[0].person_id, text=text, at=START)
            for at, text in enumerate(texts, 1)
        ),
    )


def _external(made: ProtocolFacts) -> ProtocolFacts:
    """An expert from elsewhere, with neither number nor a post of the dictionary."""
    guest = replace(
        participant(20, "Внештатный", SeatKind.EXPERT, "ADVISER", REGION),
        snils="",
        post=Coded(code="", name="эксперт"),
    )
    return replace(made, participants=(*made.participants, guest))


def _paid(source: str, policy: Policy | None = None) -> Situation:
    return having(payment=Payment(source=Coded(code=source, name="x"), policy=policy))


FOREIGN = IdentityPaper(
    kind=Coded(code="10", name="Паспорт иностранного гражданина"),
    number="N 0012345",
    issued_on=date(2019, 2, 28),
)
TUMOUR = Coded(code="8442", name="T1")
RESULT = Result(
    kind=ResultKind.CONSULTATION,
    conclusion="Осмотрен",
    at=START,
    author=ResultAuthor(
        name=PersonName(surname="Хирургова", given="Ольга"), post=Coded(code="109", name="врач")
    ),
)
GUARDIAN = Guardian(name=PersonName(surname="Мамина", given="Ольга"), relation=Coded(code="1", name="Мать"))
C20 = Coded(code="C20", name="ЗНО прямой кишки")
MAIN = Coded(code="1", name="Основное заболевание")

SITUATIONS: dict[str, Situation] = {
    "nothing odd": having(),
    "patient without СНИЛС": of_patient(snils=""),
    "СНИЛС that is none": of_patient(snils="нет"),
    "without a patronymic": of_patient(name=PersonName(surname="Ли", given="Ян")),
    "without a given name": of_patient(name=PersonName(surname="Неизвестный", given="")),
    "unknown person": of_patient(
        name=PersonName(surname="Неизвестный", given="Мужчина"),
        birth_date=None,
        sex="3",
        snils="",
        paper=None,
        policy=None,
        places=(),
        address="",
    ),
    "newborn": of_patient(
        name=PersonName(surname="Новорождённая", given="Дочь"),
        birth_date=START.date(),
        sex="2",
        snils="",
        paper=None,
        guardian=GUARDIAN,
    ),
    "born after the meeting": of_patient(birth_date=START.date() + timedelta(days=1)),
    "very old": of_patient(birth_date=date(1899, 12, 31)),
    "year of three digits": of_patient(birth_date=date(999, 1, 1)),
    "foreigner": of_patient(
        name=PersonName(surname="O’Brien-Łódź", given="José María"), paper=FOREIGN, policy=None, snils=""
    ),
    "foreigner with СНИЛС": of_patient(
        name=PersonName(surname="O’Brien-Łódź", given="José María"), paper=FOREIGN, policy=None
    ),
    "paper of an unknown sort": of_patient(paper=replace(FOREIGN, kind=Coded(code="", name="иное"))),
    "paper with all details": of_patient(
        paper=replace(FOREIGN, series="AB", issuer="МВД", issuer_code="770-001")
    ),
    "birth certificate": of_patient(paper=replace(FOREIGN, kind=Coded(code="6", name="x"), series="II-МЮ")),
    "paper from before 1000": of_patient(paper=replace(FOREIGN, issued_on=date(988, 7, 28))),
    "sex not told": of_patient(sex=""),
    "sex by an unknown code": of_patient(sex="9"),
    "pseudonym": of_patient(pseudonym=True),
    "no address": of_patient(places=(), address=""),
    "address in words alone": of_patient(places=()),
    "address of an unknown region": of_patient(
        places=(Address(text="где-то", region=Coded(code="00", name="?")),)
    ),
    "address with ФИАС": of_patient(
        places=(
            Address(
                text="ул. Мира, 1",
                region=Coded(code="66", name="x"),
                postal_code="620000",
                kind="3",
                object_id="0c07555a-1c4c-482d-ab2c-d9d184d3fb72",
                house_id="9c21b9d3-195b-4176-b851-cb4cbdb17912",
            ),
        )
    ),
    "two addresses of one sort": lambda made: replace(
        made, patient=replace(made.patient, places=made.patient.places * 2)
    ),
    "three addresses": of_patient(
        places=tuple(
            Address(text="ул. Мира, 1", region=Coded(code="66", name="x"), kind=kind) for kind in "123"
        )
    ),
    "address of an unknown sort": of_patient(
        places=(Address(text="ул. Мира, 1", region=Coded(code="66", name="x"), kind="77"),)
    ),
    "no policy": of_patient(policy=None),
    "old policy without a series": of_patient(policy=Policy(kind=Coded(code="1", name="x"), number="1")),
    "old policy": of_patient(
        policy=Policy(
            kind=Coded(code="1", name="x"),
            number="1",
            series="11",
            valid_from=date(2020, 1, 1),
            valid_to=date(2030, 1, 1),
        )
    ),
    "temporary policy": of_patient(
        policy=Policy(
            kind=Coded(code="2", name="x"), number="1", valid_from=date(2026, 1, 1), valid_to=date(2026, 2, 1)
        )
    ),
    "policy that ends before it begins": of_patient(
        policy=Policy(
            kind=Coded(code="3", name="x"), number="1", valid_from=date(2026, 2, 1), valid_to=date(2026, 1, 1)
        )
    ),
    "policy of an unknown sort": of_patient(policy=Policy(kind=Coded(code="99", name="x"), number="1")),
    "guardian": of_patient(guardian=GUARDIAN),
    "guardian by an unknown relation": of_patient(
        guardian=replace(GUARDIAN, relation=Coded(code="", name="сосед"))
    ),
    "guardian with a paper": of_patient(
        guardian=replace(
            GUARDIAN, snils="112-233-445 95", authority=replace(FOREIGN, kind=Coded(code="1", name="x"))
        )
    ),
    "paid by nobody known": having(payment=None),
    "paid by ОМС": _paid("1"),
    "paid by the budget": _paid("2"),
    "paid by ДМС": _paid("3"),
    "paid by the patient": _paid("4"),
    "paid by an unknown source": _paid("77"),
    "paid by another policy": _paid(
        "1", Policy(kind=Coded(code="2", name="x"), number="77", valid_from=date(2020, 1, 1))
    ),
    "organisation without ОГРН": of_organisation(ogrn="", inn=""),
    "organisation without ОКПО": of_organisation(okpo=""),
    "organisation with a wrong ОГРН": of_organisation(ogrn="12", okpo="1"),
    "ОГРН of an entrepreneur": of_organisation(ogrn="304500116000157", okpo="0123456789"),
    "organisation with letters for numbers": of_organisation(ogrn="ОГРН", okpo="ОКПО"),
    "licensed": of_organisation(licence=Licence(number="Л041-01137-77/00000001", issuer="Росздравнадзор")),
    "licence without an issuer": of_organisation(licence=Licence(number="1", issuer="")),
    "organisation without a place": of_organisation(place=None),
    "organisation without an index": of_organisation(
        place=Address(text="Москва", region=Coded(code="77", name="x"))
    ),
    "organisation of another region": of_organisation(
        place=Address(text="Байконур", region=Coded(code="99", name="x"), postal_code="468320")
    ),
    "organisation of an unknown region": of_organisation(
        place=Address(text="Москва", region=Coded(code="00", name="x"), postal_code="101000")
    ),
    "organisation with a telephone in words": of_organisation(phone="8 (495) 000-00-00, доб. 12"),
    "organisation with an odd name": of_organisation(name='ГБУЗ «Больница № 1» & <сын> "им. O\'Хара" 😀'),
    "organisation without a name": of_organisation(name=""),
    "organisation by a private number": of_organisation(oid="1.2.3"),
    "organisation without a number": of_organisation(oid=""),
    "organisation by a number with a leading zero": of_organisation(oid="1.2.643.5.1.13.13.12.2.66.0001"),
    "guest organisation without a number": lambda made: replace(
        made,
        participants=(
            *made.participants[:-1],
            replace(made.participants[-1], organisation=replace(REGION, oid="")),
        ),
    ),
    "guest who came, of an organisation without a number": lambda made: replace(
        made,
        participants=(
            *made.participants,
            participant(21, "Гостева", organisation=replace(REGION, oid="", name="")),
        ),
    ),
    "nobody asked": having(requesting_organisation=None),
    "asked by an organisation without a number": having(requesting_organisation=replace(REGION, oid="")),
    "alone": _alone,
    "two": lambda made: replace(made, participants=made.participants[:2], resolutions=(), dissents=()),
    "sixty": _crowd(55),
    "roles of every sort": lambda made: replace(
        made,
        participants=(
            *made.participants,
            *(
                replace(participant(30 + at, "Рольев", one), snils="112-233-445 95")
                for at, one in enumerate(SeatKind)
            ),
        ),
    ),
    "an unknown role": everybody(role_code="WIZARD"),
    "external expert": _external,
    "nobody's СНИЛС is known": everybody(snils=""),
    "nobody's patronymic is known": everybody(name=PersonName(surname="Ли", given="Ян")),
    "nobody's given name is known": everybody(name=PersonName(surname="Ли", given="")),
    "nobody's post is known": everybody(post=Coded(code="", name="врач")),
    "posts without words": everybody(post=Coded(code="109", name="")),
    "posts by unknown codes": everybody(post=Coded(code="99999", name="шаман")),
    "nobody has a post at all": everybody(post=Coded(code="", name="")),
    "specialities by unknown codes": everybody(speciality=Coded(code="x", name="")),
    "qualified": everybody(qualification="высшая категория"),
    "everybody remote": everybody(remote=True),
    "nobody remote": everybody(remote=False),
    "in person": having(telemedicine=False, form=Coded(code="1", name="Очно")),
    "form by an unknown code": having(form=Coded(code="7", name="x")),
    "nobody came": everybody(attendance=()),
    "came at once and left": everybody(attendance=(Interval(joined=START, left=START),)),
    "came again and again": everybody(
        attendance=tuple(
            Interval(joined=START + timedelta(minutes=at), left=START + timedelta(minutes=at))
            for at in range(40)
        )
    ),
    "never left": everybody(attendance=(Interval(joined=START),)),
    "all recused": everybody(recused=True, recusal_reason="родственник"),
    "recused without a reason": everybody(recused=True),
    "opinions of 4000 characters": _dissents(LONG, LONG, LONG),
    "an opinion without words": _dissents(" "),
    "no opinions": having(dissents=()),
    "no documents": having(documents=()),
    "no questions": having(resolutions=()),
    "twenty questions": having(resolutions=tuple(_resolution(at, Outcome.ADOPTED) for at in range(1, 21))),
    "every outcome": having(resolutions=tuple(_resolution(at, one) for at, one in enumerate(Outcome, 1))),
    "a question without words": having(resolutions=(_resolution(1, Outcome.ADOPTED, " "),)),
    "midnight": _at(datetime(2026, 12, 31, 21, 0, tzinfo=UTC), 180),
    "leap day": _at(datetime(2028, 2, 29, 11, 59, 59, 999_999, tzinfo=UTC), 720),
    "Kaliningrad": _at(START, 120),
    "Kamchatka": _at(START, 720),
    "half an hour off": _at(START, 330),
    "quarters": _at(START, 345),
    "west": _at(START, -210),
    "before every edition": _at(datetime(2010, 1, 1, tzinfo=UTC), 180),
    "far ahead": _at(datetime(9998, 1, 1, tzinfo=UTC), 180),
    "ended before it began": having(ended_at=START - timedelta(hours=1)),
    "no encounter": having(encounter=None),
    "in hospital": having(
        encounter=Encounter(card_number="С-1", kind=Coded(code="2", name="x"), started_at=START)
    ),
    "another card": having(
        encounter=Encounter(
            card_number="1", kind=Coded(code="3", name="x"), started_at=START, card=Coded(code="57", name="x")
        )
    ),
    "another card by an unknown code": having(
        encounter=Encounter(
            card_number="1", kind=Coded(code="3", name="x"), started_at=START, card=Coded(code="", name="x")
        )
    ),
    "a card of an unknown sort": having(
        encounter=Encounter(card_number="1", kind=Coded(code="9", name="x"), started_at=START)
    ),
    "a card without a sort": having(
        encounter=Encounter(card_number="1", kind=Coded(code="", name="x"), started_at=START)
    ),
    "a card without a number": having(
        encounter=Encounter(card_number="", kind=Coded(code="1", name="x"), started_at=START)
    ),
    "encounter before birth": having(
        encounter=Encounter(
            card_number="1", kind=Coded(code="1", name="x"), started_at=datetime(1950, 1, 1, tzinfo=UTC)
        )
    ),
    "no case number": having(case_number=""),
    "no diagnosis": having(diagnosis=Coded(code="", name="")),
    "a diagnosis in words": having(diagnosis=Coded(code="", name="Рак?")),
    "a diagnosis by code alone": having(diagnosis=Coded(code="C18.7", name="")),
    "a diagnosis by a blank code": having(diagnosis=Coded(code=" ", name="Рак")),
    "a diagnosis by a wrong code": having(diagnosis=Coded(code="рак", name="Рак")),
    "many diagnoses": having(
        diagnoses=(
            Diagnosis(
                code=C20,
                kind=MAIN,
                certainty=Coded(code="1", name="x"),
                nature=Coded(code="1", name="x"),
                stage="IIa",
            ),
            *(
                Diagnosis(code=Coded(code="I10", name="x"), kind=Coded(code="2", name="x"), text=LONG)
                for _ in range(12)
            ),
        )
    ),
    "two main diagnoses": having(diagnoses=(Diagnosis(code=C20, kind=MAIN),) * 2),
    "no main diagnosis": having(diagnoses=(Diagnosis(code=C20, kind=Coded(code="3", name="x")),)),
    "a diagnosis of an unknown sort": having(
        diagnoses=(Diagnosis(code=C20, kind=Coded(code="99", name="x")),)
    ),
    "attributes by unknown codes": having(
        diagnoses=(
            Diagnosis(
                code=C20, kind=MAIN, certainty=Coded(code="9", name="x"), nature=Coded(code="9", name="x")
            ),
        )
    ),
    "a blood disease": having(diagnoses=(Diagnosis(code=Coded(code="C91.0", name="ОЛЛ"), kind=MAIN),)),
    "a settled diagnosis in words": having(
        diagnoses=(Diagnosis(code=Coded(code="", name=""), kind=MAIN, text="Рак"),)
    ),
    "TNM": having(
        diagnoses=(Diagnosis(code=C20, kind=MAIN, tnm=Tnm(tumour=TUMOUR, metastasis=TUMOUR, node=TUMOUR)),)
    ),
    "TNM in words": having(
        diagnoses=(
            Diagnosis(
                code=C20,
                kind=MAIN,
                tnm=Tnm(tumour=Coded(code="", name="Tx"), metastasis=Coded(code="", name=""), node=TUMOUR),
            ),
        )
    ),
    "clinical group": having(clinical_group=Coded(code="2", name="x")),
    "clinical group in words": having(clinical_group=Coded(code="", name="IIа")),
    "severity by an unknown code": having(severity=Coded(code="9", name="x")),
    "no severity": having(severity=None),
    "urgency by an unknown code": having(urgency=Coded(code="9", name="x")),
    "goal by an unknown code": having(goal=Coded(code="99", name="x")),
    "another goal": having(goal=Coded(code="10", name="x"), goal_text="Отбор"),
    "another goal without words": having(goal=Coded(code="10", name="x")),
    "kind of care": having(
        service_type=Coded(code="4", name="x"), service_conditions=Coded(code="1", name="x")
    ),
    "kind of care by unknown codes": having(
        service_type=Coded(code="99", name="x"), service_conditions=Coded(code="99", name="x")
    ),
    "consultation by type and goal": having(
        consultation_type=Coded(code="1", name="x"),
        consultation_goal=Coded(code="1", name="x"),
        complaints="боль",
    ),
    "services": having(
        services=tuple(Service(what=Coded(code="B01.027.001", name="x"), at=START) for _ in range(20))
    ),
    "a service in words": having(services=(Service(what=Coded(code="", name="УЗИ"), at=START),)),
    "results": having(
        results=(
            RESULT,
            replace(RESULT, author=None),
            replace(RESULT, conclusion=" "),
            *(replace(RESULT, kind=kind, study=Coded(code="7002017", name="x")) for kind in ResultKind),
            *(replace(RESULT, kind=kind, author=None) for kind in ResultKind),
            replace(RESULT, document=DocumentReference(local_id="1", registry_number="12.34.567.123456789")),
            replace(RESULT, document=DocumentReference(local_id="1", registry_number="нет")),
            replace(
                RESULT,
                author=ResultAuthor(name=PersonName(surname="", given=""), post=Coded(code="109", name="x")),
            ),
        )
    ),
    "advice": having(
        recommendations=Recommendations(
            treatments=(
                Treatment(text="ПХТ", method=Coded(code="1", name="x"), stage=1, planned_on=date(2027, 1, 1)),
                Treatment(text="ЛТ", method=Coded(code="", name="x"), stage=2, planned_on=None),
                Treatment(text=" ", method=Coded(code="1", name="x"), stage=0, planned_on=date(2027, 1, 1)),
                Treatment(
                    text="ЛТ", method=Coded(code="999", name="x"), stage=-1, planned_on=date(2027, 1, 1)
                ),
            ),
            examinations=LONG,
            other="первое\nвторое",
        )
    ),
    "documents of every sort": having(
        documents=(
            CaseDocument(title="", media_type="", digest=""),
            CaseDocument(
                title="КТ",
                media_type="image/png",
                digest="ab" * 32,
                dated=date(2026, 1, 1),
                kind=Coded(code="371", name="x"),
            ),
            CaseDocument(
                title="",
                media_type="image/png",
                digest="ab" * 32,
                dated=date(2026, 1, 1),
                kind=Coded(code="99999", name=""),
            ),
            CaseDocument(
                title="КТ",
                media_type="x",
                digest="x",
                dated=date(2026, 1, 1),
                kind=Coded(code="57", name="x"),
                series="А",
                number="1",
                paper=True,
            ),
            *(
                CaseDocument(title=f"Снимок {at}", media_type="image/png", digest="ab" * 32)
                for at in range(80)
            ),
        )
    ),
    "statements": having(
        statements=(RemoteStatement(speaker_id="p1", recorded_by_id="p2", text=LONG, at=START),)
    ),
    "signing notes": having(
        signing_notes=tuple(
            SigningNote(kind=one, person_id="p1", reason="болен", at=START) for one in SigningNoteKind
        )
    ),
    "recorded": having(
        recordings=(
            Recorded(
                stay=Interval(joined=START, left=START + timedelta(minutes=9)),
                ground="устно",
                gaps=tuple(
                    RecordingGap(reason=one, stay=Interval(joined=START, left=START))
                    for one in ("consent", "worker", "disk", "codec")
                ),
            ),
        )
    ),
    "a version of many": having(version=10_000, replaces=UUID(int=7)),
    "version naught": having(version=0),
    "without a number": having(number=""),
    "without consent": having(
        consent=Consent(basis=ConsentBasis.STATUTORY, ground="323-ФЗ ст. 20 ч. 9 п. 1")
    ),
    "consent of an unknown day": having(consent=Consent(basis=ConsentBasis.CONSENT)),
    "commission": having(
        commission=CommissionOrder(
            name="ВК",
            order_number="12",
            order_date=date(2025, 1, 1),
            subcommission=Coded(code="1", name="подкомиссия"),
        )
    ),
    "commission without a day": having(commission=CommissionOrder(name="", order_number="")),
    "admission": having(
        hospitalisation=Hospitalisation(
            decision=Coded(code="1", name="x"),
            refusal=Coded(code="1", name="x"),
            planned_on=date(2026, 12, 1),
        )
    ),
    "very restricted": having(confidentiality="V"),
    "confidential by an unknown code": having(confidentiality="X"),
    "another system": having(mis_number=0, instance_number=10**9),
    "edition notes": having(edition_notes=("Составлен взамен утраченного.", "")),
}


def whole() -> ProtocolFacts:
    """A full protocol of which every edition of every kind can be made."""
    made = facts(organisation=replace(CENTRE, licence=Licence(number="Л041", issuer="Росздравнадзор")))
    people = tuple(replace(one, snils="112-233-445 95") for one in made.participants)
    return replace(made, participants=people)


def replaced(value: object, at: list[int], text: str) -> object:
    """A copy in which the text number at[0] (counting through, at[1] of them seen) is another one."""
    if isinstance(value, str) and not isinstance(value, Enum):
        at[1] += 1
        return text if at[1] - 1 == at[0] else value
    if isinstance(value, tuple):
        return tuple(replaced(one, at, text) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value,
            **{one.name: replaced(getattr(value, one.name), at, text) for one in fields(value)},
        )
    return value
