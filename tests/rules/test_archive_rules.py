"""A sealed package only grows, and only from what it is."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from consilium.errors import Conflict
from consilium.model import Protocol, ProtocolStatus
from consilium.rules import archive

AT = datetime(2035, 11, 23, tzinfo=UTC)
OLD, NEW = "a" * 64, "b" * 64


def sealed(status: ProtocolStatus = ProtocolStatus.SEALED) -> Protocol:
    ids = {
        name: uuid4() for name in ("id", "set_id", "consilium_id", "item_id", "case_id", "organisation_id")
    }
    return Protocol(
        **ids, number="1", status=status, created_at=AT, package_digest=OLD, package_name="old.asice"
    )


def renew(protocol: Protocol, before: str = OLD) -> list[object]:
    return archive.renew(
        protocol,
        before=before,
        digest=NEW,
        name="new.asice",
        number=1,
        stamped_at=AT,
        good_until=AT + timedelta(days=3650),
    )


def test_a_renewal_told_twice_is_one_renewal():
    protocol = sealed()
    (event,) = renew(protocol)
    assert (event.before, event.package_digest, event.number) == (OLD, NEW, 1)
    assert (protocol.package_digest, protocol.package_name, protocol.revision) == (NEW, "new.asice", 1)
    assert renew(protocol) == []
    assert protocol.revision == 1


@pytest.mark.parametrize("status", [one for one in ProtocolStatus if one is not ProtocolStatus.SEALED])
def test_what_is_not_sealed_is_not_renewed(status: ProtocolStatus):
    with pytest.raises(Conflict, match="wrong_step"):
        renew(sealed(status))


def test_a_renewal_of_another_package_is_refused():
    protocol = sealed()
    with pytest.raises(Conflict, match="wrong_step"):
        renew(protocol, before="c" * 64)
    assert protocol.package_name == "old.asice"
