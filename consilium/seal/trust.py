"""What the verifier believes: root certificates, intermediates, revocation lists and OCSP answers, as DER bytes."""

import base64
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from consilium.seal.errors import SignatureRefused
from consilium.seal.names import names_in

__all__ = ["TrustStore", "certificates_from", "crl_from", "files_of"]

PEM = re.compile(
    rb"-----BEGIN (?:X509 )?CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END (?:X509 )?CERTIFICATE-----"
)
SUFFIXES = frozenset({".crt", ".pem", ".crl"})
Files = tuple[tuple[str, bytes], ...]
# How many folders are remembered, and how long after a change a folder is read anew each time: two changes
# within one tick of the file system's clock look alike.
FOLDERS, TICK = 8, 2_000_000_000


@dataclass(frozen=True, slots=True)
class TrustStore:
    """Anchors and material for a chain. Bytes only, so one store may serve many threads."""

    roots: tuple[bytes, ...]
    intermediates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> "TrustStore":
        """Read a folder: `*.crt` and `*.pem` certificates (a self-signed one is a root), `*.crl` lists; PEM or DER.

        Asked for each verification: the files are read again when one of them has changed (`files_of`).
        Raises SignatureRefused: BAD_CERTIFICATE or NO_CRL for a file that is neither, TRUST_UNREADABLE.
        """
        try:
            return _loaded(files_of(folder, SUFFIXES))
        except OSError as error:
            raise SignatureRefused("TRUST_UNREADABLE") from error

    @classmethod
    def sorted_out(cls, certificates: Iterable[bytes], crls: Iterable[bytes]) -> "TrustStore":
        """A store whose self-signed certificates are its roots."""
        certificates = tuple(certificates)
        roots = tuple(der for der in certificates if names_in(der).self_issued)
        return cls(roots, tuple(der for der in certificates if der not in roots), tuple(crls))

    def demoted(self) -> "TrustStore":
        """The same material with nothing believed: its roots serve only as links to other roots."""
        return TrustStore((), self.roots + self.intermediates, self.crls, self.ocsps)

    def joined(self, other: "TrustStore") -> "TrustStore":
        """Both stores together, each item once."""
        return TrustStore(
            _once(self.roots + other.roots),
            _once(self.intermediates + other.intermediates),
            _once(self.crls + other.crls),
            _once(self.ocsps + other.ocsps),
        )


def files_of(folder: Path, suffixes: frozenset[str]) -> Files:
    """Names and contents of a folder's files, by name; read anew when the file system says that one has changed.

    Raises OSError.
    """
    found = sorted(
        (one for one in os.scandir(folder) if Path(one.name).suffix in suffixes), key=lambda one: one.name
    )
    seen = [(one.name, one.stat()) for one in found]
    state = tuple(
        (name, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for name, stat in seen
    )
    key = (folder, suffixes)
    known = _folders.get(key)
    if known is not None and known[0] == state:
        return known[1]
    files = tuple((name, (folder / name).read_bytes()) for name, _ in seen)
    if all(stat.st_ctime_ns < time.time_ns() - TICK for _, stat in seen):
        if len(_folders) >= FOLDERS:
            _folders.clear()
        _folders[key] = (state, files)
    return files


_folders: dict[tuple[Path, frozenset[str]], tuple[object, Files]] = {}


@lru_cache(maxsize=FOLDERS)
def _loaded(files: Files) -> TrustStore:
    certificates = [content for name, content in files if not name.endswith(".crl")]
    crls = [crl_from(content) for name, content in files if name.endswith(".crl")]
    return TrustStore.sorted_out(
        (der for content in certificates for der in certificates_from(content)), crls
    )


def certificates_from(content: bytes) -> Iterator[bytes]:
    """Certificates of a PEM or DER file, as DER. Raises SignatureRefused BAD_CERTIFICATE."""
    try:
        found = _armoured(content) if b"-----BEGIN" in content else [content]
        for der in found:
            # RFC 5280 4.1.2.2; looked at first, because `cryptography` merely warns of it.
            if names_in(der).serial <= 0:
                raise SignatureRefused("BAD_CERTIFICATE")
            x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion, SignatureRefused) as error:
        raise SignatureRefused("BAD_CERTIFICATE") from error
    yield from found


def _armoured(content: bytes) -> list[bytes]:
    """Every certificate of a PEM file, whatever stands between. Raises ValueError where there is none."""
    found = [base64.b64decode(b"".join(text.split()), validate=True) for text in PEM.findall(content)]
    if not found:
        raise ValueError("no certificate")
    return found


def crl_from(content: bytes) -> bytes:
    """A revocation list of a PEM or DER file, as DER."""
    pem = b"-----BEGIN" in content
    try:
        crl = x509.load_pem_x509_crl(content) if pem else x509.load_der_x509_crl(content)
    except (ValueError, x509.InvalidVersion) as error:
        raise SignatureRefused("NO_CRL") from error
    return crl.public_bytes(Encoding.DER)


def _once(items: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(items))
