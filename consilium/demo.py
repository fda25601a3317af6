"""Demonstration data: three organisations, their people, routes, a commission, requests with documents.

Everything goes through the commands where a command exists; loading twice changes nothing. The passwords
are public, the patients are made up, the authority is our own and says so.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from PIL import Image, ImageDraw, ImageFont

from consilium import clock
from consilium import commands as c
from consilium.actor import SYSTEM, Actor
from consilium.errors import NotFound
from consilium.model import Organisation, Person
from consilium.parts import Parts
from consilium.seal.authority import DemoAuthority, OrganisationSubject
from consilium.seal.providers import load_key, write_private
from consilium.service import Reply, Service
from consilium.store.tables import bodies, cases

PASSWORD = "demonstration"  # noqa: S105  public by design: the demonstration mode says so on every page
SPACE = UUID("5f0c1d3a-7a39-4c3e-9a0e-2d6f5b8f1c11")

ORGANISATIONS: dict[str, Organisation] = {
    "region": Organisation(
        id=uuid5(SPACE, "region"),
        oid="1.2.643.5.1.13.13.12.2.66.6601",
        name="Районная больница г. Заречного",
        short_name="РБ Заречного",
        ogrn="1026600000017",
        inn="6600000017",
        address="Свердловская область, г. Заречный, ул. Больничная, д. 1",
        okpo="00000017",
        phone="+70000000017",
        region="66",
        region_name="Свердловская область",
        postal_code="624250",
        licence="ЛО-66-01-000017",
        licence_issuer="Министерство здравоохранения Свердловской области",
    ),
    "nmic": Organisation(
        id=uuid5(SPACE, "nmic"),
        oid="1.2.643.5.1.13.13.12.2.77.7701",
        name="НМИЦ онкологии (демонстрация)",
        short_name="НМИЦ онкологии",
        ogrn="1027700000028",
        inn="7700000028",
        address="г. Москва, ул. Примерная, д. 2",
        okpo="00000028",
        phone="+70000000028",
        region="77",
        region_name="г. Москва",
        postal_code="115000",
        licence="ФС-77-01-000028",
        licence_issuer="Росздравнадзор",
    ),
    "clinic": Organisation(
        id=uuid5(SPACE, "clinic"),
        oid="1.2.643.5.1.13.13.12.2.77.7702",
        name="Городская поликлиника № 7",
        short_name="ГП № 7",
        ogrn="1027700000039",
        inn="7700000039",
        address="г. Москва, ул. Соседняя, д. 7",
        okpo="00000039",
        phone="+70000000039",
        region="77",
        region_name="г. Москва",
        postal_code="115000",
        licence="ЛО-77-01-000039",
        licence_issuer="Департамент здравоохранения города Москвы",
    ),
}


@dataclass(frozen=True, slots=True)
class Account:
    """One demonstration account; `duty` says in both languages who this is."""

    login: str
    organisation: str
    surname: str
    given: str
    patronymic: str
    position: str
    position_code: str
    speciality: str
    duties: tuple[str, ...]
    duty: str
    password: str = PASSWORD

    @property
    def name(self) -> str:
        return f"{self.surname} {self.given} {self.patronymic}"


ACCOUNTS: tuple[Account, ...] = (
    Account(
        "ivanova", "region", "Иванова", "Мария", "Петровна", "врач-терапевт", "109", "Терапия", ("doctor",),
        "лечащий врач в районе / attending doctor in the region",
    ),
    Account(
        "regional.admin", "region", "Кузнецов", "Олег", "Николаевич", "заместитель главного врача", "", "",
        ("admin", "coordinator"), "администратор района / regional administrator",
    ),
    Account(
        "coordinator", "nmic", "Смирнова", "Елена", "Викторовна", "врач-методист", "", "", ("coordinator",),
        "координатор НМИЦ / coordinator",
    ),
    Account(
        "chair", "nmic", "Орлов", "Дмитрий", "Сергеевич", "заведующий отделением, врач-онколог", "7", "Онкология",
        ("doctor",), "председатель / chair",
    ),
    Account(
        "deputy", "nmic", "Павлова", "Наталья", "Игоревна", "врач-онколог", "50", "Онкология", ("doctor",),
        "заместитель председателя / deputy chair",
    ),
    Account(
        "secretary", "nmic", "Фёдорова", "Анна", "Алексеевна", "врач-онколог", "50", "Онкология", ("doctor",),
        "секретарь / secretary",
    ),
    Account(
        "member1", "nmic", "Волков", "Андрей", "Павлович", "врач-хирург", "122", "Хирургия", ("doctor",),
        "член консилиума / member",
    ),
    Account(
        "member2", "nmic", "Морозова", "Ирина", "Олеговна", "врач-рентгенолог", "94", "Рентгенология", ("doctor",),
        "член консилиума / member",
    ),
    Account(
        "expert", "nmic", "Соколов", "Виктор", "Андреевич", "врач-нейрохирург", "46", "Нейрохирургия", ("doctor",),
        "приглашённый специалист / invited expert",
    ),
    Account(
        "observer", "nmic", "Лебедев", "Павел", "Романович", "ординатор", "", "Онкология", ("doctor",),
        "наблюдатель / observer",
    ),
    Account(
        "nmic.admin", "nmic", "Григорьева", "Светлана", "Юрьевна", "администратор информационной системы", "", "",
        ("admin", "registrar", "operator"), "администратор НМИЦ / administrator",
    ),
    Account(
        "outsider", "clinic", "Белов", "Сергей", "Ильич", "врач-терапевт", "109", "Терапия", ("doctor",),
        "врач чужой организации / doctor of another organisation",
    ),
    Account(
        "outsider.coordinator", "clinic", "Крылова", "Ольга", "Денисовна", "врач-методист", "", "",
        ("coordinator",), "координатор чужой организации / coordinator of another organisation",
    ),
)  # fmt: skip

PROFILES = ("онкология", "терапия")
COMMISSION = (
    ("chair", "chair"),
    ("deputy", "deputy"),
    ("secretary", "secretary"),
    ("member1", "member"),
    ("member2", "member"),
)


def load(service: Service) -> None:
    """Everything, once. Needs the demonstration authority."""
    at = clock.now()
    _organisations(service, at)
    for number, account in enumerate(ACCOUNTS, 1):
        _account(service, account, number, at)
    for profile in PROFILES:
        _do(
            service,
            "nmic.admin",
            c.OpenRoute(profile=profile, sender=ORGANISATIONS["region"].id),
            f"route:{profile}",
            at,
        )
    _commission(service, at)
    seal_keys(service.parts, at)
    _requests(service, at)


def actor_of(service: Service, login: str) -> Actor:
    """The actor a session of this account would give. Raises NotFound."""
    with service.parts.store.read() as reader:
        person = reader.person_by_login(login)
    return actor(person)


def actor(person: Person) -> Actor:
    """The actor of a person's session."""
    return Actor(
        person_id=person.id,
        organisation_id=person.organisation_id,
        duties=frozenset(person.duties),
        name=person.full_name,
    )


