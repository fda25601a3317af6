"""Every route and every command against every role. Whoever adds one without a row here breaks this test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from aiohttp import ClientResponse

from consilium import commands, demo
from tests.web.conftest import ORIGIN, Visit, Visitor
from tests.web.stage import Stage
from web.api.commands import BY_POST
from web.app import ROUTES
from web.site import SITE

ROLES = (
    "stranger",  # nobody signed in
    "outsider",  # a doctor of an organisation that has nothing to do with the case
    "outsider.coordinator",  # its coordinator
    "ivanova",  # the doctor who asked
    "coordinator",  # of the organisation that decides
    "chair",
    "member1",
    "observer",
    "expert",  # of the same organisation, without a seat
    "nmic.admin",  # its administrator, registrar and operator
)

# Route -> status for the roles in the order of ROLES. 303: sent to the sign-in page, or away from it.
ROUTE_TABLE: dict[tuple[str, str], tuple[int, ...]] = {
    ("GET", "/"): (303, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    ("GET", "/sign-in"): (200, 303, 303, 303, 303, 303, 303, 303, 303, 303),
    ("GET", "/settings"): (303, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    ("GET", "/requests"): (303, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    ("GET", "/requests/new"): (303, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    ("GET", "/requests/{id}"): (303, 404, 404, 200, 200, 200, 200, 404, 404, 200),
    ("GET", "/journal/{id}"): (303, 404, 404, 200, 200, 200, 200, 404, 404, 200),
    ("GET", "/consilia"): (303, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    ("GET", "/consilia/new"): (303, 404, 200, 404, 200, 404, 404, 404, 404, 404),
    ("GET", "/consilia/{id}"): (303, 404, 404, 200, 200, 200, 200, 200, 404, 200),
    ("GET", "/consilia/{id}/check"): (303, 404, 404, 200, 404, 200, 200, 200, 404, 404),
    ("GET", "/room/{id}"): (303, 404, 404, 200, 404, 200, 200, 200, 404, 404),
    ("GET", "/protocols/{id}"): (303, 404, 404, 200, 200, 200, 200, 404, 404, 200),
    ("GET", "/signing"): (303, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    ("GET", "/check/{id}"): (404, 404, 404, 404, 404, 404, 404, 404, 404, 404),
    ("GET", "/bodies"): (303, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    ("GET", "/register"): (303, 403, 200, 403, 200, 403, 403, 403, 403, 200),
    ("GET", "/register/export.{format}"): (404, 404, 404, 404, 404, 404, 404, 404, 404, 404),
    ("GET", "/exchange"): (303, 403, 403, 403, 403, 403, 403, 403, 403, 200),
    ("GET", "/filings"): (303, 403, 200, 403, 200, 403, 403, 403, 403, 200),
    ("GET", "/filings/{id}"): (303, 403, 404, 403, 404, 403, 403, 403, 403, 404),
    ("GET", "/people"): (303, 403, 403, 403, 403, 403, 403, 403, 403, 200),
    ("GET", "/quality"): (303, 403, 403, 403, 403, 403, 403, 403, 403, 200),
    ("GET", "/health.page"): (303, 403, 403, 403, 403, 403, 403, 403, 403, 200),
    ("POST", "/api/session.begin"): (401, 401, 401, 401, 401, 401, 401, 401, 401, 401),
    ("POST", "/api/session.end"): (401, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    ("POST", "/api/room.ticket"): (401, 404, 404, 200, 404, 200, 200, 200, 404, 404),
    ("POST", "/api/document.upload"): (401, 404, 404, 409, 409, 403, 403, 404, 404, 403),
    ("GET", "/api/find"): (401, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    ("GET", "/api/protocol.document/{id}"): (401, 404, 404, 200, 200, 200, 200, 404, 404, 200),
    ("GET", "/api/protocol.status/{id}"): (401, 404, 404, 200, 200, 200, 200, 404, 404, 200),
    ("GET", "/api/protocol.particulars/{id}"): (401, 404, 404, 200, 200, 200, 200, 404, 404, 200),
    ("GET", "/api/dissent.document/{id}/{dissent}"): (401, 404, 404, 200, 200, 200, 200, 404, 404, 200),
    ("POST", "/api/protocol.check"): (401, 404, 404, 200, 200, 200, 200, 404, 404, 200),
    ("GET", "/api/nsi/{dictionary}"): (401, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    ("POST", "/api/{name}"): (401, 422, 422, 422, 422, 422, 422, 422, 422, 422),
    ("GET", "/files/{case}/{document}"): (401, 404, 404, 200, 200, 200, 200, 403, 404, 200),
    ("GET", "/recordings/{id}/{segment}"): (303, 404, 404, 403, 404, 404, 403, 403, 404, 404),
    ("GET", "/requests/{id}/referral.xml"): (303, 404, 404, 200, 200, 200, 200, 404, 404, 200),
    ("GET", "/packages/{id}.asice"): (401, 404, 404, 404, 404, 404, 404, 404, 404, 404),
    ("GET", "/consilium/{id}.ics"): (303, 404, 404, 200, 200, 200, 200, 200, 404, 200),
    ("GET", "/health"): (503, 503, 503, 503, 503, 503, 503, 503, 503, 503),
    ("GET", "/metrics"): (200, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    ("POST", "/registry/callback"): (403, 403, 403, 403, 403, 403, 403, 403, 403, 403),
    ("POST", "/registry/soap"): (404, 404, 404, 404, 404, 404, 404, 404, 404, 404),
    ("GET", "/registry/documents/{local_uid}"): (403, 403, 403, 403, 403, 403, 403, 403, 403, 403),
    ("GET", "/authority/crl"): (200, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    ("GET", "/favicon.ico"): (301, 301, 301, 301, 301, 301, 301, 301, 301, 301),
}

# Command -> answer for the roles in the order of ROLES. The requests are such that even who may is refused,
# by a later check: nothing changes, and the code tells how far each role came.
COMMAND_TABLE: dict[str, str] = {
    "settings.change": "not_signed_in ok ok ok ok ok ok ok ok ok",
    "password.change": "not_signed_in bad_credentials bad_credentials bad_credentials bad_credentials bad_credentials bad_credentials bad_credentials bad_credentials bad_credentials",
    "certificate.request": "not_signed_in invalid_field invalid_field invalid_field invalid_field invalid_field invalid_field invalid_field invalid_field invalid_field",
    "certificate.revoke": "not_signed_in not_found not_found not_found not_found not_found not_found not_found not_found not_found",
    "person.add": "not_signed_in forbidden forbidden forbidden forbidden forbidden forbidden forbidden forbidden invalid_field",
    "webhook.set": "not_signed_in forbidden forbidden forbidden forbidden forbidden forbidden forbidden forbidden invalid_field",
    "webhook.remove": "not_signed_in forbidden forbidden forbidden forbidden forbidden forbidden forbidden forbidden not_found",
    "route.open": "not_signed_in forbidden forbidden forbidden forbidden forbidden forbidden forbidden forbidden invalid_field",
    "organisation.change": "not_signed_in forbidden forbidden forbidden forbidden forbidden forbidden forbidden forbidden ok",
    "register.export": "not_signed_in forbidden not_found forbidden not_found forbidden forbidden forbidden forbidden not_found",
    "body.establish": "not_signed_in forbidden forbidden forbidden forbidden forbidden forbidden forbidden forbidden composition_invalid",
    "request.create": "not_signed_in unknown_code forbidden unknown_code forbidden unknown_code unknown_code unknown_code unknown_code forbidden",
    "request.save": "not_signed_in not_found not_found stale_revision not_found not_found not_found not_found not_found not_found",
    "request.complete": "not_signed_in not_found not_found forbidden not_found not_found not_found not_found not_found not_found",
    "request.send": "not_signed_in not_found not_found field_required not_found not_found not_found not_found not_found not_found",
    "request.return": "not_signed_in not_found not_found forbidden not_found not_found not_found not_found not_found not_found",
    "request.answer": "not_signed_in not_found not_found wrong_step not_found not_found not_found not_found not_found not_found",
    "request.accept": "not_signed_in not_found not_found forbidden not_found not_found not_found not_found not_found not_found",
    "request.refuse": "not_signed_in not_found not_found forbidden not_found not_found not_found not_found not_found not_found",
    "request.cancel": "not_signed_in not_found not_found wrong_step forbidden forbidden forbidden not_found not_found forbidden",
    "document.attach": "not_signed_in not_found not_found wrong_step wrong_step forbidden forbidden not_found not_found forbidden",
    "document.detach": "not_signed_in not_found not_found wrong_step wrong_step forbidden forbidden not_found not_found forbidden",
    "document.open": "not_signed_in not_found not_found not_found not_found not_found not_found not_admitted not_found not_found",
    "consilium.schedule": "not_signed_in forbidden invalid_field forbidden invalid_field forbidden forbidden forbidden forbidden forbidden",
    "consilium.reschedule": "not_signed_in not_found not_found forbidden stale_revision forbidden forbidden forbidden forbidden forbidden",
    "consilium.seats": "not_signed_in not_found not_found forbidden stale_revision forbidden forbidden forbidden forbidden forbidden",
    "consilium.cancel": "not_signed_in not_found not_found forbidden wrong_step forbidden forbidden forbidden forbidden forbidden",
    "protocol.rewrite": "not_signed_in not_found not_found not_your_role not_found draft_frozen not_your_role not_found not_found not_found",
    "protocol.particulars": "not_signed_in not_found not_found not_your_role not_found draft_frozen not_your_role not_found not_found not_found",
    "protocol.freeze": "not_signed_in not_found not_found not_your_role not_found draft_frozen not_your_role not_found not_found not_found",
    "protocol.begin_signing": "not_signed_in not_found not_found ok not_a_signer ok ok not_a_signer not_found not_a_signer",
    "protocol.open": "not_signed_in not_found not_found digest_mismatch not_a_signer digest_mismatch digest_mismatch not_a_signer not_found not_a_signer",
    "protocol.upload_signature": "not_signed_in not_found not_found digest_mismatch not_a_signer digest_mismatch digest_mismatch not_a_signer not_found not_a_signer",
    "protocol.replace_signer": "not_signed_in not_found not_found not_your_role not_found not_found not_your_role not_found not_found not_found",
    "readiness.begin": "not_signed_in ok ok ok ok ok ok ok ok ok",
    "readiness.answer": "not_signed_in challenge_expired challenge_expired challenge_expired challenge_expired challenge_expired challenge_expired challenge_expired challenge_expired challenge_expired",
    "protocol.sign": "not_signed_in not_found not_found challenge_expired not_a_signer challenge_expired challenge_expired not_a_signer not_found not_a_signer",
    "dissent.sign": "not_signed_in not_found not_found not_a_signer not_a_signer not_a_signer challenge_expired not_a_signer not_found not_a_signer",
    "protocol.decline": "not_signed_in not_found not_found reason_required reason_required reason_required reason_required not_found not_found reason_required",
    "protocol.reopen": "not_signed_in not_found not_found not_your_role not_found reason_required not_your_role not_found not_found not_found",
    "protocol.release": "not_signed_in not_found not_found not_your_role not_found reason_required not_your_role not_found not_found not_found",
    "dissent.release": "not_signed_in not_found not_found not_your_role not_found reason_required not_your_role not_found not_found not_found",
    "protocol.extract": "not_signed_in not_found not_found not_your_role not_found wrong_step not_your_role not_found not_found not_found",
    "referral.make": "not_signed_in not_found not_found wrong_step forbidden forbidden forbidden not_found not_found forbidden",
    "protocol.annul": "not_signed_in not_found not_found not_your_role not_found wrong_step not_your_role not_found not_found not_found",
    "protocol.replace": "not_signed_in not_found not_found not_your_role not_found wrong_step not_your_role not_found not_found not_found",
    "protocol.withdraw": "not_signed_in not_found not_found not_your_role not_found wrong_step not_your_role not_found not_found not_found",
    "protocol.file_again": "not_signed_in not_found not_found not_found wrong_step forbidden forbidden forbidden forbidden wrong_step",
}

ZEROES = "0" * 64
PAST, FAR = "2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Ids:
    """Objects of one played consilium with a frozen protocol, and a draft of a request."""

    case: UUID
    document: UUID
    consilium: UUID
    protocol: UUID
    signature: UUID
    dissent: UUID
    draft: UUID
    chair: UUID


def objects(stage: Stage) -> Ids:
    protocol = stage.frozen(dissent=True)
    with stage.service.parts.store.read() as reader:
        found = reader.protocol(protocol)
        return Ids(
            case=found.case_id,
            document=reader.case(found.case_id).documents[0].id,
            consilium=found.consilium_id,
            protocol=protocol,
            signature=next(one.id for one in found.signatures if one.role == "deputy"),
            dissent=found.dissents[0].id,
            draft=stage.case("draft"),
            chair=stage.person("chair"),
        )


async def cast(visit: Visit) -> dict[str, Visitor]:
    """Every role in a browser of its own."""
    return {role: await visit(None if role == "stranger" else role) for role in ROLES}


# --- routes -----------------------------------------------------------------------------------------


def address(path: str, ids: Ids) -> str:
    """The route's address with the played objects in it."""
    owner = {"requests": ids.case, "journal": ids.case, "protocols": ids.protocol, "packages": ids.protocol}
    owner |= {
        "filings": ids.protocol,
        "consilia": ids.consilium,
        "consilium": ids.consilium,
        "room": ids.consilium,
        "recordings": ids.consilium,
        "api": ids.protocol,
    }
    places = {
        "{id}": owner.get(path.split("/")[1]),
        "{case}": ids.case,
        "{document}": ids.document,
        "{dissent}": ids.dissent,
        "{segment}": uuid4(),
        "{local_uid}": uuid4(),
        "{name}": "no.such",
        "{dictionary}": "11.1040",
    }
    for place, value in places.items():
        path = path.replace(place, str(value))
    return path


