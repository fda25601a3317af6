"""The registry simulator accepts exactly what it should, exactly once, and tells the product about it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from lxml import etree

from consilium.clock import now
from consilium.documents.cda import render
from consilium.documents.facts import ProtocolKind
from consilium.filing import states, wire
from consilium.filing.callback import CallbackResult, check_pull, parse_callback
from consilium.filing.line import LineSettings
from consilium.filing.plain import Plain
from consilium.filing.port import (
    Filing,
    FilingError,
    OrganisationSignature,
    Pending,
    Registered,
    RegistryBroken,
    RegistryError,
    RegistryRefused,
    RegistryUnavailable,
    Rejected,
)
from consilium.filing.states import Status
from tests.consilium.documents.protocols import facts
from tests.consilium.filing.filings import (
    PROOF,
    SECRET,
    Holder,
    document,
    filing,
    holder,
    personal,
    signature,
)
from web.simulator import checks
from web.simulator.archive import Archive
from web.simulator.modes import Mode, UnknownModeError, parse_mode
from web.simulator.server import DESK, SimulatorSettings, create_app

WAIT = 15.0


class Product:
    """The product's two doors as web/api has them: bytes out, answers in."""

    def __init__(self) -> None:
        self.documents: dict[UUID, bytes] = {}
        self.answers: asyncio.Queue[CallbackResult] = asyncio.Queue()
        self.refuse_callbacks = 0
        self.pulls = 0
        self.pulled: asyncio.Queue[UUID] = asyncio.Queue()
        self.server = TestServer(self._app())

    def _app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get("/pull/{uid}", self._pull), web.post("/callback", self._callback)])
        return app

    @property
    def base(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    async def _pull(self, request: web.Request) -> web.Response:
        self.pulls += 1
        uid = UUID(request.match_info["uid"])
        check_pull(request.headers, PROOF, uid, now())
        self.pulled.put_nowait(uid)
        data = self.documents.get(uid)
        return web.Response(body=data) if data is not None else web.Response(status=404)

    async def _callback(self, request: web.Request) -> web.Response:
        result = parse_callback(await request.read(), request.headers, PROOF, now())
        if self.refuse_callbacks:
            self.refuse_callbacks -= 1
            return web.Response(status=503)
        self.answers.put_nowait(result)
        return web.Response(status=204)

    def file(self, **changes: object) -> Filing:
        made = filing(self.base, **changes)
        self.documents[made.local_uid] = document(made.local_uid)
        return made

    async def answer(self) -> CallbackResult:
        return await asyncio.wait_for(self.answers.get(), WAIT)


@pytest.fixture
async def product() -> AsyncIterator[Product]:
    one = Product()
    await one.server.start_server()
    yield one
    await one.server.close()


@dataclasses.dataclass
class Registry:
    server: TestServer
    app: web.Application
    remd: Plain

    def line_settings(self, proof: wire.Proof = PROOF) -> LineSettings:
        base = str(self.server.make_url("")).rstrip("/")
        return LineSettings(
            base_url=base, proof=proof, allowed_bases=(base,), connect_timeout=2, read_timeout=2
        )

    async def register(self, one: Filing) -> str:
        return (await asyncio.to_thread(self.remd.register, one)).message_id

    async def find(self, one: Filing) -> Registered | Rejected | Pending | None:
        return await asyncio.to_thread(self.remd.find, one)

    def mode(self, text: str) -> None:
        self.app[DESK].mode = parse_mode(text)


Start = Callable[..., Awaitable[Registry]]


@pytest.fixture
async def start(product: Product, tmp_path: Path) -> AsyncIterator[Start]:
    running: list[Registry] = []

    async def begin(mode: str = "ok", **changes: object) -> Registry:
        settings = SimulatorSettings(
            data_dir=tmp_path / "registry",
            secret=SECRET,
            product_bases=(product.base,),
            mode=parse_mode(mode),
        )
        app = create_app(dataclasses.replace(settings, **changes))
        server = TestServer(app)
        await server.start_server()
        base = str(server.make_url("")).rstrip("/")
        line = LineSettings(
            base_url=base, proof=PROOF, allowed_bases=(base,), connect_timeout=2, read_timeout=2
        )
        running.append(Registry(server, app, Plain(line)))
        return running[-1]

    yield begin
    for one in running:
        one.remd.close()
        await one.server.close()


def codes(answer: Registered | Rejected) -> list[str]:
    assert isinstance(answer, Rejected)
    return [one.code for one in answer.errors]


# Refusals after the checks


def with_signatures(one: Filing, *datas: bytes) -> Filing:
    made = tuple(personal(document(one.local_uid), f"p{at}", data) for at, data in enumerate(datas, 1))
    return dataclasses.replace(one, personal_signatures=made)


def another_document(one: Filing) -> Filing:
    return with_signatures(one, signature(b"another document"))


def two_in_one(one: Filing) -> Filing:
    return with_signatures(one, signature(document(one.local_uid), "Один", "Другой"))


def with_content(one: Filing) -> Filing:
    return with_signatures(one, signature(document(one.local_uid), detached=False))


def garbage(one: Filing) -> Filing:
    return with_signatures(one, b"\x30\x03\x02\x01\x05")


def forged(one: Filing) -> Filing:
    good = bytearray(signature(document(one.local_uid)))
    good[-3] ^= 0x01
    return with_signatures(one, bytes(good))


def repeated(one: Filing) -> Filing:
    good = signature(document(one.local_uid), "p1")
    return with_signatures(one, good, good)


def other_checksum(one: Filing) -> Filing:
    first, second = one.personal_signatures
    return dataclasses.replace(
        one,
        personal_signatures=(first, dataclasses.replace(second, checksum=hashlib.sha256(b"x").hexdigest())),
    )


def held_by(**changes: object) -> Callable[[Filing], Filing]:
    """The first signer's certificate is another than it should be."""

    def spoil(one: Filing) -> Filing:
        return with_signatures(one, signature(document(one.local_uid), holder("p1", **changes)))

    return spoil


def signer(**changes: object) -> Callable[[Filing], Filing]:
    """The request says something else about the first signer; his certificate agrees with the request."""

    def spoil(one: Filing) -> Filing:
        first = one.personal_signatures[0]
        said = dataclasses.replace(first.signer, **changes)
        given = " ".join(part for part in (said.given, said.patronymic) if part)
        owner = Holder("p1", said.surname, given, wire.digits(said.snils))
        cms = signature(document(one.local_uid), owner)
        return dataclasses.replace(
            one, personal_signatures=(dataclasses.replace(first, signer=said, data=cms),)
        )

    return spoil


def patient(**changes: object) -> Callable[[Filing], Filing]:
    return lambda one: dataclasses.replace(one, patient=dataclasses.replace(one.patient, **changes))


def sealed_first(one: Filing) -> Filing:
    """The organisation signed, and the doctor a good while later."""
    data = document(one.local_uid)
    late = personal(data, "p1")
    seal = one.organisation_signature
    assert seal is not None
    early = signature(data, moment=now() - timedelta(minutes=1))
    return dataclasses.replace(
        one, personal_signatures=(late,), organisation_signature=dataclasses.replace(seal, data=early)
    )


REJECTED: dict[str, tuple[Callable[[Filing], Filing], list[str]]] = {
    "signature over another document": (another_document, ["DIGEST_MISMATCH"]),
    "two signers in one container": (two_in_one, ["MULTIPLE_SIGNERS"]),
    "content inside the container": (with_content, ["WRONG_SIGNATURE_FORMAT"]),
    "no container at all": (garbage, ["SIGNATURE_DECODING_ERROR"]),
    "forged signature": (forged, ["SIGNATURE_VERIFICATION_ERROR"]),
    "the same signature twice": (repeated, ["SIGNATURE_DUPLICATION", "VALUE_MISMATCH_METADATA_AND_CERTIFICATE"]),
    "checksums that differ": (other_checksum, ["INCONSISTENT_DIGESTS", "DIGEST_MISMATCH"]),
    "no signatures": (with_signatures, ["NO_SIGNATURE"]),
    "no organisation's signature": (
        lambda one: dataclasses.replace(one, organisation_signature=None), ["ORG_SIGNATURE_OCCURRENCE_MISMATCH"],
    ),
    "unknown kind": (lambda one: dataclasses.replace(one, kind_code="87"), ["OBJECT_NOT_FOUND"]),
    "made tomorrow": (
        lambda one: dataclasses.replace(one, created_at=now() + timedelta(days=1)), ["WRONG_CREATION_DATE"],
    ),
    "signed under another name": (held_by(surname="Другова"), ["VALUE_MISMATCH_METADATA_AND_CERTIFICATE"]),
    "signed under another number": (held_by(snils="00000000000"), ["VALUE_MISMATCH_METADATA_AND_CERTIFICATE"]),
    "a certificate that names no person": (
        held_by(surname="", given="", snils=""), ["VALUE_MISMATCH_METADATA_AND_CERTIFICATE"],
    ),
    "a certificate that had ended": (
        held_by(days=(9, -1)), ["DOC_DATE_MISMATCH_CERT_NOT_AFTER", "PERSONAL_SIG_CERT_NOT_ACTUAL_ON_CHECK_DT"],
    ),
    "a certificate that has not begun": (held_by(days=(-1, 9)), ["DOC_DATE_MISMATCH_CERT_NOT_BEFORE"]),
    "a key that is not for signing": (held_by(signs=False), ["INVALID_CERT_KEY_USAGE"]),
    "another surname than in the document": (signer(surname="Другова"), ["INVALID_DOCTOR_FAMILY"]),
    "another name than in the document": (signer(given="Олег"), ["INVALID_DOCTOR_NAME"]),
    "another patronymic than in the document": (signer(patronymic="Олеговна"), ["INVALID_DOCTOR_PATRONYMIC"]),
    "another number than in the document": (signer(snils="00000000000"), ["INVALID_DOCTOR_SNILS"]),
    "a signer the document does not name": (
        signer(local_id="stranger"), ["LEGAL_AUTHENTICATOR_NOT_FOUND", "INVALID_DOCTOR_INFO"],
    ),
    "a signer without a post": (signer(post_code=""), ["VALIDATION_ERROR"]),
    "the organisation before the doctor": (sealed_first, ["VALIDATION_ERROR"]),
    "patient without a surname": (patient(surname=""), ["PATIENT_SURNAME_NOT_FOUND"]),
    "patient without a name": (patient(given=""), ["PATIENT_NAME_NOT_FOUND"]),
    "made before the kind was": (
        lambda one: dataclasses.replace(one, created_at=datetime(2020, 1, 1, tzinfo=UTC)),
        ["NO_DOCUMENT_KIND_ON_DATE"],
    ),
    "a predecessor nobody knows": (
        lambda one: dataclasses.replace(one, replaces=uuid4()), ["REGISTRY_ITEM_NOT_FOUND"],
    ),
    "patient without a number": (
        lambda one: dataclasses.replace(one, patient=dataclasses.replace(one.patient, snils="")), ["NO_SNILS"],
    ),
    "authenticator among the missing": (
        lambda one: dataclasses.replace(one, personal_signatures=one.personal_signatures[1:]),
        ["LEGAL_AUTHENTICATOR_NOT_FOUND"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REJECTED)
async def test_a_filing_with_a_fault_is_rejected_with_its_code(
    start: Start, product: Product, name: str
) -> None:
    spoil, expected = REJECTED[name]
    registry = await start()
    one = spoil(product.file())
    message = await registry.register(one)
    result = await product.answer()
    assert (result.local_uid, result.message_id) == (one.local_uid, message)
    assert codes(result.answer) == expected
    assert await registry.find(one) == result.answer


async def test_bytes_changed_after_registration_are_rejected(start: Start, product: Product) -> None:
    registry = await start()
    one = product.file()
    product.documents[one.local_uid] = document(one.local_uid).replace(b"FOLFOX", b"FOLFIX")
    await registry.register(one)
    assert "DIGEST_MISMATCH" in codes((await product.answer()).answer)


async def test_a_document_with_another_id_inside_is_rejected(start: Start, product: Product) -> None:
    registry = await start()
    other = document(uuid4())
    digest = hashlib.sha256(other).hexdigest()
    one = product.file(
        document_sha256=digest,
        personal_signatures=(personal(other, "p1"),),
        organisation_signature=OrganisationSignature(data=signature(other), checksum=digest),
    )
    product.documents[one.local_uid] = other
    await registry.register(one)
    assert codes((await product.answer()).answer) == ["ATTRIBUTE_MISMATCH"]


async def test_foreign_signers_are_rejected_when_the_system_has_no_permission(
    start: Start, product: Product
) -> None:
    registry = await start(own_signers_only=True)
    one = product.file()
    first, second = one.personal_signatures
    guest = dataclasses.replace(second, signer=dataclasses.replace(second.signer, organisation_oid="1.2.3"))
    await registry.register(dataclasses.replace(one, personal_signatures=(first, guest)))
    assert codes((await product.answer()).answer) == ["SIGNER_ORG_MISMATCH"]


# Refusals at the door


async def test_a_registration_without_the_secret_is_refused(start: Start, product: Product) -> None:
    registry = await start()
    stranger = Plain(registry.line_settings(wire.Proof(b"not the shared secret")))
    with pytest.raises(RegistryRefused) as refused:
        await asyncio.to_thread(stranger.register, product.file())
    assert refused.value.code == "registry_access_denied"
    with pytest.raises(RegistryRefused):
        await asyncio.to_thread(stranger.find, product.file())
    assert product.pulls == 0


async def test_a_known_document_under_another_key_is_refused(start: Start, product: Product) -> None:
    registry = await start()
    one = product.file()
    await registry.register(one)
    with pytest.raises(RegistryRefused) as refused:
        await registry.register(dataclasses.replace(one, version=2))
    assert [found.code for found in refused.value.errors] == ["NOT_UNIQUE_PROVIDED_ID"]


@pytest.mark.parametrize("field", ["pull_url", "callback_url"])
@pytest.mark.parametrize(
    "url", ["http://127.0.0.2:1/x", "file:///etc/passwd", "http://127.0.0.1:1@example.org/"]
)
async def test_an_address_that_is_not_the_products_is_refused(
    start: Start, product: Product, field: str, url: str
) -> None:
    registry = await start()
    with pytest.raises(RegistryRefused) as refused:
        await registry.register(product.file(**{field: url}))
    assert [found.code for found in refused.value.errors] == ["NO_RMIS"]


async def test_a_request_that_is_no_registration_is_refused(start: Start) -> None:
    registry = await start()
    body = b'{"localUid": "x", "nested": ' + b"[" * 5000 + b"]" * 5000 + b"}"
    headers = wire.sign(SECRET, "register", "k", body, now())
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            registry.server.make_url("/register"), data=body, headers={**headers, wire.KEY_HEADER: "k"}
        ) as answer,
    ):
        assert answer.status == 400
        assert (await answer.json())["errors"][0]["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    "text", ["", "unheard", "error", "error:5", "slow:X", "ok:1", "down:A", "error:lower"]
)
def test_an_unknown_behaviour_is_refused(text: str) -> None:
    with pytest.raises(UnknownModeError):
        parse_mode(text)


async def test_a_foreign_page_cannot_change_the_behaviour(start: Start) -> None:
    registry = await start()
    url = registry.server.make_url("/mode")
    async with aiohttp.ClientSession() as session:
        async with session.post(
            url, data={"mode": "down"}, headers={"Origin": "http://evil.example"}
        ) as answer:
            assert answer.status == 403
        async with session.post(url, json={"mode": "no such"}) as answer:
            assert answer.status == 422
        assert registry.app[DESK].mode == Mode("ok")
        async with session.post(url, json={"mode": "slow:0.5"}) as answer:
            assert await answer.json() == {"mode": "slow:0.5"}
    assert registry.app[DESK].mode == Mode("slow", "0.5")


# Acceptance


async def test_a_good_filing_gets_a_number(start: Start, product: Product) -> None:
    registry = await start()
    one = product.file()
    message = await registry.register(one)
    result = await product.answer()
    assert isinstance(result.answer, Registered)
    assert (result.local_uid, result.message_id) == (one.local_uid, message)
    assert result.answer.emdr_id.endswith(".000000001")
    assert await registry.find(one) == result.answer


async def test_registering_again_is_one_document_with_one_number_and_the_callback_comes_again(
    start: Start, product: Product
) -> None:
    registry = await start()
    one = product.file()
    first = await registry.register(one)
    number = (await product.answer()).answer
    assert await registry.register(one) == first
    assert (await product.answer()).answer == number
    assert product.pulls == 1
    assert len(registry.app[DESK].archive.entries()) == 1


async def test_three_copies_at_once_are_one_document(start: Start, product: Product) -> None:
    registry = await start()
    one = product.file()
    remds = [Plain(registry.line_settings()) for _ in range(3)]
    acks = await asyncio.gather(*(asyncio.to_thread(remd.register, one) for remd in remds))
    assert len({ack.message_id for ack in acks}) == 1
    assert isinstance((await product.answer()).answer, Registered)
    assert len(registry.app[DESK].archive.entries()) == 1


async def test_a_rejected_filing_may_be_sent_again_under_the_same_key(start: Start, product: Product) -> None:
    registry = await start("error:RATE_LIMIT")
    one = product.file()
    first = await registry.register(one)
    assert codes((await product.answer()).answer) == ["RATE_LIMIT"]
    registry.mode("ok")
    assert await registry.register(one) != first
    assert isinstance((await product.answer()).answer, Registered)


async def test_an_accepted_document_survives_a_restart_of_the_registry(
    start: Start, product: Product
) -> None:
    registry = await start()
    one = product.file()
    await registry.register(one)
    number = (await product.answer()).answer
    await registry.server.close()
    again = await start()
    assert await again.find(one) == number
    await again.register(one)
    assert (await product.answer()).answer == number
    assert product.pulls == 1


async def test_a_product_that_is_away_is_waited_for(start: Start, product: Product) -> None:
    registry = await start()
    one = product.file()
    kept = product.documents.pop(one.local_uid)
    await registry.register(one)
    for _ in range(2):
        assert await asyncio.wait_for(product.pulled.get(), WAIT) == one.local_uid
    assert isinstance(await registry.find(one), Pending)
    product.refuse_callbacks = 2
    product.documents[one.local_uid] = kept
    assert isinstance((await product.answer()).answer, Registered)
    assert product.refuse_callbacks == 0


async def test_a_registration_taken_before_a_crash_is_examined_after_it(
    start: Start, product: Product, tmp_path: Path
) -> None:
    one = product.file()
    archive = Archive(tmp_path / "registry" / "filings.sqlite3")
    archive.receive(wire.registration(one), now())
    archive.close()
    await start()
    assert isinstance((await product.answer()).answer, Registered)


async def test_a_new_version_takes_the_place_of_the_old_one_once(start: Start, product: Product) -> None:
    registry = await start()
    first = product.file()
    await registry.register(first)
    await product.answer()
    second = product.file(replaces=first.local_uid)
    await registry.register(second)
    assert isinstance((await product.answer()).answer, Registered)
    third = product.file(replaces=first.local_uid)
    await registry.register(third)
    assert codes((await product.answer()).answer) == ["NOT_UNIQUE_ASSOCIATION"]
    assert registry.app[DESK].archive.find(second.idempotency_key).status == "accepted"


# Behaviours, seen through the product's own state machine


async def settle(state: states.FilingState, one: Filing, registry: Registry) -> states.FilingState:
    """One due step as the product's worker takes it, whatever the clock says."""
    at = state.next_try or now()
    try:
        if state.status is Status.WAITING:
            return states.asked(state, await registry.find(one), at, 0.0)
        state = states.started(state, at)
        ack = await asyncio.to_thread(registry.remd.register, one)
        return states.acknowledged(state, ack, at)
    except FilingError as error:
        return states.failed(state, error, at, 0.0)


async def test_a_registry_that_is_down_is_tried_again_until_it_is_back(
    start: Start, product: Product
) -> None:
    registry = await start("down")
    one, state = product.file(), states.queued(now())
    for tries in (1, 2):
        state = await settle(state, one, registry)
        assert (state.status, state.attempts, state.reason) == (Status.QUEUED, tries, "registry_unavailable")
    registry.mode("ok")
    state = await settle(state, one, registry)
    assert state.status is Status.WAITING
    result = await product.answer()
    state = states.answered(state, result.answer, result.message_id, now(), 0.0)
    assert state.status is Status.REGISTERED


async def test_a_silent_registry_is_asked(start: Start, product: Product) -> None:
    registry = await start("silent")
    one = product.file()
    state = await settle(states.queued(now()), one, registry)
    while not state.final:
        state = await settle(state, one, registry)
    assert state.status is Status.REGISTERED
    assert product.answers.empty()


async def test_an_answer_told_twice_counts_once(start: Start, product: Product) -> None:
    registry = await start("twice")
    one = product.file()
    state = await settle(states.queued(now()), one, registry)
    first, second = await product.answer(), await product.answer()
    assert first == second
    once = states.answered(state, first.answer, first.message_id, now(), 0.0)
    assert states.answered(once, second.answer, second.message_id, now(), 0.0) is once


async def test_garbage_is_no_answer_and_ends_as_a_dead_letter(start: Start, product: Product) -> None:
    registry = await start("garbage")
    one, state = product.file(), states.queued(now())
    with pytest.raises(RegistryBroken):
        await registry.register(one)
    while not state.final:
        state = await settle(state, one, registry)
    assert (state.status, state.reason, state.attempts) == (
        Status.DEAD,
        "registry_broken",
        states.BROKEN_LIMIT,
    )


async def test_a_slow_registry_is_not_waited_for_forever(start: Start, product: Product) -> None:
    registry = await start("slow:4")
    with pytest.raises(RegistryUnavailable):
        await registry.register(product.file())


async def test_a_refusal_at_once_is_final(start: Start, product: Product) -> None:
    registry = await start("refuse:ORG_NOT_FOUND_IN_FRMO")
    state = await settle(states.queued(now()), product.file(), registry)
    assert state.status is Status.REJECTED
    assert state.errors == (
        RegistryError(code="ORG_NOT_FOUND_IN_FRMO", number=0, message="Отказ по заказу испытателя"),
    )


async def test_a_worker_killed_after_the_registry_accepted_finds_the_receipt(
    start: Start, product: Product
) -> None:
    registry = await start()
    one = product.file()
    before = states.queued(now())
    await settle(before, one, registry)  # the state after this was never stored
    lost = await product.answer()
    state = await settle(before, one, registry)
    found = await product.answer()
    assert found.answer == lost.answer
    assert states.answered(state, found.answer, found.message_id, now(), 0.0).status is Status.REGISTERED
    assert len(registry.app[DESK].archive.entries()) == 1


# The page


async def test_the_page_shows_documents_and_no_patient_in_both_languages(
    start: Start, product: Product
) -> None:
    registry = await start()
    one = product.file(document_number="<script>alert(1)</script>")
    await registry.register(one)
    await product.answer()
    async with aiohttp.ClientSession() as session:
        for language, word in (("ru", "зарегистрирован"), ("en", "registered")):
            async with session.get(registry.server.make_url(f"/?lang={language}")) as answer:
                page = await answer.text()
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert f'<html lang="{language}">' in page
            assert word in page
            assert "<script>" not in page
            assert "Страдальский" not in page
        async with session.get(registry.server.make_url("/documents.json")) as answer:
            text = await answer.text()
            assert "Страдальский" not in text
            assert (await answer.json())["documents"][0]["callbacks"] == 1


# The program


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.asynccontextmanager
async def program(port: int, folder: Path, product: Product) -> AsyncIterator[asyncio.subprocess.Process]:
    """The simulator as its own process, listening; killed at the end if it still runs."""
    command = [sys.executable, "-m", "web.simulator", "--port", str(port), "--data", str(folder)]
    environment = {**os.environ, "CONSILIUM_REGISTRY_SECRET": SECRET.decode()}
    process = await asyncio.create_subprocess_exec(
        *command, "--product", product.base, env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr
    try:
        while b"registry.ready" not in await asyncio.wait_for(process.stderr.readline(), WAIT):
            pass
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_the_program_serves_and_stops_on_a_signal(product: Product, tmp_path: Path) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    remd = Plain(LineSettings(base_url=base, proof=PROOF, allowed_bases=(base,)))
    async with program(port, tmp_path, product) as process:
        await asyncio.to_thread(remd.register, product.file())
        assert isinstance((await product.answer()).answer, Registered)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), WAIT) == 0


