"""Keys of the organisation's seal: in files and in a token (SoftHSM), and what is refused about both."""

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pkcs11
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pkcs11.util.ec import encode_named_curve_parameters

from consilium.seal import DEMO_ECDSA_2, DemoAuthority, OrganisationSubject, RequestRefused, verify
from consilium.seal.providers import FileKey, new_key
from consilium.seal.seal_keys import SealKey, seal_key_of
from consilium.seal.token import Pkcs11Key, TokenAddress
from tests.consilium.seal.conftest import AT, DOCUMENT
from tests.consilium.seal.test_signature import openssl_says

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
SUBJECT = OrganisationSubject("НМИЦ онкологии", "1027739552642", "7726074986")
PIN = "4321"


@dataclass(frozen=True)
class Token:
    folder: Path

    def uri(self, label: str, **changes: str) -> str:
        found = {"token": "seal", "module": MODULE, "pin": str(self.folder / "pin")} | changes
        return (
            f"pkcs11:token={found['token']};object={label}"
            f"?module-path={found['module']}&pin-source=file:{found['pin']}"
        )


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    """A token with an elliptic key, one of RSA, two of one name, and one on another curve."""
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    (folder / "pin").write_text(PIN + "\n")
    (folder / "wrong").write_text("0000")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(folder / "conf")
    command = ["softhsm2-util", "--init-token", "--free", "--label", "seal", "--so-pin", "1234", "--pin", PIN]
    subprocess.run(command, check=True, capture_output=True)
    module = pkcs11.lib(MODULE)
    module.reinitialize()
    with module.get_token(token_label="seal").open(rw=True, user_pin=PIN) as session:
        elliptic(session, "p256", "secp256r1")
        elliptic(session, "p384", "secp384r1")
        for number in (1, 2):
            elliptic(session, "twins", "secp256r1", bytes((number,)))
        session.generate_keypair(pkcs11.KeyType.RSA, 2048, store=True, label="rsa")
    yield Token(folder)
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


def elliptic(session: pkcs11.Session, label: str, curve: str, number: bytes = b"") -> None:
    attributes = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
    parameters = session.create_domain_parameters(pkcs11.KeyType.EC, attributes, local=True)
    parameters.generate_keypair(store=True, label=label, id=number or label.encode())


@pytest.fixture
def authority(tmp_path: Path) -> DemoAuthority:
    return DemoAuthority.create(tmp_path / "authority", AT)


def sealed_with(key: FileKey | Pkcs11Key, authority: DemoAuthority, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "seal.crt").write_bytes(authority.issue_organisation(key.csr(), SUBJECT, AT))


def judged(cms: bytes, authority: DemoAuthority) -> str:
    held = verify(DOCUMENT, cms, policy=DEMO_ECDSA_2, trust=authority.trust(AT), at=AT, signer=None)
    assert held.signer.ogrn == SUBJECT.ogrn
    return held.algorithm


@pytest.mark.needs_softhsm
@pytest.mark.parametrize(
    "label, algorithm, repeatable", [("p256", "secp256r1-sha256", False), ("rsa", "rsa-2048-sha256", True)]
)
def test_a_seal_in_a_token_signs_and_its_signature_holds(
    token: Token, authority: DemoAuthority, tmp_path: Path, label: str, algorithm: str, repeatable: bool
) -> None:
    key = Pkcs11Key.open(token.uri(label))
    sealed_with(key, authority, tmp_path / "seal")
    (tmp_path / "seal" / "seal.uri").write_text(token.uri(label) + "\n")
    seal = seal_key_of(tmp_path / "seal")
    first, second = seal.sign(DOCUMENT, AT), seal.sign(DOCUMENT, AT)
    assert judged(first, authority) == algorithm
    assert (first == second) == repeatable == seal.repeatable
    assert openssl_says(tmp_path, DOCUMENT, first, authority.trust(AT)) == "CAdES Verification successful"


@pytest.mark.needs_softhsm
def test_the_setting_stands_in_where_the_folder_names_no_key(
    token: Token, authority: DemoAuthority, tmp_path: Path
) -> None:
    folder = tmp_path / "seal"
    sealed_with(Pkcs11Key.open(token.uri("p256")), authority, folder)
    assert judged(seal_key_of(folder, token.uri("p256")).sign(DOCUMENT, AT), authority)
    with pytest.raises(RequestRefused, match="SEAL_MISSING"):
        seal_key_of(folder)


