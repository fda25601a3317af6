"""People, routes, bodies, certificates: administrators act at home, everybody else on himself."""

import base64
from datetime import date
from uuid import UUID, uuid4

import pytest

from consilium import commands as c
from consilium import demo
from consilium.actor import SYSTEM, Actor
from consilium.directory import passwords
from consilium.errors import Forbidden, Unauthenticated
from consilium.seal.providers import SoftwareKey
from consilium.settings import Settings
from tests.people import World, inhabited

NMIC, REGION = demo.ORGANISATIONS["nmic"].id, demo.ORGANISATIONS["region"].id


def newcomer(**changes) -> c.AddPerson:
    values = {
        "login": f"new{uuid4().hex[:8]}",
        "password": "correct horse",
        "surname": "Новиков",
        "given": "Пётр",
        "snils": demo.snils(200),
        "position": "врач",
        "duties": ["doctor"],
    }
    return c.AddPerson(**(values | changes))


def csr(login: str = "anybody") -> str:
    return base64.b64encode(SoftwareKey.generate().csr(login)).decode()


@pytest.mark.parametrize(
    "command",
    [
        newcomer(),
        c.OpenRoute(profile="кардиология", sender=REGION),
        c.EstablishBody(name="ВК", order_number="1", order_date=date(2026, 1, 1), members=[]),
    ],
    ids=lambda one: type(one).__name__,
)
@pytest.mark.parametrize("login", ["ivanova", "coordinator", "chair", "outsider.coordinator"])
def test_only_an_administrator_changes_the_directory(shared: World, login: str, command):
    assert shared.refusal(login, command).code == "forbidden"


def test_an_administrator_adds_nobody_to_another_organisation(shared: World):
    assert shared.refusal("nmic.admin", newcomer(organisation=REGION)).code == "forbidden"


@pytest.mark.parametrize(
    "changes,code,field",
    [
        ({"login": "chair"}, "duplicate", "login"),
        ({"snils": "11223344500"}, "invalid_field", "snils"),
        ({"surname": " "}, "field_required", "surname"),
        ({"position": "\u200b"}, "field_required", "position"),
        ({"given": "Пё\u202eтр"}, "text_refused", "given"),
    ],
)
def test_a_person_who_makes_no_sense_is_not_added(shared: World, changes, code, field):
    refused = shared.refusal("nmic.admin", newcomer(**changes))
    assert (refused.code, refused.details["field"]) == (code, field)


def test_the_operator_must_name_the_organisation(shared: World):
    with pytest.raises(Exception, match="field_required"):
        shared.service.handle(newcomer(), SYSTEM, uuid4(), shared.now)
    made = newcomer(organisation=REGION)
    shared.service.handle(made, SYSTEM, uuid4(), shared.now)
    assert shared.person(made.login).organisation_id == REGION


def test_nobody_and_a_closed_account_may_do_nothing(world: World):
    nobody = Actor(person_id=None, organisation_id=None)
    with pytest.raises(Unauthenticated):
        world.service.handle(c.CreateRequest(), nobody, uuid4(), world.now)
    actor = world.actor("ivanova")
    with world.parts.store.write(world.now) as tx:
        tx.person_by_login("ivanova").active = False
    with pytest.raises(Unauthenticated):
        world.service.handle(c.CreateRequest(), actor, uuid4(), world.now)


def test_rights_are_those_of_the_record_not_of_the_session(world: World):
    forged = Actor(person_id=world.id("ivanova"), organisation_id=NMIC, duties=frozenset({"admin"}))
    with pytest.raises(Forbidden):
        world.service.handle(newcomer(), forged, uuid4(), world.now)


def test_a_wrong_current_password_changes_nothing(shared: World):
    wanted = c.ChangePassword(current="guess", new="something else")
    assert shared.refusal("member2", wanted).code == "bad_credentials"
    assert passwords.matches(shared.person("member2").password_hash, demo.PASSWORD)


