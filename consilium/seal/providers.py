"""Keys that sign here: software keys for bots, tests, the demonstration and the organisation's seal.

A doctor's key is made and used in his browser (`web/client/signing`) or in his token and never comes near this
module; a seal's key in a token is `token.py`.
"""

import os
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from consilium.seal import cades, der, gost
from consilium.seal.errors import RequestRefused
from consilium.seal.keys import GOST_DIGESTS, public_key

__all__ = ["FileKey", "GostKey", "SoftwareKey", "load_key", "new_key", "write_private"]

ECDSA_SHA256 = "1.2.840.10045.4.3.2"
RSA_SHA256 = "1.2.840.113549.1.1.11"
GOST_SIGNATURES = {256: "1.2.643.7.1.1.3.2", 512: "1.2.643.7.1.1.3.3"}
# Engine's letters: CryptoPro-A for 256 bits (BouncyCastle cannot read TC26-B without digestParamSet), TC26-A for 512.
GOST_PARAMETERS = {256: "A", 512: "A"}


@dataclass(frozen=True, slots=True)
class SoftwareKey:
    """A private key in memory: P-256, or RSA where another tool demands it. The same input gives the same bytes."""

    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

    @classmethod
    def generate(cls, rsa_bits: int = 0) -> "SoftwareKey":
        """A new P-256 key; RSA of that many bits if asked."""
        if rsa_bits:
            return cls(rsa.generate_private_key(public_exponent=65537, key_size=rsa_bits))
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def load(cls, path: Path, password: bytes | None = None) -> "SoftwareKey":
        """Read a PKCS#8 PEM file. Raises RequestRefused KEY_UNREADABLE."""
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password)
        except (OSError, TypeError, ValueError, UnsupportedAlgorithm) as error:
            raise RequestRefused("KEY_UNREADABLE") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise RequestRefused("KEY_UNREADABLE")
        return cls(key)

    def save(self, path: Path, password: bytes | None = None) -> None:
        """Write a PKCS#8 PEM file that only its owner may read."""
        protection = (
            serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        )
        pem = self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
        )
        write_private(path, pem)

    @property
    def digest(self) -> str:
        """SHA-256, whatever the key."""
        return "sha256"

    @property
    def repeatable(self) -> bool:
        """Whether the same input gives the same signature (RFC 6979; PKCS#1 v1.5)."""
        return True

    def spki(self) -> bytes:
        """SubjectPublicKeyInfo (DER)."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def csr(self, common_name: str = "Consilium") -> bytes:
        """A certificate request (PKCS#10 DER). The authority sets the subject itself."""
        return cades.request(self, common_name)

    def sign(self, document: bytes, certificate: bytes, signing_time: datetime) -> bytes:
        """A detached CAdES-BES signature (CMS, DER) over the document."""
        return cades.sign(self, document, certificate, signing_time)

    def algorithm(self) -> bytes:
        """AlgorithmIdentifier (DER) of what `sign_raw` does."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return der.sequence(der.oid(RSA_SHA256), der.null())
        return der.sequence(der.oid(ECDSA_SHA256))

    def sign_raw(self, covered: bytes) -> bytes:
        """A bare signature over these bytes, with SHA-256."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(covered, padding.PKCS1v15(), hashes.SHA256())
        # RFC 6979: a retried seal repeats its bytes, and a bad random source cannot give the key away.
        return self.private.sign(covered, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


@dataclass(frozen=True, slots=True)
class GostKey:
    """A GOST R 34.10-2012 private key (PKCS#8 PEM in memory) behind the engine. Every signature is another one."""

    private: bytes = field(repr=False)
    public: bytes
    bits: int

    @classmethod
    def generate(cls, bits: int = 256) -> "GostKey":
        """A new key of 256 or 512 bits."""
        return cls._of(gost.generate(bits, GOST_PARAMETERS[bits]))

    @classmethod
    def load(cls, path: Path, password: bytes | None = None) -> "GostKey":
        """Read a PKCS#8 PEM file. Raises RequestRefused KEY_UNREADABLE, SignatureRefused GOST_UNAVAILABLE."""
        try:
            pem = path.read_bytes()
        except OSError as error:
            raise RequestRefused("KEY_UNREADABLE") from error
        return cls._of(gost.load_pem(pem, password))

    @classmethod
    def _of(cls, pem: bytes) -> "GostKey":
        public = public_key(gost.public_of(pem))
        if public.bits not in GOST_SIGNATURES or not public.kind.startswith("gost"):
            raise RequestRefused("KEY_UNREADABLE")
        return cls(pem, public.spki, public.bits)

    def save(self, path: Path, password: bytes | None = None) -> None:
        """Write a PKCS#8 PEM file that only its owner may read."""
        write_private(path, gost.save_pem(self.private, password))

    @property
    def digest(self) -> str:
        """Streebog of the key's size."""
        return GOST_DIGESTS[self.bits]

    @property
    def repeatable(self) -> bool:
        """The engine draws a new nonce for every signature."""
        return False

    def spki(self) -> bytes:
        """SubjectPublicKeyInfo (DER)."""
        return self.public

    def csr(self, common_name: str = "Consilium") -> bytes:
        """A certificate request (PKCS#10 DER). The authority sets the subject itself."""
        return cades.request(self, common_name)

    def sign(self, document: bytes, certificate: bytes, signing_time: datetime) -> bytes:
        """A detached CAdES-BES signature (CMS, DER) over the document."""
        return cades.sign(self, document, certificate, signing_time)

    def algorithm(self) -> bytes:
        """AlgorithmIdentifier (DER) of what `sign_raw` does."""
        return der.sequence(der.oid(GOST_SIGNATURES[self.bits]))

    def sign_raw(self, covered: bytes) -> bytes:
        """A bare signature over these bytes, with Streebog."""
        return gost.sign(self.private, None, covered, self.digest)


FileKey = SoftwareKey | GostKey


def new_key(kind: str) -> FileKey:
    """A new key: ``p256``, ``gost256`` or ``gost512``."""
    return (
        GostKey.generate(int(kind.removeprefix("gost")))
        if kind.startswith("gost")
        else SoftwareKey.generate()
    )


def load_key(path: Path, password: bytes | None = None) -> FileKey:
    """A key of whichever kind the PEM file holds.

    Raises RequestRefused KEY_UNREADABLE; SignatureRefused GOST_UNAVAILABLE for a GOST key without its engine.
    """
    try:
        return SoftwareKey.load(path, password)
    except RequestRefused as refused:
        # The one reason for which a sound file of another kind is refused there.
        if isinstance(refused.__cause__, UnsupportedAlgorithm):
            return GostKey.load(path, password)
        raise


def write_private(path: Path, content: bytes) -> None:
    """Write a file readable by its owner alone, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