def person_id(service: Service, login: str) -> UUID:
    """Raises NotFound."""
    with service.parts.store.read() as reader:
        return reader.person_by_login(login).id


def snils(number: int) -> str:
    """A made-up СНИЛС with right check digits."""
    digits = f"{900_000_000 + number:09}"
    total = sum(int(digit) * weight for digit, weight in zip(digits, range(9, 0, -1), strict=True))
    return f"{digits}{total % 101 % 100:02}"


def _do(service: Service, login: str, command: c.Command, key: str, at: datetime) -> Reply:
    """Under a command id made from `key`: the same thing is not done twice."""
    return service.handle(command, actor_of(service, login), uuid5(SPACE, f"{login}:{key}"), at)


def _organisations(service: Service, at: datetime) -> None:
    def add(tx: Any) -> None:
        for one in ORGANISATIONS.values():
            if tx.find(Organisation, one.id) is None:
                tx.add(one)

    service.parts.store.run(at, add)


def _account(service: Service, account: Account, number: int, at: datetime) -> None:
    try:
        person_id(service, account.login)
    except NotFound:
        service.handle(_add_person(account, number), SYSTEM, uuid5(SPACE, f"account:{account.login}"), at)


def _add_person(account: Account, number: int) -> c.AddPerson:
    return c.AddPerson(
        login=account.login,
        password=account.password,
        surname=account.surname,
        given=account.given,
        patronymic=account.patronymic,
        snils=snils(number),
        position=account.position,
        position_code=account.position_code,
        speciality=account.speciality,
        duties=list(account.duties),  # type: ignore[arg-type]  # a tuple of the same words
        organisation=ORGANISATIONS[account.organisation].id,
    )


