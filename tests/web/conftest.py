"""A web application over a real store with the demonstration's people, and browsers' habits for its client."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer

from consilium import bootstrap, demo
from consilium.service import Service
from consilium.settings import Settings
from tests.web.stage import Stage
from web.app import make_app

ORIGIN = "http://127.0.0.1"


def settings_in(folder: Path) -> Settings:
    """Demonstration settings on SQLite in this folder."""
    environment = {"CONSILIUM_DEMO": "1", "CONSILIUM_DATA_DIR": str(folder), "CONSILIUM_PORT": "0"}
    return Settings.from_environment({**environment, "CONSILIUM_PUBLIC_ORIGIN": ORIGIN})


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the demonstration in it, made once and copied for every test."""
    folder = tmp_path_factory.mktemp("demonstration") / "var"
    made = bootstrap.service(settings_in(folder))
    demo.load(made)
    made.parts.close()
    return folder


@pytest.fixture
def web_settings(tmp_path: Path, loaded: Path) -> Settings:
    shutil.copytree(loaded, tmp_path / "var")
    return settings_in(tmp_path / "var")


@pytest.fixture
def service(web_settings: Settings) -> Iterator[Service]:
    made = bootstrap.service(web_settings)
    yield made
    made.parts.close()


@pytest.fixture
def stage(service: Service) -> Stage:
    return Stage(service)


@dataclass
class Visitor:
    """One browser: its own cookies, the header and origin of our pages, a fresh id for every command."""

    http: TestClient[Any, Any]
    language: str = "ru"
    origin: str = ORIGIN
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **given: Any) -> ClientResponse:
        headers = {"Accept-Language": self.language, **given.pop("headers", {})}
        return await self.http.get(
            path, headers=headers, cookies=self.cookies, allow_redirects=False, **given
        )

    async def text(self, path: str) -> str:
        answer = await self.get(path)
        assert answer.status == 200, f"{path}: {answer.status}"
        return await answer.text()

    async def post(
        self, name: str, /, headers: dict[str, str] | None = None, **fields: Any
    ) -> ClientResponse:
        body = {"command": str(uuid.uuid4()), **fields}
        own = {"Origin": self.origin, "X-Consilium": "1", "Accept-Language": self.language}
        return await self.http.post(
            f"/api/{name}", json=body, headers={**own, **(headers or {})}, cookies=self.cookies
        )

    async def sign_in(self, login: str, password: str = demo.PASSWORD) -> ClientResponse:
        answer = await self.post("session.begin", login=login, password=password)
        self.cookies.update({name: one.value for name, one in answer.cookies.items()})
        return answer


Visit = Callable[..., Awaitable[Visitor]]


@pytest.fixture
async def visit(service: Service, web_settings: Settings) -> AsyncIterator[Visit]:
    """`await visit("chair")`: somebody signed in; `await visit()`: a stranger."""
    server = TestServer(make_app(service, web_settings))
    client: TestClient[Any, Any] = TestClient(server, cookie_jar=DummyCookieJar())
    await client.start_server()

    async def begin(login: str | None = None, language: str = "ru") -> Visitor:
        visitor = Visitor(client, language)
        if login:
            answer = await visitor.sign_in(login)
            assert answer.status == 200, await answer.text()
        return visitor

    yield begin
    await client.close()
