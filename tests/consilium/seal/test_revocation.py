"""OCSP judged strictly, lists fetched within bounds, and nobody asked who was not named here."""

import hashlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp as library
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from consilium import clock
from consilium.seal import SignatureRefused, der, ocsp, outward
from consilium.seal.authority import OrganisationSubject
from consilium.seal.certificates import certificate_of
from consilium.seal.errors import AuthoritySilent
from consilium.seal.outward import Allowed, ask
from consilium.seal.revocation import Revocation
from consilium.seal.trust import TrustStore
from tests.consilium.seal.conftest import AT
from tests.consilium.seal.forge import OtherAuthority, Tree, key_usage, sign_with
from web.simulator.authority import serving
from web.simulator.authority_desk import Desk

NONCE = b"sixteen octets.."
NO_CHECK = x509.OCSPNoCheck()
ORGANISATION = OrganisationSubject("НМИЦ", "1027739552642", "7726074986")


@dataclass(frozen=True)
class Responder:
    """An authority, somebody's certificate of it, and whoever answers about it."""

    authority: OtherAuthority
    certificate: bytes
    key: ec.EllipticCurvePrivateKey
    own: bytes

    @classmethod
    def make(
        cls,
        at: datetime = AT,
        *,
        purposes: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.OCSP_SIGNING,),
        unchecked: bool = True,
        signer: OtherAuthority | None = None,
        until: timedelta = timedelta(days=30),
    ) -> "Responder":
        authority, key = OtherAuthority(at), ec.generate_private_key(ec.SECP256R1())
        person = authority.certify(ec.generate_private_key(ec.SECP256R1()).public_key())
        issuer = signer or authority
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "OCSP")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer.name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(at - timedelta(days=40)).not_valid_after(at + until)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(key_usage(("digital_signature",)), critical=True)
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(list(purposes)), critical=False)
        if unchecked:
            builder = builder.add_extension(NO_CHECK, critical=False)
        own = builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)
        return cls(authority, person, key, own)

    def answer(
        self,
        *,
        about: bytes | None = None,
        issuer: bytes | None = None,
        since: timedelta = timedelta(0),
        life: timedelta | None = timedelta(hours=1),
        revoked_at: datetime | None = None,
        nonce: bytes = NONCE,
        enclosed: bool = True,
        by_name: bool = False,
    ) -> bytes:
        load = x509.load_der_x509_certificate
        builder = library.OCSPResponseBuilder().add_response(
            load(about or self.certificate),
            load(issuer or self.authority.certificate),
            hashes.SHA1(),  # the name of a certificate, as RFC 6960 has it
            library.OCSPCertStatus.REVOKED if revoked_at else library.OCSPCertStatus.GOOD,
            self.authority.at + since,
            self.authority.at + since + life if life is not None else None,
            revoked_at,
            x509.ReasonFlags.key_compromise if revoked_at else None,
        )
        kind = library.OCSPResponderEncoding.NAME if by_name else library.OCSPResponderEncoding.HASH
        builder = builder.responder_id(kind, load(self.own))
        if enclosed:
            builder = builder.certificates([load(self.own)])
        if nonce:
            builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
        signed = builder.sign(self.key, hashes.SHA256())
        return signed.public_bytes(Encoding.DER)

    def judged(self, response: bytes, at: datetime = AT, nonce: bytes = NONCE) -> ocsp.OcspStatus:
        return ocsp.status_of(response, self.certificate, self.authority.certificate, at, nonce=nonce)


@pytest.fixture(scope="module")
def responder() -> Responder:
    return Responder.make()


def refused(responder: Responder, response: bytes, **given: object) -> str:
    with pytest.raises(SignatureRefused) as error:
        responder.judged(response, **given)
    return error.value.code


# --- OCSP -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_name", [True, False])
def test_a_good_answer_of_an_entitled_responder_counts(
    responder: Responder, by_name: bool
) -> None:  # a parameter of the table above
    status = responder.judged(responder.answer(by_name=by_name))
    assert (status.revoked, status.revoked_at, status.responder) == (False, None, responder.own)
    assert (status.this_update, status.next_update) == (AT, AT + timedelta(hours=1))


