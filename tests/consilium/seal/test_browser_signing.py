"""Signatures made by the browser's code: in node, and in a real Chromium with its key in IndexedDB."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.async_api import async_playwright

from consilium.seal import DEMO_ECDSA, PersonSubject, VerifiedSignature, verify
from consilium.seal.names import names_in
from tests.conftest import ROOT
from tests.consilium.seal.conftest import AT, DOCUMENT, World
from tests.consilium.seal.test_signature import openssl_says, pyhanko_says

HERE = Path(__file__).parent
ESBUILD = ROOT / "web" / "client" / "node_modules" / ".bin" / "esbuild"
SUBJECT = PersonSubject("Ёлкина Анна Петровна", "Ёлкина", "Анна Петровна", "11223344595")
POLICY = "default-src 'none'; script-src 'self'"
# The script it bundles runs under the policy that the pages use: no inline script, no eval.
PAGE = "<!doctype html><meta charset=utf-8><title>keys</title><script type=module src=keys.mjs></script>"


@pytest.fixture(scope="session")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Bundle one of this folder's TypeScript files by the client's own esbuild."""
    if not ESBUILD.exists() or not shutil.which("node"):
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse("the client's tools are not installed: npm ci in web/client")

    def bundle(name: str, platform: str = "node") -> Path:
        out = tmp_path_factory.mktemp("bundle") / f"{name}.mjs"
        options = ["--bundle", "--format=esm", f"--platform={platform}", "--log-level=error"]
        subprocess.run([ESBUILD, HERE / f"{name}.ts", *options, f"--outfile={out}"], check=True)
        return out

    return bundle


@contextmanager
def node(script: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        ["node", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin
        process.stdin.close()


def ask(process: subprocess.Popen[str], **values: str) -> dict[str, str]:
    assert process.stdin
    assert process.stdout
    if values:
        process.stdin.write(json.dumps(values) + "\n")
        process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    assert isinstance(answer, dict)
    return answer


def judged(world: World, document: bytes, cms: bytes, at: datetime) -> VerifiedSignature:
    return verify(
        document,
        cms,
        policy=DEMO_ECDSA,
        trust=world.authority.trust(at),
        at=at,
        signer=world.chair.expected,
        signing_time=at,
    )


@pytest.mark.needs_openssl
async def test_what_the_client_signs_is_accepted_by_three_verifiers(
    world: World, bundled: Callable[[str], Path], tmp_path: Path
) -> None:
    with node(bundled("signing_in_node")) as process:
        certificate = world.authority.issue(bytes.fromhex(ask(process)["csr"]), SUBJECT, AT)
        asked = {"document": DOCUMENT.hex(), "certificate": certificate.hex(), "at": AT.isoformat()}
        answer = ask(process, **asked)
    cms = bytes.fromhex(answer["cms"])
    signature = judged(world, DOCUMENT, cms, AT)
    assert signature.certificate == certificate
    assert signature.digest == answer["sha256"]
    assert openssl_says(tmp_path, DOCUMENT, cms, world.trust) == "CAdES Verification successful"
    assert openssl_says(tmp_path, DOCUMENT + b" ", cms, world.trust) == "refused"
    assert await pyhanko_says(DOCUMENT, cms, world.trust) == (True, True, True)


def test_the_client_writes_strict_der_every_time(world: World, bundled: Callable[[str], Path]) -> None:
    """Leading zeros and high bits of r and s differ from signature to signature; a few hundred meet them all."""
    with node(bundled("signing_in_node")) as process:
        certificate = world.authority.issue(bytes.fromhex(ask(process)["csr"]), SUBJECT, AT)
        for number in range(300):
            document, moment = b"x" * number, AT + timedelta(seconds=number)
            asked = {"document": document.hex(), "certificate": certificate.hex(), "at": moment.isoformat()}
            cms = bytes.fromhex(ask(process, **asked)["cms"])
            assert judged(world, document, cms, moment).signing_time == moment


class _Pages(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Pages, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/keys.html"
        server.shutdown()
        thread.join()


@pytest.mark.needs_chromium
async def test_a_key_stays_in_the_browser_and_signs_after_a_reload(
    world: World, bundled: Callable[..., Path], chromium_path: str, tmp_path: Path
) -> None:
    shutil.copy(bundled("keys_in_browser", "browser"), tmp_path / "keys.mjs")
    (tmp_path / "keys.html").write_text(PAGE)
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
    with served(tmp_path) as address:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium_path, args=options)
            page = await browser.new_page()
            await page.goto(address)
            csr = bytes.fromhex(await page.evaluate("signing.csr('person-1')"))
            again = bytes.fromhex(await page.evaluate("signing.csr('person-1')"))
            certificate = world.authority.issue(csr, SUBJECT, AT)
            assert world.authority.issue(again, SUBJECT, AT) == certificate
            await page.evaluate("der => signing.certify('person-1', der)", certificate.hex())
            await page.reload()
            arguments = [DOCUMENT.hex(), AT.isoformat()]
            cms = await page.evaluate("([doc, at]) => signing.sign('person-1', doc, at)", arguments)
            assert await page.evaluate("signing.steal('person-1')") == "InvalidAccessError"
            assert await page.evaluate("([doc, at]) => signing.sign('person-2', doc, at)", arguments) == ""
            await page.evaluate("signing.forget('person-1')")
            assert await page.evaluate("signing.steal('person-1')") == "no key"
            await browser.close()
    signature = judged(world, DOCUMENT, bytes.fromhex(cms), AT)
    assert signature.serial == f"{names_in(certificate).serial:x}"