async def ask(visitor: Visitor, method: str, path: str, ids: Ids) -> ClientResponse:
    if method == "GET":
        return await visitor.get(address(path, ids))
    if path == "/api/document.upload":
        query = f"?request={ids.case}&title=x&kind=other"
        headers = {"Origin": ORIGIN, "X-Consilium": "1"}
        return await visitor.http.post(path + query, data=b"text", headers=headers, cookies=visitor.cookies)
    if path.startswith("/registry/"):
        return await visitor.http.post(path, data=b"{}", cookies=visitor.cookies)
    fields: dict[str, Any] = (
        {"login": "nobody", "password": "wrong"} if path.endswith("session.begin") else {}
    )
    if path == "/api/room.ticket":
        fields = {"consilium": str(ids.consilium)}
    if path == "/api/protocol.check":
        fields = {"protocol": str(ids.protocol)}
    return await visitor.post(address(path, ids).removeprefix("/api/"), **fields)


async def test_every_route_answers_every_role_as_the_table_says(visit: Visit, stage: Stage) -> None:
    ids = objects(stage)
    roles = await cast(visit)
    # Signing out comes last: it takes the sessions with it.
    for route in sorted(ROUTES, key=lambda one: one.path == "/api/session.end"):
        for role, expected in zip(ROLES, ROUTE_TABLE[route.method, route.path], strict=True):
            refill(roles[role])
            answer = await ask(roles[role], route.method, route.path, ids)
            assert answer.status == expected, f"{route.method} {route.path} as {role}: {answer.status}"
            await answer.release()