def test_a_revocation_is_told_with_its_moment_and_reason(responder: Responder) -> None:
    status = responder.judged(responder.answer(revoked_at=AT - timedelta(days=2)))
    assert status.revoked
    assert (status.revoked_at, status.reason) == (AT - timedelta(days=2), "keyCompromise")


def test_the_issuer_itself_may_answer(responder: Responder) -> None:
    own = Responder(
        responder.authority, responder.certificate, responder.authority.key, responder.authority.certificate
    )
    assert not own.judged(own.answer(enclosed=False)).revoked


def test_an_answer_newer_than_the_moment_says_more_and_an_older_one_nothing(responder: Responder) -> None:
    newer = responder.answer(since=timedelta(days=1))
    assert not responder.judged(newer).revoked
    assert refused(responder, responder.answer(since=timedelta(hours=-3))) == "OCSP_STALE"
    endless = responder.answer(since=timedelta(hours=-3), life=None)
    assert responder.judged(endless).next_update == AT + timedelta(hours=21)


def test_a_nonce_that_comes_back_must_be_ours(responder: Responder) -> None:
    assert not responder.judged(responder.answer(nonce=b"")).revoked
    assert refused(responder, responder.answer(nonce=b"another")) == "OCSP_OTHER"


def another(responder: Responder) -> bytes:
    return responder.authority.certify(ec.generate_private_key(ec.SECP256R1()).public_key())


def by_another_key(responder: Responder) -> bytes:
    """The very answer, signed by somebody who has the responder's certificate and not its key."""
    tree = Tree.read(responder.answer())
    octets = tree.children[1].children[0].children[1]
    basic = Tree.read(octets.content)
    forged = sign_with(ec.generate_private_key(ec.SECP256R1()), basic.children[0].write(), hashes.SHA256())
    basic.children[2] = Tree.read(der.bits(forged))
    octets.content = basic.write()
    return tree.write()


def flipped(responder: Responder) -> bytes:
    """Good becomes revoked without a signature: one tag of the answer is changed."""
    response = responder.answer()
    at = response.index(b"\x80\x00")
    return response[:at] + b"\x82\x00" + response[at + 2 :]


def with_status(number: int) -> bytes:
    return der.sequence(der.tlv(0x0A, bytes([number])))


