"""A seal's key in a token or hardware module (PKCS#11): it signs there and never leaves.

P-256 and RSA from 2048 bits; the digest is made here, the mathematics there. GOST keys of tokens need
mechanisms of their vendors (2012 sizes came after PKCS#11 2.40) and are not served. The token is named by a
`pkcs11:` URI (RFC 7512) with `module-path` and `pin-source=file:PATH`; a PIN inside the URI is refused, since
settings are read and shown more widely than a secret may be.
"""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, unquote_to_bytes, urlsplit

import pkcs11
from pkcs11.exceptions import PKCS11Error
from pkcs11.util.ec import encode_ec_public_key, encode_ecdsa_signature
from pkcs11.util.rsa import encode_rsa_public_key

from consilium.seal import cades, der
from consilium.seal.errors import RequestRefused
from consilium.seal.keys import PublicKey, public_key

__all__ = ["Pkcs11Key", "TokenAddress"]

ECDSA_SHA256, RSA_SHA256 = "1.2.840.10045.4.3.2", "1.2.840.113549.1.1.11"
RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
PIN_LIMIT = 256
# A login is the process's and not the session's: two at once, or a logout between, would fail.
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class TokenAddress:
    """Where a key lies. `parse` reads the URI."""

    module: str
    token: str
    serial: str
    label: str
    number: bytes
    pin_file: Path

    @classmethod
    def parse(cls, uri: str) -> "TokenAddress":
        """Read a pkcs11: URI. Raises RequestRefused TOKEN_URI."""
        parts = urlsplit(uri)
        path = dict(piece.partition("=")[::2] for piece in parts.path.split(";") if piece)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        source = query.get("pin-source", "").removeprefix("file:")
        found = cls(
            module=query.get("module-path", ""),
            token=unquote(path.get("token", "")),
            serial=unquote(path.get("serial", "")),
            label=unquote(path.get("object", "")),
            number=unquote_to_bytes(path.get("id", "")),
            pin_file=Path(source),
        )
        named = (found.token or found.serial) and (found.label or found.number)
        complete = (
            parts.scheme == "pkcs11" and named and found.module.startswith("/") and source.startswith("/")
        )
        if not complete or "pin-value" in query:
            raise RequestRefused("TOKEN_URI")
        return found


@dataclass(frozen=True, slots=True)
class Pkcs11Key:
    """A signing key in a token. Every signature logs in and out: no open session outlives its use."""

    address: TokenAddress = field(repr=False)
    public: PublicKey

    @classmethod
    def open(cls, uri: str) -> "Pkcs11Key":
        """Find the key. Raises RequestRefused: TOKEN_URI, TOKEN_UNAVAILABLE, TOKEN_KEY."""
        address = TokenAddress.parse(uri)
        with _session(address) as session:
            public = public_key(_spki(_one(session, address, pkcs11.ObjectClass.PUBLIC_KEY)))
            _one(session, address, pkcs11.ObjectClass.PRIVATE_KEY)
        if public.kind not in ("ecdsa", "rsa"):
            raise RequestRefused("TOKEN_KEY")
        if public.kind == "ecdsa" and public.parameters != "secp256r1":
            raise RequestRefused("TOKEN_KEY")
        return cls(address, public)

    @property
    def digest(self) -> str:
        """SHA-256, whatever the key."""
        return "sha256"

    @property
    def repeatable(self) -> bool:
        """A token draws a new nonce for every ECDSA signature."""
        return self.public.kind == "rsa"

    def spki(self) -> bytes:
        """SubjectPublicKeyInfo (DER)."""
        return self.public.spki

    def csr(self, common_name: str = "Consilium") -> bytes:
        """A certificate request (PKCS#10 DER) signed in the token."""
        return cades.request(self, common_name)

    def algorithm(self) -> bytes:
        """AlgorithmIdentifier (DER) of what `sign_raw` does."""
        if self.public.kind == "rsa":
            return der.sequence(der.oid(RSA_SHA256), der.null())
        return der.sequence(der.oid(ECDSA_SHA256))

    def sign_raw(self, covered: bytes) -> bytes:
        """A bare signature over these bytes, with SHA-256. Raises RequestRefused TOKEN_UNAVAILABLE, TOKEN_KEY."""
        with _session(self.address) as session:
            key = _one(session, self.address, pkcs11.ObjectClass.PRIVATE_KEY)
            if self.public.kind == "rsa":
                return bytes(key.sign(covered, mechanism=pkcs11.Mechanism.SHA256_RSA_PKCS))
            digest = hashlib.sha256(covered).digest()
            return bytes(encode_ecdsa_signature(key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA)))


@contextmanager
def _session(address: TokenAddress) -> Iterator[pkcs11.Session]:
    try:
        pin = address.pin_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestRefused("TOKEN_UNAVAILABLE") from error
    if not pin or len(pin) > PIN_LIMIT:
        raise RequestRefused("TOKEN_UNAVAILABLE")
    with _lock:
        try:
            with _token(address).open(user_pin=pin) as session:
                yield session
        except (PKCS11Error, RuntimeError) as error:
            # RuntimeError is how the binding says that the module cannot be loaded.
            raise RequestRefused("TOKEN_UNAVAILABLE") from error


def _token(address: TokenAddress) -> Any:
    module = _module(address.module, os.getpid())
    serial = address.serial.encode() or None
    return module.get_token(token_label=address.token or None, token_serial=serial)


@lru_cache(maxsize=8)
def _module(path: str, process: int) -> Any:
    """The loaded module of this process: after a fork it must begin anew (PKCS#11 6.6.1)."""
    module = pkcs11.lib(path)
    module.reinitialize()
    return module


def _one(session: pkcs11.Session, address: TokenAddress, kind: pkcs11.ObjectClass) -> Any:
    """The key that the URI names, alone: of two it would be unknown which one signs.

    Any, because what an object can do is known to the binding only at run time.
    """
    wanted: dict[pkcs11.Attribute, object] = {pkcs11.Attribute.CLASS: kind}
    if address.label:
        wanted[pkcs11.Attribute.LABEL] = address.label
    if address.number:
        wanted[pkcs11.Attribute.ID] = address.number
    found = list(session.get_objects(wanted))
    if len(found) != 1:
        raise RequestRefused("TOKEN_KEY")
    return found[0]


def _spki(key: Any) -> bytes:
    match key.key_type:
        case pkcs11.KeyType.EC:
            return bytes(encode_ec_public_key(key))
        case pkcs11.KeyType.RSA:
            algorithm = der.sequence(der.oid(RSA_ENCRYPTION), der.null())
            return der.sequence(algorithm, der.bits(bytes(encode_rsa_public_key(key))))
        case _:
            raise RequestRefused("TOKEN_KEY")