def refill(visitor: Visitor) -> None:
    """The walk is faster than any person: limits have a test of their own."""
    assert visitor.http.server.app is not None
    visitor.http.server.app[SITE].limits.buckets.clear()


def test_every_route_has_a_row() -> None:
    assert {(one.method, one.path) for one in ROUTES} == set(ROUTE_TABLE)


# --- commands ---------------------------------------------------------------------------------------


def payloads(ids: Ids) -> dict[str, dict[str, Any]]:
    """Requests that change nothing whoever sends them."""
    nmic = str(demo.ORGANISATIONS["nmic"].id)
    draft, case, protocol = (
        {"request": str(ids.draft)},
        {"request": str(ids.case)},
        {"protocol": str(ids.protocol)},
    )
    seat = {"person": str(ids.chair), "role": "chair"}
    consilium = {"consilium": str(ids.consilium)}
    signing = {"challenge": "x", "digest": ZEROES, "cms": "AAAA"}
    person = {"login": "x1", "password": "12345678", "surname": "", "given": "x", "snils": "12345678901"}
    return {
        "settings.change": {},
        "password.change": {"current": "wrong", "new": "long enough"},
        "certificate.request": {"csr": "AAAA"},
        "certificate.revoke": {"certificate": str(uuid4()), "reason": "x"},
        "person.add": {**person, "position": "x", "duties": []},
        "webhook.set": {"url": "https://elsewhere.example/in", "secret": "x" * 20},
        "webhook.remove": {},
        "route.open": {"profile": "x", "sender": nmic},
        "organisation.change": {
            "okpo": "",
            "phone": "",
            "address": "",
            "region": "",
            "region_name": "",
            "postal_code": "",
            "licence": "",
            "licence_issuer": "",
        },
        "register.export": {"keeper": str(uuid4()), "year": 2026, "format": "csv"},
        "body.establish": {"name": "x", "order_number": "1", "order_date": "2026-01-01", "members": []},
        "request.create": {"fields": {"goal_code": "999"}},
        "request.save": {**draft, "revision": 999, "fields": {}},
        "request.complete": {**draft, "fields": {}},
        "request.send": draft,
        "request.return": {**draft, "items": ["x"]},
        "request.answer": {**draft, "item": str(uuid4()), "answer": "x"},
        "request.accept": draft,
        "request.refuse": {**draft, "reason_code": "other", "reason": " "},
        "request.cancel": {**case, "reason": "x"},
        "document.attach": {**case, "title": "x", "digest": ZEROES, "size": 1, "media_type": "text/plain"},
        "document.detach": {**case, "document": str(ids.document)},
        "document.open": {**case, "document": str(uuid4())},
        "consilium.schedule": {
            "kind": "general",
            "organisation": nmic,
            "scheduled_at": PAST,
            "cases": [str(ids.case)],
            "seats": [seat, seat],
        },
        "consilium.reschedule": {**consilium, "revision": 999, "scheduled_at": FAR, "duration_minutes": 30},
        "consilium.seats": {**consilium, "revision": 999, "seats": [seat, seat]},
        "consilium.cancel": {**consilium, "reason": "x"},
        "protocol.rewrite": {**protocol, "section": "course", "before": "0" * 64, "text": "x"},
        "protocol.particulars": {**protocol, "before": ZEROES, "particulars": {}},
        "protocol.freeze": protocol,
        "protocol.begin_signing": protocol,
        "protocol.open": {**protocol, "digest": ZEROES},
        "protocol.upload_signature": {**protocol, "digest": ZEROES, "file": "AAAA"},
        "protocol.replace_signer": {
            **protocol,
            "signature": str(ids.signature),
            "stand_in": str(uuid4()),
            "reason": " ",
        },
        "readiness.begin": {"provider": "browser", "device": "x"},
        "readiness.answer": {"provider": "browser", "device": "x", "challenge": "x"},
        "protocol.sign": {**protocol, **signing},
        "dissent.sign": {**protocol, **signing, "dissent": str(ids.dissent)},
        "protocol.decline": {**protocol, "reason": " "},
        "protocol.reopen": {**protocol, "reason": " "},
        "protocol.release": {**protocol, "signature": str(ids.signature), "reason": " "},
        "dissent.release": {**protocol, "dissent": str(ids.dissent), "reason": " "},
        "protocol.extract": protocol,
        "referral.make": case,
        "protocol.annul": {**protocol, "reason": "x"},
        "protocol.replace": protocol,
        "protocol.withdraw": {**protocol, "reason": "x"},
        "protocol.file_again": protocol,
    }