async def test_a_registry_killed_at_work_goes_on_where_it_was(product: Product, tmp_path: Path) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    remd = Plain(LineSettings(base_url=base, proof=PROOF, allowed_bases=(base,)))
    one = product.file()
    kept = product.documents.pop(one.local_uid)
    async with program(port, tmp_path, product) as process:
        await asyncio.to_thread(remd.register, one)
        assert await asyncio.wait_for(product.pulled.get(), WAIT) == one.local_uid
        process.kill()
        await process.wait()
    product.documents[one.local_uid] = kept
    async with program(port, tmp_path, product) as process:
        number = (await product.answer()).answer
        assert isinstance(number, Registered)
        process.kill()
        await process.wait()
    async with program(port, tmp_path, product):
        await asyncio.to_thread(remd.register, one)
        assert (await product.answer()).answer == number


async def test_the_program_does_not_start_without_a_secret(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONSILIUM_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "web.simulator", "--data", str(tmp_path),
        env=environment, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await process.communicate()
    assert process.returncode == 2
    assert b"CONSILIUM_REGISTRY_SECRET" in said


@pytest.mark.parametrize("kind", [ProtocolKind.ONCOLOGICAL, ProtocolKind.CONSULTATION])
def test_the_registry_reads_a_patronymic_wherever_the_kind_of_document_keeps_it(kind: ProtocolKind) -> None:
    document = etree.fromstring(render(facts(kind=kind)))
    (entity,) = document.findall("{*}legalAuthenticator/{*}assignedEntity")
    assert checks._named(entity) == ("Чайкина", "Анна", "Сергеевна")
