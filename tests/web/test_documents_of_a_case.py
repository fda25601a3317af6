"""Files: taken in as a stream, refused by content, given out journaled and inert."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import ClientResponse, DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer

from consilium import demo
from consilium.service import Service
from consilium.settings import Settings
from tests.web.conftest import ORIGIN, Visit, Visitor
from tests.web.stage import Stage
from web.app import make_app

OWN = {"Origin": ORIGIN, "X-Consilium": "1"}


async def upload(visitor: Visitor, case: Any, content: Any, **fields: str) -> ClientResponse:
    query = {"request": str(case), "title": "Выписка", "kind": "extract", **fields}
    return await visitor.http.post(
        f"/api/document.upload?{urlencode(query)}", data=content, headers=OWN, cookies=visitor.cookies
    )


async def code_of(answer: ClientResponse) -> str:
    return str((await answer.json())["error"]["code"])


async def test_a_document_comes_back_byte_for_byte_and_its_opening_is_journaled(
    visit: Visit, stage: Stage
) -> None:
    doctor, case, content = await visit("ivanova"), stage.case("draft"), demo.extract_pdf()
    made = await (await upload(doctor, case, content, dated="2026-11-01")).json()
    assert made["ok"] and made["media_type"] == "application/pdf"
    assert made["digest"] == hashlib.sha256(content).hexdigest()
    with stage.service.parts.store.read() as reader:
        before = reader.head("case", case)
    answer = await doctor.get(f"/files/{case}/{made['document']}")
    assert await answer.read() == content
    assert answer.headers["X-Digest"] == made["digest"]
    with stage.service.parts.store.read() as reader:
        after = reader.events("case", case, before)
    assert [one.name for one in after] == ["DocumentOpened"]
    assert after[0].actor_id == stage.person("ivanova")


async def test_a_document_can_do_nothing_in_a_browser_and_is_never_kept(visit: Visit, stage: Stage) -> None:
    coordinator, case = await visit("coordinator"), stage.case()
    with stage.service.parts.store.read() as reader:
        documents = reader.case(case).documents
    for one in documents:
        for query in ("", "?inline=1"):
            answer = await coordinator.get(f"/files/{case}/{one.id}{query}")
            assert "sandbox" in answer.headers["Content-Security-Policy"]
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            way = "inline" if query else "attachment"
            assert answer.headers["Content-Disposition"].startswith(f"{way}; filename*=UTF-8''")
            await answer.release()


@pytest.mark.parametrize(
    "content, code",
    [
        (b"", "file_type_refused"),
        (b"<html><script>alert(1)</script></html>", "file_type_refused"),
        (b"<?xml version='1.0'?><svg onload='alert(1)'/>", "file_type_refused"),
        (b"MZ\x90\x00" + b"\x00" * 100, "file_type_refused"),
        (b"%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript/JS(x)>>>>endobj", "file_refused"),
        (b"\x89PNG\r\n\x1a\n" + b"broken", "file_refused"),
        (b"\xff\xd8\xff\xe0 cut off", "file_refused"),
    ],
)
async def test_a_file_of_another_kind_is_refused_and_nothing_is_kept(
    visit: Visit, stage: Stage, content: bytes, code: str
) -> None:
    doctor, case = await visit("ivanova"), stage.case("draft")
    kept = set(stage.service.parts.files.digests())
    assert await code_of(await upload(doctor, case, content)) == code
    assert set(stage.service.parts.files.digests()) == kept
    assert not list(stage.service.parts.files.incoming.iterdir())


async def test_the_limit_holds_while_streaming_whatever_the_header_says(
    service: Service, web_settings: Settings, stage: Stage
) -> None:
    small = replace(web_settings, upload_limit_bytes=64 * 1024)
    client = TestClient(TestServer(make_app(service, small)), cookie_jar=DummyCookieJar())
    await client.start_server()
    doctor = Visitor(client)
    await doctor.sign_in("ivanova")

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"text " * 2000

    case = stage.case("draft")
    assert await code_of(await upload(doctor, case, endless())) == "file_too_large"
    assert await code_of(await upload(doctor, case, b"x" * 70_000)) == "file_too_large"
    assert not list(service.parts.files.incoming.iterdir())
    await client.close()


async def test_a_compressed_body_is_not_unpacked_beyond_the_limit(visit: Visit, stage: Stage) -> None:
    doctor = await visit("ivanova")
    bomb = zlib.compress(b"a" * 20_000_000)
    answer = await doctor.http.post(
        "/api/settings.change",
        data=bomb,
        headers={**OWN, "Content-Type": "application/json", "Content-Encoding": "deflate"},
        cookies=doctor.cookies,
    )
    assert answer.status in (400, 413, 422)
    assert await code_of(answer) in {"too_large", "invalid_message"}


@pytest.mark.parametrize(
    "fields, field",
    [
        ({"title": "x" * 301}, "title"),
        ({"kind": "film"}, "kind"),
        ({"dated": "yesterday"}, "dated"),
        ({"request": "1"}, "request"),
    ],
)
async def test_what_the_query_says_is_checked_before_the_body_is_read(
    visit: Visit, stage: Stage, fields: dict[str, str], field: str
) -> None:
    doctor = await visit("ivanova")
    answer = await upload(doctor, stage.case("draft"), b"some text", **fields)
    error = (await answer.json())["error"]
    assert answer.status == 422 and error["details"]["field"] == field


async def test_the_same_file_twice_is_refused(visit: Visit, stage: Stage) -> None:
    doctor, case = await visit("ivanova"), stage.case("draft")
    assert (await upload(doctor, case, b"a laboratory result")).status == 200
    assert await code_of(await upload(doctor, case, b"a laboratory result")) == "duplicate"


async def test_a_stranger_uploads_and_downloads_nothing(visit: Visit, stage: Stage) -> None:
    case, stranger, outsider = stage.case(), await visit(), await visit("outsider")
    with stage.service.parts.store.read() as reader:
        document = reader.case(case).documents[0].id
    assert await code_of(await upload(stranger, case, b"text")) == "not_signed_in"
    assert await code_of(await upload(outsider, case, b"text")) == "not_found"
    assert (await stranger.get(f"/files/{case}/{document}")).status == 401
    assert (await outsider.get(f"/files/{case}/{document}")).status == 404


async def test_a_document_is_found_only_in_its_own_case(visit: Visit, stage: Stage) -> None:
    doctor = await visit("ivanova")
    with stage.service.parts.store.read() as reader:
        document = reader.case(stage.case()).documents[0].id
    assert (await doctor.get(f"/files/{stage.case('draft')}/{document}")).status == 404