async def test_every_command_answers_every_role_as_the_table_says(visit: Visit, stage: Stage) -> None:
    ids = objects(stage)
    roles, fields = await cast(visit), payloads(ids)
    for name in BY_POST:
        for role, expected in zip(ROLES, COMMAND_TABLE[name].split(), strict=True):
            refill(roles[role])
            answer = await (await roles[role].post(name, **fields[name])).json()
            code = "ok" if answer["ok"] else answer["error"]["code"]
            assert code == expected, f"{name} as {role}: {code}"


def test_every_command_has_a_row() -> None:
    assert set(COMMAND_TABLE) == set(BY_POST)
    assert set(BY_POST) | commands.ROOM == set(commands.WIRE)


async def test_commands_of_the_room_do_not_travel_by_post(visit: Visit) -> None:
    chair = await visit("chair")
    for name in sorted(commands.ROOM - {"document.open"}):
        refill(chair)
        answer = await chair.post(name, consilium=str(uuid4()))
        assert (answer.status, (await answer.json())["error"]["code"]) == (422, "unknown_command"), name


# --- absent and hidden are the same -----------------------------------------------------------------

ABSENT = ("/requests/{}", "/journal/{}", "/consilia/{}", "/room/{}", "/protocols/{}", "/packages/{}.asice",
          "/api/protocol.document/{}", "/consilium/{}.ics")  # fmt: skip


async def test_what_is_hidden_looks_exactly_like_what_is_absent(visit: Visit, stage: Stage) -> None:
    ids = objects(stage)
    outsider = await visit("outsider")
    for path in ABSENT:
        owner = address(path.replace("{}", "{id}"), ids)
        hidden, absent = [await outsider.get(one) for one in (owner, path.format(uuid4()))]
        assert hidden.status == absent.status == 404, path
        assert without_reference(await hidden.text()) == without_reference(await absent.text()), path


async def test_an_identifier_that_is_none_is_not_found(visit: Visit) -> None:
    chair = await visit("chair")
    for path in ABSENT:
        for odd in ("1", "..%2f..%2fetc%2fpasswd", "%27%20OR%201=1", "0" * 500):
            assert (await chair.get(path.format(odd))).status == 404, path


def without_reference(body: str) -> str:
    """An error page names its own reference; everything else must be the same."""
    return "".join(line for line in body.splitlines() if 'class="quiet small"' not in line)