def _commission(service: Service, at: datetime) -> None:
    nmic = ORGANISATIONS["nmic"].id
    with service.parts.store.read() as reader:
        if reader.connection.execute(bodies.select().where(bodies.c.organisation_id == nmic)).first():
            return
    since = at.date() - timedelta(days=200)
    members = [
        c.BodySeat(person=person_id(service, login), role=role, since=since)  # type: ignore[arg-type]  # roles of the table above, a str to the checker
        for login, role in COMMISSION
    ]
    substitute = c.BodySeat(
        person=person_id(service, "expert"),
        role="member",
        since=since,
        deputises_for=person_id(service, "member2"),
    )
    command = c.EstablishBody(
        name="Врачебная комиссия НМИЦ",
        order_number="117-ВК",
        order_date=since,
        members=[*members, substitute],
    )
    _do(service, "nmic.admin", command, "body", at)


def seal_keys(parts: Parts, at: datetime) -> None:
    """A seal for every demonstration organisation in `keys_dir/<organisation>/`: `seal.key`, `seal.crt`."""
    assert parts.authority is not None, "demonstration data need the demonstration authority"
    for one in ORGANISATIONS.values():
        make_seal(parts.settings.keys_dir, one, parts.authority, at)


def make_seal(keys_dir: Path, organisation: Organisation, authority: DemoAuthority, at: datetime) -> None:
    """Key and certificate (DER) of one organisation's seal; kept when they are there."""
    folder = keys_dir / str(organisation.id)
    if (folder / "seal.crt").exists():
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / "seal.key").exists():
        authority.new_key().save(folder / "seal.key")
    subject = OrganisationSubject(name=organisation.name, ogrn=organisation.ogrn, inn=organisation.inn)
    key = load_key(folder / "seal.key")
    write_private(folder / "seal.crt", authority.issue_organisation(key.csr(), subject, at))


# --- requests with documents ----------------------------------------------------------------------


def _requests(service: Service, at: datetime) -> None:
    author = person_id(service, "ivanova")
    with service.parts.store.read() as reader:
        if reader.connection.execute(cases.select().where(cases.c.author_id == author)).first():
            return
    sent = _request(service, "sent", sample_fields(ORGANISATIONS["nmic"].id, at.date()), at)
    _attach(service, sent, "Выписка из истории болезни", "extract", extract_pdf(), at)
    _attach(service, sent, "КТ грудной клетки, ключевой срез", "image", scan_png(), at)
    _do(service, "ivanova", c.SendRequest(request=sent), "send", at)
    draft = c.RequestFields(
        receiver=ORGANISATIONS["nmic"].id,
        profile="терапия",
        surname="Примерова",
        given="Галина",
        patronymic="Львовна",
        birth_date=date(1958, 5, 4),
        sex="2",
    )
    _request(service, "draft", draft, at)


def _request(service: Service, key: str, fields: c.RequestFields, at: datetime) -> UUID:
    reply = _do(service, "ivanova", c.CreateRequest(fields=fields), f"request:{key}", at)
    return UUID(reply.result["request"])


