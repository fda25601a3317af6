"""The desk in a house of GOST keys: a trial, a plug-in's signature and a file pass the same strict verifier."""

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from consilium import commands as c
from consilium.model import SignatureStatus
from consilium.seal.policy import RU_UKEP
from tests.consilium.conftest import embedded
from tests.people import World, inhabited

pytestmark = pytest.mark.needs_gost


def own_key(world: World, login: str) -> None:
    authority = world.parts.authority
    assert authority is not None
    key = authority.new_key()
    made = world.do(login, c.RequestCertificate(csr=base64.b64encode(key.csr(login)).decode()))
    world.keys[login] = (key, base64.b64decode(made["der"]))


def test_a_gost_key_is_tried_and_signs_by_plug_in_and_by_file(tmp_path: Path) -> None:
    with inhabited(replace(embedded(tmp_path), signature_policy=RU_UKEP.id)) as world:
        protocol = world.frozen("deputy", "secretary", "member1")
        for login in ("deputy", "member1"):
            own_key(world, login)
        begun = world.do("member1", c.BeginReadinessTest(provider="cryptopro", device="ward"))
        cms = world.cms("member1", base64.b64decode(begun["content"]), begun["signing_time"])
        trial = c.AnswerReadinessTest(
            provider="cryptopro", device="ward", challenge=begun["challenge"], cms=cms
        )
        assert world.do("member1", trial)["code"] == "OK"
        world.do("member1", replace(world.signing("member1", protocol.id), provider="cryptopro"))
        moment = world.now.replace(microsecond=0).isoformat()
        file = world.cms("deputy", protocol.document, moment)
        world.do("deputy", c.UploadSignature(protocol=protocol.id, digest=protocol.digest, file=file))
        rows = world.protocol(protocol.id).current_signatures()
        signed = {one.provider for one in rows if one.status is SignatureStatus.SIGNED}
        assert signed == {"cryptopro", "file"}
