"""The authority simulator's own doors: what openssl gets from it, what its page shows, whom it lets change it."""

import html
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from web.simulator.authority import serving
from web.simulator.authority_desk import BEHAVIOURS, SERVICES, Desk
from web.simulator.authority_page import WORDS


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk.open(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def url(desk: Desk) -> Iterator[str]:
    with serving(desk) as address:
        yield address


def ask(url: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(
        url, body, {name.replace("_", "-"): value for name, value in headers.items()}
    )
    opener = urllib.request.build_opener(StayHere)
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.read()


class StayHere(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Redirects are looked at, not followed."""


def openssl(folder: Path, *arguments: str) -> str:
    command = ["openssl", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.needs_openssl
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_openssl_asks_for_a_timestamp_and_finds_it_good(
    desk: Desk, url: str, tmp_path: Path, digest: str
) -> None:
    (tmp_path / "data").write_bytes(b"a document")
    (tmp_path / "root").write_bytes(pem(desk.authority.root))
    openssl(tmp_path, "ts", "-query", "-data", "data", f"-{digest}", "-cert", "-out", "q")
    status, reply = ask(
        f"{url}/tsa", (tmp_path / "q").read_bytes(), Content_Type="application/timestamp-query"
    )
    assert status == 200
    (tmp_path / "r").write_bytes(reply)
    said = openssl(tmp_path, "ts", "-verify", "-queryfile", "q", "-in", "r", "-CAfile", "root")
    assert "Verification: OK" in said


@pytest.mark.needs_openssl
def test_openssl_asks_about_a_certificate_and_believes_the_answer(
    desk: Desk, url: str, tmp_path: Path
) -> None:
    (tmp_path / "root").write_bytes(pem(desk.authority.root))
    (tmp_path / "who").write_bytes(pem(desk.stamper.certificate))
    asking = ("ocsp", "-issuer", "root", "-cert", "who", "-CAfile", "root", "-url", f"{url}/ocsp")
    said = openssl(tmp_path, *asking)
    assert "Response verify OK" in said and "who: good" in said


@pytest.mark.needs_openssl
def test_openssl_reads_the_list(desk: Desk, url: str, tmp_path: Path) -> None:
    (tmp_path / "root").write_bytes(pem(desk.authority.root))
    (tmp_path / "crl").write_bytes(ask(f"{url}/crl")[1])
    said = openssl(
        tmp_path, "crl", "-inform", "DER", "-in", "crl", "-CAfile", "root", "-noout", "-nextupdate"
    )
    assert "verify OK" in said
    assert ask(f"{url}/root.crt") == (200, desk.authority.root)


def pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_page_says_what_it_is_and_offers_every_behaviour(url: str, language: str) -> None:
    status, body = ask(f"{url}/?lang={language}")
    page = html.unescape(body.decode())
    assert status == 200
    assert WORDS[language]["notice"] in page
    for name in (*SERVICES, *BEHAVIOURS):
        assert WORDS[language][name] in page
    assert set(WORDS["ru"]) == set(WORDS["en"])


def test_a_behaviour_is_changed_by_the_page_and_by_tests_and_shown(desk: Desk, url: str) -> None:
    assert ask(f"{url}/mode", b"service=tsa&behaviour=down")[0] == 303
    changed = json.dumps({"service": "ocsp", "behaviour": "slow:0.1"}).encode()
    status, body = ask(f"{url}/mode", changed, Content_Type="application/json")
    assert (status, json.loads(body)["behaviours"]) == (200, {"tsa": "down", "ocsp": "slow:0.1", "crl": "ok"})
    assert json.loads(ask(f"{url}/state.json")[1])["behaviours"]["tsa"] == "down"
    assert ask(f"{url}/tsa", b"x")[0] == 503


@pytest.mark.parametrize(
    "body",
    [
        b"service=tsa&behaviour=unheard",
        b"service=all",
        b"service=root&behaviour=ok",
        b"service=tsa&behaviour=slow:fast",
        b"service=tsa&behaviour=ok:1",
        b"\xff\xfe",
        b"",
    ],
)
def test_an_unknown_behaviour_is_refused_and_nothing_changes(desk: Desk, url: str, body: bytes) -> None:
    before = desk.state()["behaviours"]
    assert ask(f"{url}/mode", body)[0] == 422
    assert ask(f"{url}/mode", body, Content_Type="application/json")[0] == 422
    assert desk.state()["behaviours"] == before


def test_another_sites_page_changes_nothing(desk: Desk, url: str) -> None:
    body = b"service=tsa&behaviour=down"
    assert ask(f"{url}/mode", body, Origin="http://evil.example")[0] == 403
    assert desk.state()["behaviours"]["tsa"] == "ok"


@pytest.mark.parametrize("service", ["tsa", "ocsp"])
@pytest.mark.parametrize("query", [b"", b"garbage", b"\x30\x80", b"\x30" * 4000])
def test_a_query_that_is_none_gets_a_refusal_and_not_a_fault(url: str, service: str, query: bytes) -> None:
    status, body = ask(f"{url}/{service}", query)
    assert status == 200
    if service == "ocsp":
        assert ocsp.load_der_ocsp_response(body).response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    else:
        assert body[:5] == b"\x30\x09\x30\x07\x02"


def test_a_question_about_another_authoritys_certificate_is_not_answered(
    desk: Desk, url: str, tmp_path: Path
) -> None:
    other = Desk.open(tmp_path / "other")
    certificates = [
        x509.load_der_x509_certificate(one) for one in (other.stamper.certificate, other.authority.root)
    ]
    query = (
        ocsp.OCSPRequestBuilder().add_certificate(*certificates, hashes.SHA1()).build()
    )  # as RFC 6960 has it
    body = ask(f"{url}/ocsp", query.public_bytes(Encoding.DER))[1]
    assert ocsp.load_der_ocsp_response(body).response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED


def test_what_is_not_there_or_too_large_is_refused(url: str) -> None:
    assert ask(f"{url}/nothing")[0] == 404
    assert ask(f"{url}/nothing", b"x")[0] == 404
    assert ask(f"{url}/tsa")[0] == 404
    assert ask(f"{url}/tsa", bytes(100_000))[0] == 413


def test_keys_and_certificates_last_from_start_to_start(desk: Desk) -> None:
    again = Desk.open(desk.authority.folder)
    assert again.stamper.certificate == desk.stamper.certificate
    assert again.responder.certificate == desk.responder.certificate
