"""The registry's two doors: proof by HMAC, the identical bytes, an answer taken once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest
import sqlalchemy as sa
from aiohttp import StreamReader

from consilium import clock
from consilium.filing import states, wire
from consilium.settings import Settings
from consilium.store.tables import protocols
from tests.web.conftest import Visit
from tests.web.stage import Stage


def secret(settings: Settings) -> bytes:
    return wire.partner_secret(settings.secret_key)


async def test_an_unsigned_forged_or_old_message_is_refused_without_a_word(
    visit: Visit, web_settings: Settings
) -> None:
    stranger, wanted = await visit(), str(uuid4())
    path, own = f"/registry/documents/{wanted}", secret(web_settings)
    old = clock.now() - timedelta(seconds=wire.CLOCK_SKEW_SECONDS + 5)
    attempts = [
        {},
        wire.sign(b"another secret" * 4, "pull", wanted, b"", clock.now()),
        wire.sign(own, "callback", wanted, b"", clock.now()),
        wire.sign(own, "pull", str(uuid4()), b"", clock.now()),
        wire.sign(own, "pull", wanted, b"", old),
    ]
    for headers in attempts:
        answer = await stranger.get(path, headers=dict(headers))
        assert (answer.status, (await answer.json())["error"]["code"]) == (403, "forbidden")
    proven = wire.sign(own, "pull", wanted, b"", clock.now())
    assert (await stranger.get(path, headers=dict(proven))).status == 404


async def test_a_document_is_not_given_out_before_it_is_sealed(
    visit: Visit, stage: Stage, web_settings: Settings
) -> None:
    protocol = stage.frozen()
    with stage.service.parts.store.read() as reader:
        document = str(reader.protocol(protocol).document_id)
    headers = wire.sign(secret(web_settings), "pull", document, b"", clock.now())
    answer = await (await visit()).get(f"/registry/documents/{document}", headers=dict(headers))
    assert answer.status == 404


async def test_what_stays_with_the_organisation_is_not_given_to_the_registry(
    visit: Visit, stage: Stage, web_settings: Settings
) -> None:
    """A commission's protocol is sealed and not filed: whoever knows its id and the secret gets nothing."""
    protocol, stranger = stage.frozen(), await visit()
    state = msgspec.json.encode(states.queued(clock.now())).decode()
    with stage.service.parts.store.read() as reader:
        found = reader.protocol(protocol)
    document = str(found.document_id)
    for values, expected in (({"status": "sealed"}, 404), ({"filing_state": state}, 200)):
        with stage.service.parts.store.write(clock.now()) as tx:
            own = protocols.c.id == protocol
            tx.connection.execute(sa.update(protocols).where(own).values(values))
            tx.commit()
        headers = wire.sign(secret(web_settings), "pull", document, b"", clock.now())
        answer = await stranger.get(f"/registry/documents/{document}", headers=dict(headers))
        assert answer.status == expected
    assert await answer.read() == found.document


async def test_an_answer_about_a_document_of_nobody_is_refused(visit: Visit, web_settings: Settings) -> None:
    stranger = await visit()
    message = {"localUid": str(uuid4()), "relatesToMessage": "m", "status": "success", "errors": []}
    body = json.dumps(message).encode()
    headers = wire.sign(secret(web_settings), "callback", "", body, clock.now())
    answer = await stranger.http.post("/registry/callback", data=body, headers=dict(headers))
    assert answer.status in (404, 422)
    tampered = await stranger.http.post("/registry/callback", data=body + b" ", headers=dict(headers))
    assert tampered.status == 403
    huge = await stranger.http.post("/registry/callback", data=b"x" * (wire.MAX_CALLBACK_BYTES + 1))
    assert (await huge.json())["error"]["code"] == "invalid_message"


async def test_a_message_that_the_network_cut_in_two_is_one_message(
    visit: Visit, web_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signature covers the whole body: the first segment alone looks forged."""
    arrived, read = asyncio.Event(), StreamReader.read

    async def watched(reader: StreamReader, n: int = -1) -> bytes:
        chunk = await read(reader, n)
        arrived.set()
        return chunk

    monkeypatch.setattr(StreamReader, "read", watched)
    stranger = await visit()
    message = {
        "localUid": str(uuid4()),
        "relatesToMessage": "m",
        "status": "error",
        "errors": [{"code": "X"}],
    }
    body = json.dumps(message).encode()
    headers = wire.sign(secret(web_settings), "callback", "", body, clock.now())

    async def segments() -> AsyncIterator[bytes]:
        yield body[:20]
        await arrived.wait()
        yield body[20:]

    answer = await stranger.http.post("/registry/callback", data=segments(), headers=dict(headers))
    assert (answer.status, (await answer.json())["error"]["code"]) == (404, "not_found")
