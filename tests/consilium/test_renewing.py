"""The worker's renewal of sealed packages: found in time, killed anywhere, silent authorities, damaged files."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from consilium import clock, renewing, sealing
from consilium.errors import Unavailable
from consilium.model import Protocol
from consilium.parts import Parts
from consilium.seal.errors import AuthoritySilent
from consilium.seal.package import read_package
from consilium.seal.report import verify_package
from consilium.store.failpoint import failpoint
from consilium.store.tables import outbox
from tests.people import World

ALL = ("deputy", "secretary", "member1", "ivanova")


@pytest.fixture
def sealed(shared: World) -> Protocol:
    protocol = shared.signed(*ALL)
    sealing.seal_protocol(shared.parts, {"protocol": str(protocol.id)})
    return shared.protocol(protocol.id)


def far_ahead(world: World) -> Parts:
    """The same installation that renews a century before the end."""
    return replace(world.parts, settings=replace(world.parts.settings, archive_renew_days=36_500))


def work(protocol: Protocol) -> dict[str, str]:
    return {"protocol": str(protocol.id), "package": protocol.package_digest}


def file_of(world: World, protocol: Protocol) -> Path:
    return sealing.packages(world.parts) / world.protocol(protocol.id).package_name


def put_to_work(world: World, protocol: Protocol) -> list[str]:
    key = outbox.c.key.like(f"{protocol.id}:%")
    with world.parts.store.read() as reader:
        query = sa.select(outbox.c.key).where(outbox.c.kind == "archive.renew", key)
        return list(reader.connection.execute(query).scalars())


def test_a_package_is_put_to_work_when_its_end_is_near_and_not_before(shared: World, sealed: Protocol):
    assert renewing.look(shared.parts, {}) is None
    assert put_to_work(shared, sealed) == []
    renewing.look(far_ahead(shared), {})
    renewing.look(far_ahead(shared), {})
    assert put_to_work(shared, sealed) == [f"{sealed.id}:{sealed.package_digest}"]


def test_a_renewed_package_holds_and_the_journal_says_so(shared: World, sealed: Protocol):
    before = read_package(file_of(shared, sealed))
    assert renewing.renew_package(shared.parts, work(sealed)) is None
    renewed = shared.protocol(sealed.id)
    content = file_of(shared, sealed).read_bytes()
    assert hashlib.sha256(content).hexdigest() == renewed.package_digest != sealed.package_digest
    report = verify_package(content, roots=shared.parts.trust(), now=clock.now())
    assert (report.held, report.renewals) == (True, 1)
    assert before.items() < read_package(content).items()
    assert shared.journal("protocol", sealed.id)[-1] == "ArchiveRenewed"
    assert renewing.renew_package(shared.parts, work(sealed)) is None, "told again it is done already"
    assert shared.journal("protocol", sealed.id).count("ArchiveRenewed") == 1


class KilledError(BaseException):
    """The worker's process is gone."""


def killed_at(place: str) -> Callable[[str], None]:
    def kill(name: str) -> None:
        failpoint(name)
        if name == place:
            raise KilledError

    return kill


@pytest.mark.parametrize("place", ["renewing.package_written", "renewing.told"])
def test_a_worker_killed_anywhere_leaves_the_old_package_or_the_new_one(
    shared: World, sealed: Protocol, monkeypatch: pytest.MonkeyPatch, place: str
):
    monkeypatch.setattr(renewing, "failpoint", killed_at(place))
    with pytest.raises(KilledError):
        renewing.renew_package(shared.parts, work(sealed))
    recorded = shared.protocol(sealed.id)
    assert hashlib.sha256(file_of(shared, sealed).read_bytes()).hexdigest() == recorded.package_digest
    assert verify_package(file_of(shared, sealed), roots=shared.parts.trust()).held
    monkeypatch.setattr(renewing, "failpoint", failpoint)
    renewing.renew_package(shared.parts, work(sealed))
    assert shared.journal("protocol", sealed.id).count("ArchiveRenewed") == 1
    assert verify_package(file_of(shared, sealed), roots=shared.parts.trust()).renewals == 1


class SilentAuthority:
    """Answers nobody."""

    def stamp(self, covered: bytes, digest: str = "sha256") -> bytes:
        raise AuthoritySilent("TST_NOT_SET")


def test_a_silent_authority_is_asked_again_and_nothing_changes(shared: World, sealed: Protocol):
    parts = replace(shared.parts, stamps=SilentAuthority())
    again = renewing.renew_package(parts, work(sealed))
    assert again is not None
    assert timedelta(minutes=20) < again - clock.now() < timedelta(minutes=40)
    assert shared.protocol(sealed.id).package_digest == sealed.package_digest


def test_a_damaged_or_missing_file_is_never_prolonged_and_is_put_before_a_person(
    shared: World, sealed: Protocol
):
    path = file_of(shared, sealed)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(Unavailable, match="package_missing"):
        renewing.renew_package(shared.parts, work(sealed))
    renewing.look(shared.parts, {})
    assert put_to_work(shared, sealed) == [f"{sealed.id}:{sealed.package_digest}"]
    path.unlink()
    with pytest.raises(Unavailable, match="package_missing"):
        renewing.renew_package(shared.parts, work(sealed))
    path.write_bytes(whole)
    assert renewing.renew_package(shared.parts, work(sealed)) is None


def test_the_package_it_grew_from_is_swept_only_when_nobody_can_be_reading_it(
    shared: World, sealed: Protocol
):
    first = file_of(shared, sealed)
    renewing.renew_package(shared.parts, work(sealed))
    assert first.exists()
    aged = first.stat().st_mtime - timedelta(days=3).total_seconds()
    os.utime(first, (aged, aged))
    renewing.renew_package(shared.parts, work(shared.protocol(sealed.id)))
    assert not first.exists()
    assert verify_package(file_of(shared, sealed), roots=shared.parts.trust()).renewals == 2
