"""One small world for the signature tests: an authority, two doctors, an organisation, a protocol."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from consilium.seal import (
    DemoAuthority,
    Dissent,
    DissentFile,
    ExpectedSigner,
    OrganisationSubject,
    PackageContents,
    PersonalSignature,
    PersonSubject,
    TrustStore,
    render_dissent,
)
from consilium.seal.providers import FileKey
from tests.consilium.seal import chains

if TYPE_CHECKING:
    from tests.consilium.seal.eras import Ages

AT = datetime(2026, 11, 23, 9, 30, 15, tzinfo=UTC)
DOCUMENT = "<protocol>Протокол консилиума\r\nпервая строка и вторая</protocol>\n".encode()


@dataclass(frozen=True)
class Signer:
    """A key, its certificate, and whom the server would expect."""

    key: FileKey
    certificate: bytes
    expected: ExpectedSigner

    def sign(self, document: bytes, at: datetime = AT) -> bytes:
        return self.key.sign(document, self.certificate, at)


@dataclass(frozen=True)
class World:
    authority: DemoAuthority
    chair: Signer
    member: Signer
    organisation: Signer

    @property
    def trust(self) -> TrustStore:
        return self.authority.trust(AT)

    def doctor(self, surname: str, snils: str) -> Signer:
        key = self.authority.new_key()
        subject = PersonSubject(f"{surname} Анна Петровна", surname, "Анна Петровна", snils)
        expected = ExpectedSigner.person(snils=snils, surname=surname, given="Анна Петровна")
        return Signer(key, self.authority.issue(key.csr(), subject, AT), expected)

    def contents(self, document: bytes = DOCUMENT) -> PackageContents:
        opinion = render_dissent(
            Dissent(
                hashlib.sha256(document).hexdigest(), "42", "Ильина А. П.", "22334455667", "Не согласна", AT
            )
        )
        return PackageContents(
            document=document,
            signatures=(
                PersonalSignature("chair", self.chair.sign(document)),
                PersonalSignature("member", self.member.sign(document)),
            ),
            org_signature=self.organisation.sign(document),
            authorities=(self.authority.root,),
            crls=(self.authority.crl(AT),),
            audit=chains.journal(
                document,
                (self.chair.certificate, self.member.certificate),
                (self.member.certificate,),
                AT,
            ),
            seal=self.organisation.sign,
            dissents=(DissentFile(opinion, self.member.sign(opinion)),),
        )


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of the archive's verdicts is kept with the tests and not with who runs them."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))


@pytest.fixture(scope="session", params=["gost256", "gost512"])
def gost_world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The same world with GOST keys throughout, of either size."""
    return make_world(tmp_path_factory.mktemp("authority"), request.param)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def ages(world: World, tmp_path_factory: pytest.TempPathFactory) -> "Ages":
    """A package as it was sealed, renewed once, and renewed twice."""
    from tests.consilium.seal.eras import three_ages  # which is made of the world above

    return three_ages(world, tmp_path_factory.mktemp("ages"))


def make_world(folder: Path, algorithm: str = "p256") -> World:
    authority = DemoAuthority.create(folder, AT, algorithm)
    key = authority.new_key()
    subject = OrganisationSubject("НМИЦ онкологии", "1027739552642", "7726074986")
    certificate = authority.issue_organisation(key.csr(), subject, AT)
    expected = ExpectedSigner.of_organisation(ogrn="1027739552642", inn="7726074986")
    organisation = Signer(key, certificate, expected)
    empty = World(authority, organisation, organisation, organisation)
    chair, member = empty.doctor("Ёлкина", "11223344595"), empty.doctor("Ильина", "22334455667")
    return World(authority, chair, member, organisation)
