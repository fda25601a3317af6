"""Sign-in: sessions, lockout, cookies, and what a guesser learns."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer

from consilium import clock, demo
from consilium.errors import Unauthenticated
from consilium.service import Service
from consilium.settings import Settings
from consilium.store import sessions
from tests.web.conftest import Visit, Visitor
from web import auth
from web.app import make_app
from web.pages.own import local_path
from web.site import SESSIONS_SEEN


async def code_of(answer) -> str:
    return (await answer.json())["error"]["code"]


async def test_a_wrong_password_and_an_unknown_login_get_the_same_answer(visit: Visit) -> None:
    stranger = await visit()
    wrong = await stranger.sign_in("chair", "not the password")
    unknown = await stranger.sign_in("nobody.at.all", "not the password")
    assert wrong.status == unknown.status == 401
    assert await wrong.json() == await unknown.json()
    assert await code_of(await stranger.sign_in("nobody.at.all")) == "bad_credentials"


async def test_the_sixth_failure_locks_this_login_at_this_address_only(
    visit: Visit, service: Service
) -> None:
    stranger = await visit()
    for _ in range(auth.TRIES_PER_LOGIN_AND_ADDRESS):
        assert await code_of(await stranger.sign_in("chair", "wrong")) == "bad_credentials"
    assert await code_of(await stranger.sign_in("chair", demo.PASSWORD)) == "locked_out"
    assert (await stranger.sign_in("deputy")).status == 200
    elsewhere = auth.SignIn(login="chair", password=demo.PASSWORD, address="192.0.2.7", user_agent="")
    assert auth.sign_in(service.parts.store, elsewhere, service.parts.settings, clock.now())


async def test_an_unknown_login_is_locked_in_the_same_way(visit: Visit) -> None:
    stranger = await visit()
    codes = [await code_of(await stranger.sign_in("nobody", "wrong")) for _ in range(6)]
    assert codes == ["bad_credentials"] * 5 + ["locked_out"]


async def test_a_locked_account_opens_again_after_the_window(service: Service) -> None:
    attempt = auth.SignIn(login="chair", password="wrong", address="127.0.0.1", user_agent="")
    at = clock.now()
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            auth.sign_in(service.parts.store, attempt, service.parts.settings, at)
    right = replace(attempt, password=demo.PASSWORD)
    with pytest.raises(Unauthenticated) as refused:
        auth.sign_in(service.parts.store, right, service.parts.settings, at)
    assert refused.value.code == "locked_out"
    assert auth.sign_in(service.parts.store, right, service.parts.settings, at + auth.WINDOW + auth.WINDOW)


async def test_the_token_lives_in_a_cookie_no_script_can_read_and_only_its_hash_is_stored(
    visit: Visit, service: Service
) -> None:
    visitor = await visit()
    answer = await visitor.sign_in("chair")
    cookie = answer.cookies["consilium"]
    assert (
        cookie["httponly"] and cookie["samesite"] == "Lax" and cookie["path"] == "/" and not cookie["domain"]
    )
    assert len(cookie.value) >= 43  # 256 bits
    with service.parts.store.read() as reader:
        assert sessions.session(reader, cookie.value) is not None
        assert sessions.session(reader, sessions.token_hash(cookie.value)) is None


async def test_over_tls_the_cookie_belongs_to_this_host_alone(
    service: Service, web_settings: Settings
) -> None:
    secure = replace(web_settings, public_origin="https://consilium.example")
    client = TestClient(TestServer(make_app(service, secure)), cookie_jar=DummyCookieJar())
    await client.start_server()
    visitor = Visitor(client, origin="https://consilium.example")
    answer = await visitor.sign_in("chair")
    cookie = answer.cookies["__Host-consilium"]
    assert cookie["secure"] and cookie["path"] == "/" and not cookie["domain"]
    assert "max-age=31536000" in answer.headers["Strict-Transport-Security"]
    assert "wss://consilium.example" in answer.headers["Content-Security-Policy"]
    await client.close()


async def test_every_sign_in_gets_a_new_session_and_ends_the_one_before(visit: Visit) -> None:
    visitor = await visit("chair")
    before = dict(visitor.cookies)
    await visitor.sign_in("chair")
    assert visitor.cookies != before
    visitor.cookies = before
    assert (await visitor.get("/")).status == 303


async def test_signing_out_ends_the_session_on_the_server(visit: Visit) -> None:
    visitor = await visit("chair")
    kept = dict(visitor.cookies)
    assert (await visitor.post("session.end")).status == 200
    visitor.cookies = kept
    assert (await visitor.get("/")).status == 303


async def test_a_changed_password_ends_the_other_sessions(visit: Visit) -> None:
    here, there = await visit("chair"), await visit("chair")
    changed = await here.post("password.change", current=demo.PASSWORD, new="a new long password")
    assert changed.status == 200
    assert (await there.get("/")).status == 303
    assert (await here.get("/")).status == 200


async def test_a_session_left_alone_ends_and_its_own_refreshing_does_not_keep_it(visit: Visit) -> None:
    visitor = await visit("chair")
    await visitor.get("/")
    seen = visitor.http.server.app[SESSIONS_SEEN]
    for one in seen:
        seen[one] -= auth.IDLE.total_seconds() - 60
    assert (await visitor.get("/", headers={auth.BACKGROUND: "1"})).status == 200
    for one in seen:
        seen[one] -= 120
    assert (await visitor.get("/")).status == 303


async def test_a_ticket_is_for_ones_own_consilium_only(visit: Visit, stage) -> None:
    consilium = str(stage.planned())
    seated, other = await visit("member1"), await visit("member2")
    given = await (await seated.post("room.ticket", consilium=consilium)).json()
    assert given["expires_in"] == 60 and len(given["ticket"]) >= 43
    assert await code_of(await other.post("room.ticket", consilium=consilium)) == "not_found"
    assert await code_of(await seated.post("room.ticket", consilium="nonsense")) == "invalid_field"


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb", ""],
)
def test_after_sign_in_nobody_is_sent_to_another_site(wanted: str) -> None:
    assert local_path(wanted) == "/"


async def test_a_page_that_needs_a_session_is_found_again_after_sign_in(visit: Visit) -> None:
    stranger = await visit()
    assert (await stranger.get("/requests")).headers["Location"] == "/sign-in?next=/requests"
    assert 'data-next="/requests"' in await stranger.text("/sign-in?next=/requests")