@pytest.mark.needs_softhsm
def test_many_threads_seal_with_one_token(token: Token, authority: DemoAuthority, tmp_path: Path) -> None:
    folder = tmp_path / "seal"
    sealed_with(Pkcs11Key.open(token.uri("p256")), authority, folder)
    seal = seal_key_of(folder, token.uri("p256"))
    with ThreadPoolExecutor(4) as pool:
        assert (
            len({judged(cms, authority) for cms in pool.map(lambda _: seal.sign(DOCUMENT, AT), range(20))})
            == 1
        )


@pytest.mark.needs_softhsm
@pytest.mark.parametrize(
    "label, changes, code",
    [
        ("nobody", {}, "TOKEN_KEY"),
        ("twins", {}, "TOKEN_KEY"),
        ("p384", {}, "TOKEN_KEY"),
        ("p256", {"token": "another"}, "TOKEN_UNAVAILABLE"),
        ("p256", {"module": "/usr/lib/no-such-module.so"}, "TOKEN_UNAVAILABLE"),
        ("p256", {"pin": "wrong"}, "TOKEN_UNAVAILABLE"),
        ("p256", {"pin": "missing"}, "TOKEN_UNAVAILABLE"),
    ],
)
def test_a_token_that_does_not_serve_says_why(
    token: Token, label: str, changes: dict[str, str], code: str
) -> None:
    changes = changes | ({"pin": str(token.folder / changes["pin"])} if "pin" in changes else {})
    with pytest.raises(RequestRefused, match=code):
        Pkcs11Key.open(token.uri(label, **changes))


@pytest.mark.needs_softhsm
def test_a_key_among_twins_is_named_by_its_number(token: Token) -> None:
    uri = token.uri("twins").replace("object=twins", "object=twins;id=%02")
    assert TokenAddress.parse(uri).number == b"\x02"
    assert Pkcs11Key.open(uri).public.parameters == "secp256r1"


@pytest.mark.parametrize(
    "uri",
    [
        "file:/seal.key",
        "pkcs11:token=seal?module-path=/m.so&pin-source=file:/pin",
        "pkcs11:object=seal?module-path=/m.so&pin-source=file:/pin",
        "pkcs11:token=seal;object=seal?pin-source=file:/pin",
        "pkcs11:token=seal;object=seal?module-path=m.so&pin-source=file:/pin",
        "pkcs11:token=seal;object=seal?module-path=/m.so",
        "pkcs11:token=seal;object=seal?module-path=/m.so&pin-source=file:/pin&pin-value=4321",
    ],
)
def test_a_token_address_that_is_incomplete_or_tells_the_pin_is_refused(uri: str) -> None:
    with pytest.raises(RequestRefused, match="TOKEN_URI"):
        TokenAddress.parse(uri)


@pytest.mark.parametrize("kind", ["p256", "gost256", "gost512"])
@pytest.mark.needs_gost
def test_a_seal_in_a_file_signs_whatever_its_kind(tmp_path: Path, kind: str) -> None:
    authority = DemoAuthority.create(tmp_path / "authority", AT, algorithm=kind)
    key, folder = new_key(kind), tmp_path / "seal"
    key.save(folder / "seal.key")
    sealed_with(key, authority, folder)
    seal = seal_key_of(folder)
    assert isinstance(seal, SealKey)
    assert seal.repeatable == (kind == "p256")
    assert len(seal.sign(DOCUMENT, AT)) > 500


def test_a_certificate_may_be_in_pem(authority: DemoAuthority, tmp_path: Path) -> None:
    key, folder = new_key("p256"), tmp_path / "seal"
    key.save(folder / "seal.key")
    sealed_with(key, authority, folder)
    der = (folder / "seal.crt").read_bytes()
    (folder / "seal.crt").write_bytes(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))
    assert seal_key_of(folder).certificate == der


def test_a_key_with_the_certificate_of_another_is_refused(authority: DemoAuthority, tmp_path: Path) -> None:
    folder = tmp_path / "seal"
    sealed_with(new_key("p256"), authority, folder)
    new_key("p256").save(folder / "seal.key")
    with pytest.raises(RequestRefused, match="SEAL_MISMATCH"):
        seal_key_of(folder)


@pytest.mark.parametrize("content", [None, b"", b"rubbish"])
def test_a_seal_without_a_readable_certificate_is_missing(tmp_path: Path, content: bytes | None) -> None:
    new_key("p256").save(tmp_path / "seal.key")
    if content is not None:
        (tmp_path / "seal.crt").write_bytes(content)
    with pytest.raises(RequestRefused, match="SEAL_MISSING"):
        seal_key_of(tmp_path)
