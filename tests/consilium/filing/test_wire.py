"""Nothing is believed that the partner did not sign, and nothing a broken registry says breaks us."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from consilium.clock import now
from consilium.filing import wire
from consilium.filing.callback import check_pull, parse_callback
from consilium.filing.line import LineSettings
from consilium.filing.plain import Plain
from consilium.filing.port import (
    Filing,
    FilingError,
    Registered,
    RegistryBroken,
    RegistryRefused,
    RegistryUnavailable,
    Rejected,
    idempotency_key,
)
from consilium.filing.wire import WireError
from tests.consilium.filing.filings import PROOF, SECRET, filing

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
UID = UUID("00000000-0000-4000-8000-000000000001")
GOOD = {
    "relatesToMessage": "m1",
    "localUid": str(UID),
    "status": "success",
    "kind": "190",
    "registryItem": {"emdrId": "77.26.11.23.000000001", "registrationDateTime": "2026-11-23T09:00:00Z"},
}
BAD = {
    "relatesToMessage": "m1",
    "localUid": str(UID),
    "status": "error",
    "errors": [{"code": "NO_SNILS", "number": 22, "message": "нет \u202eСНИЛС\x07"}],
}


def signed(body: bytes, at: datetime = AT, secret: bytes = SECRET) -> dict[str, str]:
    return wire.sign(secret, "callback", "", body, at)


def refusal(body: bytes, headers: dict[str, str], at: datetime = AT) -> str:
    with pytest.raises(WireError) as refused:
        parse_callback(body, headers, PROOF, at)
    return refused.value.code


def without(message: dict, *names: str, **changes: object) -> bytes:
    return json.dumps(
        {key: value for key, value in {**message, **changes}.items() if key not in names}
    ).encode()


# Callbacks


def test_an_unsigned_callback_is_refused() -> None:
    assert refusal(without(GOOD), {}) == "wire_unsigned"


def test_a_callback_signed_with_another_secret_is_refused() -> None:
    body = without(GOOD)
    assert refusal(body, signed(body, secret=b"somebody else's secret")) == "wire_forged"


def test_a_callback_changed_after_signing_is_refused() -> None:
    headers = signed(without(GOOD))
    assert refusal(without(GOOD, localUid=str(uuid4())), headers) == "wire_forged"


def test_a_signature_for_another_purpose_is_refused() -> None:
    body = without(GOOD)
    assert refusal(body, wire.sign(SECRET, "register", "", body, AT)) == "wire_forged"


@pytest.mark.parametrize("minutes", [-6, 6, 60 * 24])
def test_a_callback_from_another_hour_is_refused(minutes: int) -> None:
    body = without(GOOD)
    assert refusal(body, signed(body), AT + timedelta(minutes=minutes)) == "wire_stale"


@pytest.mark.parametrize("stamp", ["", "x", "-1", "1e9", "9" * 40, "١٢٣"])
def test_a_time_that_is_no_time_is_refused(stamp: str) -> None:
    body = without(GOOD)
    headers = {**signed(body), wire.TIME_HEADER: stamp}
    assert refusal(body, headers) in {"wire_unsigned", "wire_forged"}


def test_a_callback_over_the_limit_is_refused_before_its_signature_is_computed() -> None:
    body = b" " * (wire.MAX_CALLBACK_BYTES + 1)
    assert refusal(body, {}) == "wire_too_large"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 20_000,
        b'{"status": "success"}',
        without(GOOD, "registryItem"),
        without(GOOD, errors=BAD["errors"]),
        without(GOOD, registryItem={"emdrId": "77.26.11.23.000000001", "registrationDateTime": "9999-12-31T23:59:59-12:00"}),
        without(GOOD, registryItem={"emdrId": "77.26.11.23.000000001", "registrationDateTime": "9999-12-31T23:59:59Z"}),
        without(GOOD, registryItem={"emdrId": "77.26.11.23.000000001", "registrationDateTime": "0001-01-01T00:00:00+14:00"}),
        without(GOOD, registryItem={"emdrId": "1; DROP TABLE", "registrationDateTime": "2026-11-23T09:00:00Z"}),
        without(GOOD, registryItem={"emdrId": "77.26.11.23.000000001", "registrationDateTime": "2026-11-23T09:00:00"}),
        without(GOOD, registryItem={"emdrId": "77.26.11.23.000000001\n", "registrationDateTime": "2026-11-23T09:00:00Z"}),
        without(GOOD, localUid="../../etc/passwd"),
        without(GOOD, status="maybe"),
        without(BAD, "errors"),
        without(BAD, errors=[]),
        without(BAD, errors=[{"code": "<script>"}]),
        without(BAD, errors=[{"code": "A"}] * 101),
        without(BAD, errors=[{"code": "NO_SNILS", "message": "x" * 5000}]),
    ],
)  # fmt: skip
def test_a_signed_callback_of_another_shape_is_refused(body: bytes) -> None:
    assert refusal(body, signed(body)) == "wire_malformed"


@given(st.binary(max_size=200))
def test_any_signed_bytes_are_refused_with_a_code(body: bytes) -> None:
    assert refusal(body, signed(body)) == "wire_malformed"


def test_a_success_carries_the_number_and_an_error_its_printable_words() -> None:
    good, bad = without(GOOD), without(BAD)
    accepted = parse_callback(good, signed(good), PROOF, AT)
    assert accepted.local_uid == UID
    assert accepted.answer == Registered(emdr_id="77.26.11.23.000000001", at=AT)
    refused = parse_callback(bad, {name.upper(): value for name, value in signed(bad).items()}, PROOF, AT)
    assert isinstance(refused.answer, Rejected)
    assert [(one.code, one.number, one.message) for one in refused.answer.errors] == [
        ("NO_SNILS", 22, "нет  СНИЛС")
    ]


def test_unknown_fields_are_ignored() -> None:
    body = without(GOOD, somethingNew={"a": 1})
    assert isinstance(parse_callback(body, signed(body), PROOF, AT).answer, Registered)


# Pulls


def test_only_the_registry_may_pull_and_only_the_document_it_asked_for() -> None:
    headers = wire.sign(SECRET, "pull", str(UID), b"", AT)
    check_pull(headers, PROOF, UID, AT)
    with pytest.raises(WireError):
        check_pull(headers, PROOF, uuid4(), AT)
    with pytest.raises(WireError):
        check_pull({}, PROOF, UID, AT)
    with pytest.raises(WireError):
        check_pull(headers, PROOF, UID, AT + timedelta(hours=1))


def test_a_short_secret_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        wire.sign(b"short", "pull", "", b"", AT)


def test_the_derived_secret_is_stable_and_says_nothing_about_its_source() -> None:
    made = wire.partner_secret("the product's own secret")
    assert made == wire.partner_secret("the product's own secret")
    assert b"product" not in made
    assert len(made) == 64


# Keys and addresses


def test_the_key_depends_on_document_and_version_alone() -> None:
    assert idempotency_key(UID, 1) == idempotency_key(UID, 1)
    assert len({idempotency_key(UID, 1), idempotency_key(UID, 2), idempotency_key(uuid4(), 1)}) == 3


@pytest.mark.parametrize(
    "url, allowed",
    [
        ("https://remd.example/api", True),
        ("https://remd.example/api/register", True),
        ("https://remd.example/apix", False),
        ("https://remd.example/api/../admin", False),
        ("https://remd.example/api/%2e%2e/admin", False),
        ("https://remd.example/", False),
        ("http://remd.example/api", False),
        ("https://remd.example:444/api", False),
        ("https://remd.example@evil.example/api", False),
        ("https://evil.example/https://remd.example/api", False),
        ("https://remd.example\\@evil.example/api", False),
    ],
)
def test_only_addresses_under_an_allowed_base_are_used(url: str, allowed: bool) -> None:
    assert wire.under_allowed_base(url, ("https://remd.example/api",)) is allowed
    if not allowed:
        with pytest.raises(FilingError) as refused:
            Plain(LineSettings(base_url=url, proof=PROOF, allowed_bases=("https://remd.example/api",)))
        assert refused.value.code == "registry_address"


@pytest.mark.parametrize(
    "url", ["ftp://x/", "http://u:p@127.0.0.1/", "http://127.0.0.1/?a=b", "", "//127.0.0.1"]
)
def test_an_address_with_anything_unusual_is_refused(url: str) -> None:
    with pytest.raises(FilingError):
        Plain(LineSettings(base_url=url, proof=PROOF, allowed_bases=(url,)))


# A registry that answers anything

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Ask = Callable[[Answer], Awaitable[Plain]]


@pytest.fixture
async def registry() -> AsyncIterator[Ask]:
    running: list[tuple[TestServer, Plain]] = []

    async def begin(answer: Answer) -> Plain:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", answer)
        server = TestServer(app)
        await server.start_server()
        base = str(server.make_url("/api")).rstrip("/")
        settings = LineSettings(
            base_url=base,
            proof=PROOF,
            allowed_bases=(base,),
            read_timeout=1,
            total_timeout=1.5,
            max_answer_bytes=9000,
        )
        running.append((server, Plain(settings)))
        return running[-1][1]

    yield begin
    for server, remd in running:
        remd.close()
        await server.close()


@pytest.fixture(scope="module")
def one() -> Filing:
    return filing("http://127.0.0.1:1")


def plain(status: int, body: bytes = b"", **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(
            status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    return answer


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(1000):
        await response.write(b" " * 1024)
    return response


async def dripping(request: web.Request) -> web.StreamResponse:
    """A byte every now and then keeps each single read inside its own time-out."""
    response = web.StreamResponse()
    await response.prepare(request)
    closed = asyncio.Event()
    for _ in range(30):
        try:
            await asyncio.wait_for(closed.wait(), 0.3)
        except TimeoutError:
            await response.write(b" ")
    return response


async def hanging_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


REFUSED = b'{"errors":[{"code":"NO_RMIS","number":19,"message":"?"}]}'


@pytest.mark.parametrize(
    "answer, kind, code",
    [
        (plain(200, b"<html>It works</html>"), RegistryBroken, "registry_broken"),
        (plain(200, b"{}"), RegistryBroken, "registry_broken"),
        (plain(200, b"[" * 8000), RegistryBroken, "registry_broken"),
        (plain(204), RegistryBroken, "registry_broken"),
        (plain(404), RegistryBroken, "registry_broken"),
        (plain(400, b"no errors inside"), RegistryBroken, "registry_broken"),
        (plain(422, b'{"errors":[]}'), RegistryBroken, "registry_broken"),
        (plain(302, Location="http://127.0.0.1:1/"), RegistryBroken, "registry_redirect"),
        (plain(307, Location="/elsewhere"), RegistryBroken, "registry_redirect"),
        (plain(200, b" " * 9001), RegistryBroken, "registry_answer_too_large"),
        (endless, RegistryBroken, "registry_answer_too_large"),
        (plain(401), RegistryRefused, "registry_access_denied"),
        (plain(403), RegistryRefused, "registry_access_denied"),
        (plain(422, REFUSED), RegistryRefused, "registry_refused"),
        (plain(500), RegistryUnavailable, "registry_unavailable"),
        (plain(503), RegistryUnavailable, "registry_unavailable"),
        (plain(429), RegistryUnavailable, "registry_unavailable"),
        (hanging_up, RegistryUnavailable, "registry_unavailable"),
        (dripping, RegistryUnavailable, "registry_unavailable"),
    ],
)
async def test_every_answer_has_its_meaning(
    registry: Ask, one: Filing, answer: Answer, kind: type[FilingError], code: str
) -> None:
    remd = await registry(answer)
    with pytest.raises(kind) as found:
        await asyncio.to_thread(remd.register, one)
    assert found.value.code == code


async def test_the_registrys_own_errors_and_wishes_are_kept(registry: Ask, one: Filing) -> None:
    with pytest.raises(RegistryRefused) as refused:
        await asyncio.to_thread((await registry(plain(422, REFUSED))).register, one)
    assert [(found.code, found.number) for found in refused.value.errors] == [("NO_RMIS", 19)]
    for value, wish in (("17", 17.0), ("soon", None), ("9" * 30, None)):
        with pytest.raises(RegistryUnavailable) as away:
            await asyncio.to_thread((await registry(plain(503, Retry_After=value))).register, one)
        assert away.value.retry_after == wish


async def test_nobody_listening_is_an_absence(one: Filing) -> None:
    base = "http://127.0.0.1:1"
    remd = Plain(LineSettings(base_url=base, proof=PROOF, allowed_bases=(base,)))
    with pytest.raises(RegistryUnavailable):
        await asyncio.to_thread(remd.register, one)


async def test_asking_about_an_unknown_key_finds_nothing(registry: Ask, one: Filing) -> None:
    assert await asyncio.to_thread((await registry(plain(404))).find, one) is None


async def test_a_contradicting_answer_to_a_question_is_broken(registry: Ask, one: Filing) -> None:
    remd = await registry(plain(200, b'{"status":"success","messageId":"m"}'))
    with pytest.raises(RegistryBroken):
        await asyncio.to_thread(remd.find, one)


async def test_a_registration_carries_everything_but_the_document(registry: Ask, one: Filing) -> None:
    seen: list[tuple[bytes, dict[str, str]]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append((await request.read(), dict(request.headers)))
        return web.json_response({"messageId": "m1"})

    ack = await asyncio.to_thread((await registry(answer)).register, one)
    assert ack.message_id == "m1"
    body, headers = seen[0]
    wire.check(headers, SECRET, "register", one.idempotency_key, body, now())
    sent = msgspec.json.decode(body, type=wire.Registration)
    assert sent.idempotency_key == headers["Idempotency-Key"] == one.idempotency_key
    assert sent.personal_signatures[0].signature.data == one.personal_signatures[0].data
    assert sent.patient.snils == "11223344595"
    assert b"ClinicalDocument" not in body


# A peer that takes its time

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 8000\r\n\r\n"


@pytest.mark.parametrize("at_once", [b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\nX-Padding: ", HEAD])
async def test_a_byte_now_and_then_holds_nobody_longer_than_the_whole_time(
    one: Filing, at_once: bytes
) -> None:
    """Not between two chunks alone: in the status line, in a header, and inside a body of a told length."""
    given_up = asyncio.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(at_once)
        with contextlib.suppress(ConnectionError):
            while not given_up.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(given_up.wait(), 0.3)
                writer.write(b"x")
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        limits = {"read_timeout": 1, "total_timeout": 1.5}
        slow = Plain(LineSettings(base_url=base, proof=PROOF, allowed_bases=(base,), **limits))
        try:
            with pytest.raises(RegistryUnavailable):
                await asyncio.wait_for(asyncio.to_thread(slow.register, one), 20)
        finally:
            given_up.set()


async def test_an_answer_that_was_cut_off_is_no_answer(one: Filing) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b'{"messageId":"m"}')
        writer.close()

    async with await asyncio.start_server(cut, "127.0.0.1", 0) as server:
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        short = Plain(LineSettings(base_url=base, proof=PROOF, allowed_bases=(base,)))
        with pytest.raises(RegistryUnavailable):
            await asyncio.to_thread(short.register, one)
