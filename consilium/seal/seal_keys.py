"""The key of an organisation's seal, wherever the operator keeps it: in a file, or in a token.

An organisation's folder holds `seal.crt` (DER or PEM) and one of `seal.uri` (a `pkcs11:` URI) and `seal.key`
(PKCS#8 PEM: P-256, RSA or GOST). The setting `CONSILIUM_SEAL_KEY` stands in where a folder has neither.
"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from consilium.seal import cades, der
from consilium.seal.cades import SigningKey
from consilium.seal.certificates import certificate_of
from consilium.seal.errors import RequestRefused, SignatureRefused
from consilium.seal.providers import load_key
from consilium.seal.trust import certificates_from

__all__ = ["SealKey", "seal_key_of"]


@dataclass(frozen=True, slots=True)
class SealKey:
    """A key and its certificate (DER). ``repeatable``: the same document and moment give the same bytes."""

    key: SigningKey = field(repr=False)
    certificate: bytes
    repeatable: bool

    def sign(self, document: bytes, moment: datetime) -> bytes:
        """A detached CAdES-BES signature, checked before it is handed out.

        Raises RequestRefused: TOKEN_UNAVAILABLE, TOKEN_KEY, KEY_UNREADABLE, and SEAL_MISMATCH where the
        certificate is another key's.
        """
        attributes = cades.signed_attributes(document, self.certificate, moment, self.key.digest)
        covered = der.tlv(0x31, attributes)
        signature = self.key.sign_raw(covered)
        if not certificate_of(self.certificate).key.verify(covered, signature, self.key.digest):
            raise RequestRefused("SEAL_MISMATCH")
        return cades.signed_data(self.certificate, attributes, self.key, signature)


def seal_key_of(folder: Path, uri: str | None = None) -> SealKey:
    """The seal of the organisation whose folder this is; ``uri`` serves where the folder names no key itself.

    Raises RequestRefused: SEAL_MISSING, SEAL_MISMATCH (key and certificate do not belong together), KEY_UNREADABLE,
    TOKEN_URI, TOKEN_UNAVAILABLE, TOKEN_KEY; SignatureRefused GOST_UNAVAILABLE.
    """
    key = _key(folder, uri)
    certificate = _certificate(folder / "seal.crt")
    if certificate_of(certificate).key.spki != key.spki():
        raise RequestRefused("SEAL_MISMATCH")
    return SealKey(key, certificate, key.repeatable)


def _key(folder: Path, uri: str | None) -> SigningKey:
    named = folder / "seal.uri"
    if named.exists():
        return _in_token(_address(named))
    if (folder / "seal.key").exists():
        return load_key(folder / "seal.key")
    if uri:
        return _in_token(uri)
    raise RequestRefused("SEAL_MISSING")


def _address(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestRefused("KEY_UNREADABLE") from error


def _in_token(uri: str) -> SigningKey:
    # The binding is loaded only where a token is used: the verifier stands alone without it.
    from consilium.seal.token import Pkcs11Key

    return Pkcs11Key.open(uri)


def _certificate(path: Path) -> bytes:
    try:
        return next(certificates_from(path.read_bytes()))
    except (OSError, StopIteration, SignatureRefused) as error:
        raise RequestRefused("SEAL_MISSING") from error