HOSTILE: dict[str, tuple[str, Callable[[Responder], bytes]]] = {
    "about another certificate": ("OCSP_OTHER", lambda one: one.answer(about=another(one))),
    "by another key": ("OCSP_SIGNATURE", by_another_key),
    "altered after signing": ("OCSP_SIGNATURE", flipped),
    "without the responder's certificate": ("OCSP_RESPONDER", lambda one: one.answer(enclosed=False)),
    "try later": ("OCSP_STATUS", lambda _: with_status(3)),
    "unauthorized": ("OCSP_STATUS", lambda _: with_status(6)),
    "truncated": ("OCSP_FORMAT", lambda one: one.answer()[:-9]),
    "trailing bytes": ("OCSP_FORMAT", lambda one: one.answer() + b"\0"),
    "a page": ("OCSP_FORMAT", lambda _: b"<html>It works!</html>"),
    "empty": ("OCSP_FORMAT", lambda _: b""),
    "success without a word": ("OCSP_FORMAT", lambda _: with_status(0)),
    "huge": ("OCSP_FORMAT", lambda _: b"\x30" * 1_000_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_answer_that_lies_is_refused_by_its_own_code(responder: Responder, name: str) -> None:
    code, make = HOSTILE[name]
    assert refused(responder, make(responder)) == code


@pytest.mark.parametrize(
    "given",
    [
        {"purposes": ()},
        {"purposes": (ExtendedKeyUsageOID.TIME_STAMPING,)},
        {"unchecked": False},
        {"signer": OtherAuthority(AT, "Other authority")},
        {"until": timedelta(days=-20)},
    ],
)
def test_a_responder_its_issuer_did_not_entitle_is_refused(given: dict[str, object]) -> None:
    """No purpose, another purpose, no word about its own revocation, a namesake's certificate, an expired one."""
    responder = Responder.make(**given)
    assert refused(responder, responder.answer()) == "OCSP_RESPONDER"


def test_damage_anywhere_never_makes_a_good_answer_of_another_kind(responder: Responder) -> None:
    response = responder.answer()
    original = responder.judged(response)
    codes = set()
    for position in range(len(response)):
        damaged = response[:position] + bytes([response[position] ^ 0x10]) + response[position + 1 :]
        try:
            judged = responder.judged(damaged)
        except SignatureRefused as error:
            codes.add(error.code)
        else:
            assert replace(judged, responder=b"") == replace(original, responder=b"")
    assert {"OCSP_SIGNATURE", "OCSP_FORMAT", "OCSP_RESPONDER"} <= codes
    assert all(code.startswith("OCSP_") for code in codes)


@pytest.mark.needs_openssl
def test_openssl_answers_our_question_and_believes_our_simulators_answer(tmp_path: Path) -> None:
    responder = Responder.make(datetime.now(UTC).replace(microsecond=0))
    load = x509.load_der_x509_certificate
    files = {
        "ca.crt": load(responder.authority.certificate).public_bytes(Encoding.PEM),
        "own.crt": load(responder.own).public_bytes(Encoding.PEM),
        "own.key": responder.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "q": ocsp.request(responder.certificate, responder.authority.certificate, NONCE),
    }
    person = load(responder.certificate)
    files["index"] = f"V\t301231235959Z\t\t{person.serial_number:X}\tunknown\t/CN=x\n".encode()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    ask_openssl = ["openssl", "ocsp", "-index", "index", "-CA", "ca.crt", "-rsigner", "own.crt", "-rkey", "own.key", "-reqin", "q", "-respout", "r", "-ndays", "1"]  # fmt: skip
    subprocess.run(ask_openssl, cwd=tmp_path, check=True, capture_output=True, timeout=30)
    now = datetime.now(UTC)
    assert not responder.judged((tmp_path / "r").read_bytes(), at=now).revoked
    desk = Desk.open(tmp_path / "authority")
    root, own = desk.authority.root, desk.stamper.certificate
    answer = desk.answer("ocsp", ocsp.request(own, root, NONCE))
    for name, content in (("root", root), ("who", own)):
        (tmp_path / name).write_bytes(load(content).public_bytes(Encoding.PEM))
    (tmp_path / "a").write_bytes(answer)
    believed = [
        "openssl",
        "ocsp",
        "-respin",
        "a",
        "-issuer",
        "root",
        "-cert",
        "who",
        "-CAfile",
        "root",
        "-no_nonce",
    ]
    done = subprocess.run(believed, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=30)
    assert "Response verify OK" in done.stderr + done.stdout
    assert "who: good" in done.stdout


# --- the fetcher ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk.open(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def url(desk: Desk) -> Iterator[str]:
    with serving(desk) as address:
        yield address


@pytest.fixture
def revocation(desk: Desk, url: str, tmp_path: Path) -> Revocation:
    desk.behave("all", "ok")
    return Revocation(Allowed.of((), (url,)), (f"{url}/crl",), f"{url}/ocsp", tmp_path)


@contextmanager
def answering(content: bytes) -> Iterator[int]:
    """A server that gives everybody these bytes; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def signer(desk: Desk) -> bytes:
    """A certificate of the authority whose state both services know."""
    key = desk.authority.new_key()
    return desk.authority.issue_organisation(key.csr(), ORGANISATION, clock.now())


def test_a_list_is_fetched_once_kept_on_disk_and_never_exchanged_for_an_older_one(
    desk: Desk, revocation: Revocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust, person, at = TrustStore((desk.authority.root,)), signer(desk), clock.now()
    asked = desk.asked["crl"]
    first = revocation.proof(person, desk.authority.root, trust, at)
    assert revocation.proof(person, desk.authority.root, trust, at).crls == first.crls
    assert desk.asked["crl"] == asked + 1
    again = Revocation(revocation.allowed, revocation.crl_urls, "", tmp_path)
    assert again.kept() == first.crls
    # The authority, or somebody in its place, plays an old list once ours is due again: ours stays.
    desk.behave("crl", "stale")
    monkeypatch.setattr(clock, "now", lambda: at + timedelta(hours=1))
    assert again.proof(person, desk.authority.root, trust, clock.now()).crls == first.crls
    assert desk.asked["crl"] == asked + 2


def crl_of(name: x509.Name, key: ec.EllipticCurvePrivateKey, at: datetime) -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(name)
    builder = builder.last_update(at).next_update(at + timedelta(days=30))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("first", [False, True], ids=["ours was there", "theirs came first"])
def test_a_list_that_nobody_signed_neither_takes_a_place_nor_keeps_it(
    desk: Desk, revocation: Revocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    """Lists come over plain HTTP: who sits in between answers under the authority's name, from the next year."""
    root = x509.load_der_x509_certificate(desk.authority.root)
    trust, person, at = TrustStore((desk.authority.root,)), signer(desk), clock.now()
    forged = crl_of(root.subject, ec.generate_private_key(ec.SECP256R1()), at + timedelta(days=365))
    (address,) = revocation.crl_urls
    place = tmp_path / f"{hashlib.sha256(address.encode()).hexdigest()}.crl"
    if first:
        place.write_bytes(forged)
    else:
        genuine = revocation.proof(person, desk.authority.root, trust, at).crls
        with answering(forged) as elsewhere:
            monkeypatch.setattr(Allowed, "address", lambda _, url: ("127.0.0.1", "127.0.0.1", elsewhere))
            monkeypatch.setattr(clock, "now", lambda: at + timedelta(minutes=20))
            Revocation(revocation.allowed, revocation.crl_urls, "", tmp_path).refresh([], trust.roots)
        monkeypatch.undo()
        assert place.read_bytes() == genuine[0]
    again = Revocation(revocation.allowed, revocation.crl_urls, "", tmp_path)
    assert again.proof(person, desk.authority.root, trust, at - timedelta(seconds=1)).crls == again.kept()
    assert place.read_bytes() != forged


def test_a_kept_list_that_the_disk_spoilt_is_fetched_anew(
    desk: Desk, revocation: Revocation, tmp_path: Path
) -> None:
    trust, person, at = TrustStore((desk.authority.root,)), signer(desk), clock.now()
    (address,) = revocation.crl_urls
    (tmp_path / f"{hashlib.sha256(address.encode()).hexdigest()}.crl").write_bytes(b"\0" * 700)
    assert len(revocation.proof(person, desk.authority.root, trust, at).crls) == 1


def test_an_authority_that_changed_its_key_is_believed_with_an_earlier_list_than_the_old_keys(
    tmp_path: Path,
) -> None:
    at = clock.now().replace(microsecond=0)
    old, new = OtherAuthority(at, "The authority"), OtherAuthority(at, "The authority")
    lists = {
        "old": crl_of(old.name, old.key, at + timedelta(minutes=3)),
        "new": crl_of(new.name, new.key, at - timedelta(minutes=3)),
    }
    person = new.certify(ec.generate_private_key(ec.SECP256R1()).public_key())
    trust = TrustStore((old.certificate, new.certificate))
    with answering(lists["new"]) as port:
        address = f"http://127.0.0.1:{port}/crl"
        (tmp_path / f"{hashlib.sha256(address.encode()).hexdigest()}.crl").write_bytes(lists["old"])
        revocation = Revocation(Allowed.of((), (address,)), (address,), "", tmp_path)
        found = revocation.proof(person, new.certificate, trust, at + timedelta(minutes=5))
    assert found.crls == (lists["new"],)


def test_a_silent_responder_is_made_up_for_only_by_a_list_issued_after_the_signature(
    desk: Desk, revocation: Revocation
) -> None:
    trust, person, at = TrustStore((desk.authority.root,)), signer(desk), clock.now()
    desk.behave("ocsp", "down")
    proof = revocation.proof(person, desk.authority.root, trust, at - timedelta(minutes=1))
    assert (len(proof.crls), proof.ocsps) == (1, ())
    with pytest.raises(AuthoritySilent, match="OUT_STATUS"):
        revocation.proof(person, desk.authority.root, trust, at + timedelta(minutes=1))


def test_with_neither_list_nor_responder_there_is_no_proof(desk: Desk, revocation: Revocation) -> None:
    trust, person = TrustStore((desk.authority.root,)), signer(desk)
    desk.behave("all", "down")
    with pytest.raises(AuthoritySilent):
        revocation.proof(person, desk.authority.root, trust, clock.now())
    revocation.ocsp_url = ""
    with pytest.raises(AuthoritySilent, match="REVOCATION_MISSING"):
        revocation.proof(person, desk.authority.root, trust, clock.now())


def test_who_is_silent_is_waited_for_once_and_not_for_every_certificate(
    desk: Desk, revocation: Revocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outward, "TOTAL_SECONDS", 0.3)
    trust, person, at = TrustStore((desk.authority.root,)), signer(desk), clock.now()
    desk.behave("all", "silent")
    asked = dict(desk.asked)
    for _ in range(5):
        with pytest.raises(AuthoritySilent, match="OUT_SILENT"):
            revocation.proof(person, desk.authority.root, trust, at)
    assert {name: desk.asked[name] - asked[name] for name in ("ocsp", "crl")} == {"ocsp": 1, "crl": 1}
    desk.behave("all", "ok")
    monkeypatch.setattr(clock, "now", lambda: at + timedelta(seconds=30))
    assert revocation.proof(person, desk.authority.root, trust, at).ocsps


def test_a_revoked_certificate_is_told_with_its_moment(desk: Desk, revocation: Revocation) -> None:
    person, at = signer(desk), clock.now()
    serial = x509.load_der_x509_certificate(person).serial_number
    desk.authority.revoke(f"{serial:x}", at)
    proof = revocation.proof(person, desk.authority.root, TrustStore((desk.authority.root,)), at)
    assert proof.revoked_at == at.replace(microsecond=0)


# --- whom we ask ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1/crl",
        "http://localhost/crl",
        "http://[::1]/crl",
        "http://2130706433/crl",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/crl",
        "http://other.example/crl",
        "http://named.example:8080/crl",
        "http://named.example@10.0.0.1/crl",
        "http://user:secret@named.example/crl",
        "ldap://named.example/cn=ca",
        "file:///etc/passwd",
        "ftp://named.example/crl",
        "http://named.example/crl#x",
        "http://named.example/\r\nX: y",
        "http://named.example/список",
        "//named.example/crl",
        "http://[::ffff:127.0.0.1]/crl",
        "http://named.example:99999/",
        "",
    ],
)
def test_an_address_nobody_here_named_is_not_asked(address: str) -> None:
    allowed = Allowed.of(("named.example",), ("http://own.example:8777/tsa",))
    assert not allowed.permits(address)
    with pytest.raises(AuthoritySilent, match="OUT_HOST"):
        ask(address, allowed, limit=10)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fd00::1",
        "fe80::1%eth0",
        "169.254.1.1",
        "::ffff:10.0.0.1",
        "::10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2001:0:a00:1::",
    ],
)
def test_a_named_host_that_resolves_into_our_own_network_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = [(family, socket.SOCK_STREAM, 6, "", (address, 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    allowed = Allowed.of(("named.example",), ())
    assert allowed.permits("http://named.example/crl")
    with pytest.raises(AuthoritySilent, match="OUT_HOST"):
        allowed.address("http://named.example/crl")


def test_what_the_operator_wrote_in_full_may_lie_in_a_private_network() -> None:
    allowed = Allowed.of((), ("http://127.0.0.1:8777/tsa",))
    assert allowed.address("http://127.0.0.1:8777/crl/1.crl") == ("127.0.0.1", "127.0.0.1", 8777)
    assert not allowed.permits("http://127.0.0.1:8778/tsa")


@pytest.mark.parametrize(
    "behaviour,code",
    [
        ("silent", "OUT_SILENT"),
        ("drip", "OUT_SILENT"),
        ("redirect", "OUT_REDIRECT"),
        ("huge", "OUT_TOO_LARGE"),
        ("down", "OUT_STATUS"),
    ],
)
def test_an_exchange_has_its_bounds(
    desk: Desk, url: str, monkeypatch: pytest.MonkeyPatch, behaviour: str, code: str
) -> None:
    monkeypatch.setattr(outward, "TOTAL_SECONDS", 0.5)
    desk.behave("crl", behaviour)
    with pytest.raises(AuthoritySilent, match=code):
        ask(f"{url}/crl", Allowed.of((), (url,)), limit=100_000)
    desk.behave("crl", "ok")


def test_a_handshake_that_never_ends_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outward, "TOTAL_SECONDS", 0.4)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"https://127.0.0.1:{server.getsockname()[1]}/tsa"
        began = time.monotonic()
        with pytest.raises(AuthoritySilent, match="OUT_SILENT"):
            ask(address, Allowed.of((), (address,)), limit=10)
        assert time.monotonic() - began < 5


@pytest.mark.needs_openssl
def test_a_server_that_cannot_prove_its_name_is_not_talked_to(tmp_path: Path) -> None:
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "crt", "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]  # fmt: skip
    subprocess.run(make, cwd=tmp_path, check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    with socket.create_server(("127.0.0.1", 0)) as server:
        spoken: list[object] = []

        def answer() -> None:
            peer, _ = server.accept()
            try:
                with context.wrap_socket(peer, server_side=True) as secured:
                    spoken.append(secured.recv(100))
            except OSError as error:
                spoken.append(type(error))

        thread = threading.Thread(target=answer)
        thread.start()
        address = f"https://127.0.0.1:{server.getsockname()[1]}/tsa"
        with pytest.raises(AuthoritySilent, match="OUT_SILENT"):
            ask(address, Allowed.of((), (address,)), body=b"query", limit=10)
        thread.join()
    assert spoken and b"query" not in spoken


def test_addresses_in_certificates_are_read_and_asked_only_where_allowed(tmp_path: Path) -> None:
    authority = OtherAuthority(AT)
    builder = x509.CertificateBuilder().subject_name(authority.name).issuer_name(authority.name)
    builder = builder.public_key(authority.key.public_key()).serial_number(7)
    builder = builder.not_valid_before(AT).not_valid_after(AT + timedelta(days=1))
    places = [x509.UniformResourceIdentifier(f"http://{host}/ca.crl") for host in ("a.example", "b.example")]
    points = [x509.DistributionPoint([one], None, None, None) for one in places]
    access = [
        x509.AccessDescription(kind, x509.UniformResourceIdentifier(f"http://a.example/{name}"))
        for kind, name in (
            (x509.AuthorityInformationAccessOID.CA_ISSUERS, "ca.crt"),
            (x509.AuthorityInformationAccessOID.OCSP, "ocsp"),
        )
    ]
    builder = builder.add_extension(x509.CRLDistributionPoints(points), critical=False)
    builder = builder.add_extension(x509.AuthorityInformationAccess(access), critical=False)
    certificate = builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)
    known = certificate_of(certificate)
    revocation = Revocation(Allowed.of(("a.example",), ()), (), "", tmp_path)
    assert revocation._named_lists(known) == ("http://a.example/ca.crl",)
    assert revocation._responders(known) == ("http://a.example/ocsp",)
    assert Revocation(Allowed.of((), ()), (), "", tmp_path)._named_lists(known) == ()
