"""What the verifier believes: root certificates, intermediates, revocation lists and OCSP answers, as DER bytes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from consilium.seal.errors import SignatureRefused
from consilium.seal.names import names_in

__all__ = ["TrustStore", "certificates_from", "crl_from"]

SUFFIXES = {".crt", ".pem", ".crl"}


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

        Raises SignatureRefused: BAD_CERTIFICATE or NO_CRL for a file that is neither, TRUST_UNREADABLE.
        """
        try:
            files = {file: file.read_bytes() for file in sorted(folder.iterdir()) if file.suffix in SUFFIXES}
        except OSError as error:
            raise SignatureRefused("TRUST_UNREADABLE") from error
        certificates = [content for file, content in files.items() if file.suffix != ".crl"]
        crls = [crl_from(content) for file, content in files.items() if file.suffix == ".crl"]
        return cls.sorted_out((der for content in certificates for der in certificates_from(content)), crls)

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


def certificates_from(content: bytes) -> Iterator[bytes]:
    """Certificates of a PEM or DER file, as DER."""
    try:
        if b"-----BEGIN" in content:
            loaded = x509.load_pem_x509_certificates(content)
        else:
            loaded = [x509.load_der_x509_certificate(content)]
    except (ValueError, x509.InvalidVersion) as error:
        raise SignatureRefused("BAD_CERTIFICATE") from error
    yield from (certificate.public_bytes(Encoding.DER) for certificate in loaded)


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
