"""A self-signed TLS certificate for showing the product on a network of one's own.

Browsers warn about it, which is right: nobody vouches for it. It exists because cameras and
`crypto.subtle` work only in a secure context.
"""

import ipaddress
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_DAYS = 90


def make(names: Sequence[str], folder: Path, at: datetime) -> tuple[Path, Path]:
    """Write `<first name>.crt` and `.key` (0600, P-256) for these host names and addresses; return both paths.

    An existing pair is replaced. Raises OSError when the folder cannot be written, ValueError for a name
    that no certificate can carry.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(names, key, at)
    folder.mkdir(parents=True, exist_ok=True)
    stem = names[0].replace(":", "_").replace("*", "_")
    cert_file, key_file = folder / f"{stem}.crt", folder / f"{stem}.key"
    _write(key_file, _key_bytes(key), 0o600)
    _write(cert_file, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return cert_file, key_file


def _certificate(names: Sequence[str], key: ec.EllipticCurvePrivateKey, at: datetime) -> x509.Certificate:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Consilium demonstration"),
            x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64]),
        ]
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(minutes=5))
        .not_valid_after(at + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name.encode("idna").decode("ascii"))


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(file: Path, content: bytes, mode: int) -> None:
    """Replace the file by one that never had wider rights."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(content)