def sample_fields(receiver: UUID, today: date, kind: str = "general") -> c.RequestFields:
    """A complete request about a patient who does not exist. Its goal suits a consilium and a commission."""
    return c.RequestFields(
        receiver=receiver,
        profile="онкология",
        surname="Образцов",
        given="Иван",
        patronymic="Петрович",
        birth_date=date(1961, 2, 10),
        sex="1",
        snils=snils(77),
        record_number="2026/1187",
        place="Свердловская область, г. Заречный, ул. Лесная, д. 5, кв. 12",
        region_code="66",
        region_name="Свердловская область",
        postal_code="624250",
        paper_kind="1",
        paper_kind_name="Паспорт гражданина Российской Федерации",
        paper_series="6500",
        paper_number="000077",
        paper_issuer="ОВД г. Заречного",
        paper_issuer_code="662-022",
        paper_issued_on=date(2006, 3, 1),
        policy_kind="2",
        policy_kind_name="Полис ОМС единого образца, бессрочный",
        policy_number="6600000000000077",
        policy_valid_from=date(2012, 6, 1),
        payment_code="1",
        card_code="2",
        card_opened_on=today - timedelta(days=9),
        severity_code="1",
        diagnosis_code="C34.1",
        diagnosis_name="Злокачественное новообразование верхней доли правого лёгкого",
        question="Показано ли оперативное лечение или химиолучевая терапия первым этапом?",
        goal_code="25",
        urgency_code="1",
        course="Болен с августа 2026 года: кашель, снижение массы тела на 6 кг. Курит 35 лет.\n"
        "По месту жительства выполнены КТ и бронхоскопия с биопсией: плоскоклеточный рак G2.",
        condition="Состояние удовлетворительное, ECOG 1. ОФВ1 72 %. "
        "КТ: узел 38 мм в S3 правого лёгкого, лимфоузлы средостения до 9 мм.",
        wants_kind=kind,  # type: ignore[arg-type]  # one of the four words
        consent_basis="consent",
        consent_date=today,
        consent_reference="ИДС от пациента, форма по приказу 1051н",
    )


def _attach(service: Service, request: UUID, title: str, kind: str, content: bytes, at: datetime) -> None:
    with service.parts.files.begin(service.parts.settings.upload_limit_bytes) as upload:
        upload.write(content)
        stored = upload.finish()
    command = c.AttachDocument(
        request=request,
        title=title,
        kind=kind,  # type: ignore[arg-type]  # one of the declared words
        dated=at.date() - timedelta(days=9),
        digest=stored.digest,
        size=stored.size,
        media_type=stored.media_type,
    )
    _do(service, "ivanova", command, f"attach:{kind}", at)


def extract_pdf() -> bytes:
    """Three pages of a discharge summary, drawn: enough to turn pages together."""
    pages = [
        _page("ВЫПИСКА ИЗ ИСТОРИИ БОЛЕЗНИ", "Демонстрационный документ. Пациент вымышлен.", 1),
        _page("РЕЗУЛЬТАТЫ ИССЛЕДОВАНИЙ", "Бронхоскопия, биопсия, спирометрия.", 2),
        _page("ПРОВЕДЁННОЕ ЛЕЧЕНИЕ", "Симптоматическая терапия, наблюдение.", 3),
    ]
    out = io.BytesIO()
    pages[0].save(out, "PDF", resolution=100, save_all=True, append_images=pages[1:])
    return out.getvalue()


def _page(title: str, line: str, number: int) -> Image.Image:
    page = Image.new("L", (827, 1169), 255)
    draw = ImageDraw.Draw(page)
    draw.text((80, 90), title, fill=0, font=_font(30))
    draw.text((80, 150), line, fill=40, font=_font(22))
    for row in range(24):
        width = 380 + (row * 97 + number * 53) % 260
        draw.rectangle((80, 230 + row * 34, 80 + width, 240 + row * 34), fill=205)
    draw.text((700, 1090), f"{number} / 3", fill=90, font=_font(20))
    return page


def scan_png() -> bytes:
    """Something that looks like an axial slice: a body, two lungs, a bright nodule."""
    image = Image.new("L", (512, 512), 0)
    draw = ImageDraw.Draw(image)
    draw.ellipse((40, 90, 472, 430), fill=150)
    draw.ellipse((90, 130, 245, 390), fill=25)
    draw.ellipse((267, 130, 422, 390), fill=25)
    draw.ellipse((225, 330, 287, 400), fill=215)
    draw.ellipse((150, 190, 186, 226), fill=185)
    for ring in range(6):
        draw.arc((100 + ring * 8, 150 + ring * 10, 235 - ring * 8, 370 - ring * 12), 20, 160, fill=70)
    draw.text((12, 12), "DEMO 512x512", fill=230, font=_font(16))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """A font with Cyrillic where the system has one; Pillow's own otherwise."""
    try:
        return ImageFont.truetype("DejaVuSans.ttf", size)
    except OSError:
        return ImageFont.load_default(size)