def test_a_password_is_kept_as_argon2id_and_can_be_changed(world: World):
    assert world.person("chair").password_hash.startswith("$argon2id$")
    world.do("chair", c.ChangePassword(current=demo.PASSWORD, new="another one"))
    assert passwords.matches(world.person("chair").password_hash, "another one")
    assert not passwords.matches(world.person("chair").password_hash, demo.PASSWORD)


@pytest.mark.parametrize("stored", [None, "", "not a hash"])
def test_nobody_and_a_broken_hash_match_no_password(stored):
    assert not passwords.matches(stored, "nobody has this password")


@pytest.mark.parametrize(
    "wanted,reason",
    [("не base64", None), (base64.b64encode(b"hello").decode(), "CSR_FORMAT")],
)
def test_what_is_no_certificate_request_is_refused(shared: World, wanted, reason):
    refused = shared.refusal("chair", c.RequestCertificate(csr=wanted))
    assert (refused.code, refused.details.get("reason")) == ("invalid_field", reason)


def test_somebody_elses_key_is_not_certified_again(shared: World):
    key = csr()
    shared.do("chair", c.RequestCertificate(csr=key))
    refused = shared.refusal("deputy", c.RequestCertificate(csr=key))
    assert refused.details["reason"] == "CSR_KEY_TAKEN"


def test_the_same_key_gets_the_same_certificate_and_one_row(shared: World):
    key = csr()
    first = shared.do("member1", c.RequestCertificate(csr=key))
    assert shared.do("member1", c.RequestCertificate(csr=key)) == first
    with shared.parts.store.read() as reader:
        assert [one.serial for one in reader.certificates(shared.id("member1"))] == [first["serial"]]


@pytest.mark.parametrize("login,code", [("deputy", "forbidden"), ("regional.admin", "not_found")])
def test_a_certificate_is_revoked_by_its_owner_or_his_administrator(shared: World, login, code):
    made = shared.do("secretary", c.RequestCertificate(csr=csr()))
    wanted = c.RevokeCertificate(certificate=UUID(made["certificate"]), reason="потерян")
    assert shared.refusal(login, wanted).code == code


def test_a_revocation_needs_words_and_happens_once(shared: World):
    made = shared.do("secretary", c.RequestCertificate(csr=csr()))
    silent = c.RevokeCertificate(certificate=UUID(made["certificate"]), reason=" ")
    assert shared.refusal("secretary", silent).code == "reason_required"
    wanted = c.RevokeCertificate(certificate=UUID(made["certificate"]), reason="потерян")
    shared.do("nmic.admin", wanted)
    assert shared.refusal("secretary", wanted).code == "already_closed"


def test_language_and_theme_are_ones_own(shared: World):
    assert shared.do("observer", c.ChangeSettings(language="en")) == {"language": "en", "theme": "auto"}
    shared.do("observer", c.ChangeSettings(theme="dark"))
    assert (shared.person("observer").language, shared.person("observer").theme) == ("en", "dark")
    assert "SettingsChanged" in shared.journal("directory", NMIC)


def test_a_route_is_opened_once_and_closed_again(shared: World):
    first = shared.do("nmic.admin", c.OpenRoute(profile="хирургия", sender=REGION))
    again = shared.do("nmic.admin", c.OpenRoute(profile="хирургия", sender=REGION, open=False))
    assert first == again
    assert shared.refusal("nmic.admin", c.OpenRoute(profile="хирургия", sender=NMIC)).code == "invalid_field"


def test_loading_the_demonstration_twice_changes_nothing(settings: Settings):
    with inhabited(settings) as world:
        with world.parts.store.read() as reader:
            before = reader.head("directory", NMIC), reader.head("directory", REGION)
        demo.load(world.service)
        with world.parts.store.read() as reader:
            assert (reader.head("directory", NMIC), reader.head("directory", REGION)) == before
