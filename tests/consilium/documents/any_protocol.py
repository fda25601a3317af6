"""Any protocol that may legally exist: every optional part in or out, long texts, odd but legal names."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

from hypothesis import strategies as st

from consilium.documents import referral
from consilium.documents.facts import (
    Address,
    CaseDocument,
    Coded,
    Diagnosis,
    Dissent,
    DocumentReference,
    Encounter,
    Guardian,
    IdentityPaper,
    Licence,
    Organisation,
    Participant,
    Patient,
    Payment,
    PersonName,
    Policy,
    ProtocolFacts,
    ProtocolKind,
    Recommendations,
    Result,
    SeatKind,
    Sections,
    Service,
)
from consilium.documents.record import ResultAuthor, ResultKind, Tnm, Treatment
from consilium.documents.text import refused_character
from tests.consilium.documents.protocols import REGION, START, facts, participant

OFTEN = "абвгдежзийклмнопрстуфхцчшщъыьэюяАБВ abcXYZ0123456789-–«»\"'&<>]]>.,;:!?()\n\t№%"


def words(limit: int = 60) -> st.SearchStrategy[str]:
    """Text that a document may carry and that says something."""
    letters = st.one_of(st.sampled_from(OFTEN), st.characters(exclude_categories=["C", "Zl", "Zp"]))
    return st.text(letters, min_size=1, max_size=limit).filter(
        lambda text: bool(text.strip()) and refused_character(text) is None
    )


TEXTS = st.one_of(words(), words().map(lambda text: f"{text} " * 400))
MAYBE = st.one_of(st.just(""), words())
SNILS = st.from_regex(r"[0-9]{3}-[0-9]{3}-[0-9]{3} [0-9]{2}", fullmatch=True)
MAYBE_SNILS = st.one_of(st.just(""), SNILS, st.just("нет"))
NAMES = st.builds(PersonName, surname=words(30), given=words(30), patronymic=MAYBE)
TIMES = st.integers(-2_000_000, 2_000_000).map(lambda minutes: START + timedelta(minutes=10 * minutes))
DAYS = st.dates(date(1900, 1, 1), date(2090, 1, 1))
REGISTRY = st.one_of(st.just(""), st.just("12.34.567.123456789"), words(20))
REFERENCES = st.builds(DocumentReference, local_id=MAYBE, registry_number=REGISTRY)


def code(*values: str) -> st.SearchStrategy[Coded]:
    """A code of a dictionary with whatever words somebody saw beside it."""
    return st.builds(Coded, code=st.sampled_from(values), name=words(20))


POSTS = code("50", "109", "122")
ADDRESSES = st.builds(
    Address,
    text=words(),
    region=code("66", "77", "99"),
    postal_code=st.sampled_from(["", "620000", "62-00"]),
    kind=st.sampled_from(["1", "2", "3"]),
    object_id=st.sampled_from(["", "0c07555a-1c4c-482d-ab2c-d9d184d3fb72", "nonsense"]),
    house_id=st.sampled_from(["", "9c21b9d3-195b-4176-b851-cb4cbdb17912"]),
)
PAPERS = st.builds(
    IdentityPaper,
    kind=code("1", "7"),
    number=words(10),
    issued_on=DAYS,
    series=MAYBE,
    issuer=MAYBE,
    issuer_code=MAYBE,
)
ORGANISATIONS = st.builds(
    Organisation,
    oid=st.sampled_from(["1.2.643.5.1.13.13.12.2.77.1001", "1.2.643.5.1.13.13.12.2.1.2"]),
    name=words(),
    ogrn=st.sampled_from(["", "1027700000001"]),
    okpo=st.just("00000001"),
    phone=st.sampled_from(["", "+74950000000", "8 (495) 1"]),
    place=ADDRESSES,
    licence=st.none() | st.builds(Licence, number=words(10), issuer=words()),
)
PATIENTS = st.builds(
    Patient,
    local_id=words(20),
    name=NAMES,
    birth_date=DAYS,
    sex=st.sampled_from(["1", "2", "3"]),
    snils=SNILS,
    paper=st.none() | PAPERS,
    policy=st.none() | st.builds(Policy, kind=code("1", "2", "3", "4"), number=words(20), series=MAYBE),
    places=st.lists(ADDRESSES, max_size=2).map(tuple),
    guardian=st.none()
    | st.builds(
        Guardian,
        name=NAMES,
        relation=st.none() | code("1", "2", "3", "4"),
        snils=MAYBE_SNILS,
        authority=st.none() | PAPERS.map(lambda one: one),
    ),
)
STAGES = code("8442", "8443")
DIAGNOSES = st.builds(
    Diagnosis,
    code=code("C18.7", "C20", "D09.0"),
    kind=code("1", "2", "3"),
    text=MAYBE,
    certainty=st.none() | code("1", "2", "3"),
    nature=st.none() | code("1", "2", "3"),
    tnm=st.none() | st.builds(Tnm, tumour=STAGES, metastasis=STAGES, node=st.none() | STAGES),
)
RESULTS = st.builds(
    Result,
    kind=st.sampled_from(list(ResultKind)),
    conclusion=MAYBE,
    at=TIMES,
    author=st.none() | st.builds(ResultAuthor, name=NAMES, post=POSTS, person_id=MAYBE),
    study=st.none() | code("7002017", ""),
    document=REFERENCES,
)
RECOMMENDATIONS = st.builds(
    Recommendations,
    treatments=st.lists(
        st.builds(
            Treatment,
            text=MAYBE,
            method=code("1", "41", ""),
            stage=st.integers(1, 9),
            planned_on=DAYS,
        ),
        max_size=3,
    ).map(tuple),
    examinations=MAYBE,
    other=MAYBE,
)
DOCUMENTS = st.builds(
    CaseDocument,
    title=MAYBE,
    media_type=st.just("application/pdf"),
    digest=st.just("ab" * 32),
    dated=st.none() | DAYS,
    kind=st.none() | code("371", "57", ""),
    series=MAYBE,
    number=MAYBE,
    paper=st.booleans(),
    reference=REFERENCES,
)
SERVICES = st.builds(Service, what=code("B01.027.001", ""), at=TIMES)
ENCOUNTERS = st.builds(
    Encounter,
    card_number=MAYBE,
    kind=code("1", "2"),
    started_at=TIMES,
) | st.builds(Encounter, card_number=MAYBE, kind=code("3"), started_at=TIMES, card=code("57", "371"))


@st.composite
def people(draw: st.DrawFn) -> tuple[Participant, ...]:
    """A chair and a secretary with numbers, at least one member, observers and absent ones beside them."""
    found = [
        participant(1, draw(words(30)), SeatKind.CHAIR, "CHAIRMAN"),
        participant(2, draw(words(30)), SeatKind.SECRETARY, "SECRETARY"),
    ]
    found += [draw(members(number)) for number in range(3, 4 + draw(st.integers(0, 3)))]
    found.append(participant(8, "Смотрящая", SeatKind.OBSERVER))
    found.append(participant(9, "Отсутствующая", minutes=0))
    return tuple(found)


@st.composite
def members(draw: st.DrawFn, number: int) -> Participant:
    """Somebody of the consilium; his number may be unknown."""
    return Participant(
        person_id=f"p{number}",
        name=draw(NAMES),
        post=draw(POSTS),
        organisation=draw(st.one_of(st.just(REGION), ORGANISATIONS)),
        role_code=draw(st.sampled_from(["COMMISSIONER", "ADVISER", "ATTENDING_PHYSICIAN", "DOCTOR"])),
        seat=draw(st.sampled_from([SeatKind.MEMBER, SeatKind.EXPERT, SeatKind.ATTENDING])),
        snils=draw(MAYBE_SNILS),
        remote=draw(st.booleans()),
        attendance=participant(number, "").attendance,
        qualification=draw(MAYBE),
    )


@st.composite
def any_protocol(draw: st.DrawFn, kind: ProtocolKind = ProtocolKind.ONCOLOGICAL) -> ProtocolFacts:
    """The facts of a protocol that has everything its guide demands."""
    present = draw(people())
    authors = st.sampled_from([one.person_id for one in present if one.attended])
    dissents = draw(st.lists(st.tuples(authors, TEXTS), max_size=3))
    return facts(
        kind=kind,
        document_id=UUID(int=draw(st.integers(1, 2**100))),
        version=draw(st.integers(1, 99)),
        number=draw(words(20)),
        participants=present,
        resolutions=(),
        organisation=draw(ORGANISATIONS),
        patient=draw(PATIENTS),
        dissents=tuple(
            Dissent(number=at, author_id=who, text=text, at=START + timedelta(minutes=at))
            for at, (who, text) in enumerate(dissents, 1)
        ),
        sections=Sections(reasons=draw(TEXTS), course=draw(TEXTS), state=draw(TEXTS), decision=draw(TEXTS)),
        goal=Coded(code=draw(st.sampled_from(["2", "5", "10"])), name="что-то"),
        goal_text=draw(words()),
        telemedicine=draw(st.booleans()),
        severity=draw(code("1", "2", "3", "4", "5", "6")),
        encounter=draw(ENCOUNTERS),
        case_number=draw(MAYBE),
        diagnoses=tuple(draw(st.lists(DIAGNOSES, max_size=3))),
        services=tuple(draw(st.lists(SERVICES, max_size=3))),
        results=tuple(draw(st.lists(RESULTS, max_size=4))),
        documents=tuple(draw(st.lists(DOCUMENTS, max_size=3))),
        recommendations=draw(RECOMMENDATIONS),
        service_type=draw(st.none() | code("4", "")),
        service_conditions=draw(st.none() | code("1", "2")),
        consilium_type=draw(st.none() | code("2", "")),
        utc_offset_minutes=draw(st.sampled_from([120, 180, 600, 720])),
    )


def of_commission(made: ProtocolFacts) -> ProtocolFacts:
    """The same as a commission's protocol that an extract can be taken from."""
    policy = Policy(kind=Coded(code="2", name=""), number="1", valid_from=date(2020, 1, 1))
    return replace(
        made,
        kind=ProtocolKind.COMMISSION,
        participants=tuple(replace(one, snils="112-233-445 95") for one in made.participants),
        payment=Payment(source=Coded(code="1", name=""), policy=policy),
    )


def referred(made: ProtocolFacts) -> ProtocolFacts:
    """A referral about the same patient."""
    return referral.case_facts(
        document_id=made.document_id,
        set_id=made.set_id,
        number=made.number,
        at=made.frozen_at,
        organisation=made.organisation,
        patient=made.patient,
        diagnosis=made.diagnosis,
        diagnoses=made.diagnoses,
        question=made.goal_text,
        goal=made.goal,
        urgency=made.urgency,
        consent=made.consent,
        doctor=made.participants[0],
    )
