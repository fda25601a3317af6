"""The sealed package: protocol, signatures, dissent, evidence, journal; checkable with `openssl` alone.

ASiC-E layout (ETSI EN 319 162-1): `document.xml`, `signatures/NN-<role>.sig` and `signatures/org.sig` over it,
`dissent/NN.xml` with `NN.sig`, `evidence/certs` (signers `*.crt`, authorities `*-ca.crt`, all PEM),
`evidence/crl`, `audit/chain.jsonl`, `VERIFY.txt`, and the manifest signed by the organisation.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from consilium.seal import cms, container, instructions, manifest
from consilium.seal.errors import PackageRefused
from consilium.seal.names import identity_of, names_in
from consilium.seal.policy import DEMO_ECDSA

__all__ = ["DissentFile", "PackageContents", "PersonalSignature", "read_package", "write_package"]

REQUIRED = ("document.xml", "signatures/org.sig", "audit/chain.jsonl", "VERIFY.txt", manifest.MANIFEST)
LETTERS = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        [
            "a",
            "b",
            "v",
            "g",
            "d",
            "e",
            "e",
            "zh",
            "z",
            "i",
            "y",
            "k",
            "l",
            "m",
            "n",
            "o",
            "p",
            "r",
            "s",
            "t",
            "u",
            "f",
            "kh",
            "ts",
            "ch",
            "sh",
            "shch",
            "_",
            "y",
            "_",
            "e",
            "yu",
            "ya",
        ],
        strict=True,
    )
)


@dataclass(frozen=True, slots=True)
class PersonalSignature:
    """One person's detached signature (CMS, DER) and his role: small Latin letters, digits, hyphens (``chair``)."""

    role: str
    cms: bytes


@dataclass(frozen=True, slots=True)
class DissentFile:
    """A dissenting opinion's bytes and its author's detached signature over them."""

    xml: bytes
    cms: bytes


@dataclass(frozen=True, slots=True)
class PackageContents:
    """All that goes into a package; certificates and lists in DER, signatures in the order of signing.

    ``seal`` signs the manifest with the organisation's key, the same that made ``org_signature``: manifest bytes
    in, detached CMS out.
    """

    document: bytes
    signatures: tuple[PersonalSignature, ...]
    org_signature: bytes
    authorities: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    audit: bytes
    seal: Callable[[bytes], bytes]
    dissents: tuple[DissentFile, ...] = ()


def write_package(path: Path, contents: PackageContents) -> str:
    """Write the package, whole or not at all; the same contents give the same bytes. Returns its SHA-256, hex.

    Packs and does not judge: `verify_package` does. Raises PackageRefused for a name that does not fit,
    SignatureRefused for a signature that cannot be read, OSError when the disk refuses.
    """
    packed = container.pack(_members(contents))
    container.unpack(packed)
    _write(path, packed)
    return hashlib.sha256(packed).hexdigest()


def read_package(source: Path | bytes) -> dict[str, bytes]:
    """The files of a package, safely. Raises PackageRefused when it is not one or lacks a part."""
    members = container.unpack(source if isinstance(source, bytes) else _read(source))
    for name in (*REQUIRED, manifest.MANIFEST_SIGNATURE):
        if name not in members:
            raise PackageRefused("PACKAGE_MISSING", name=name)
    for name in members:
        if name.startswith("dissent/") and not {f"{name[:-4]}.xml", f"{name[:-4]}.sig"} <= set(members):
            raise PackageRefused("PACKAGE_MISSING", name=name[:-4])
    return members


def _members(contents: PackageContents) -> dict[str, bytes]:
    members = {"mimetype": container.MIMETYPE, "document.xml": contents.document}
    members["audit/chain.jsonl"] = contents.audit
    for number, signature in enumerate(contents.signatures, 1):
        members[f"signatures/{number:02d}-{signature.role}.sig"] = signature.cms
    members["signatures/org.sig"] = contents.org_signature
    for number, dissent in enumerate(contents.dissents, 1):
        members[f"dissent/{number:02d}.xml"] = dissent.xml
        members[f"dissent/{number:02d}.sig"] = dissent.cms
    members |= _evidence(contents)
    members["VERIFY.txt"] = instructions.render(members)
    members[manifest.MANIFEST] = manifest.render_manifest(members)
    members[manifest.MANIFEST_SIGNATURE] = contents.seal(members[manifest.MANIFEST])
    return members


def _evidence(contents: PackageContents) -> dict[str, bytes]:
    signed = [
        *(signature.cms for signature in contents.signatures),
        *(file.cms for file in contents.dissents),
    ]
    certificates = dict.fromkeys(_signer_certificate(signature) for signature in signed)
    files = {
        f"evidence/certs/{number:02d}-{_latin(identity_of(names_in(der).subject).surname)}.crt": _certificate(
            der
        )
        for number, der in enumerate(certificates, 1)
    }
    files["evidence/certs/org.crt"] = _certificate(_signer_certificate(contents.org_signature))
    for number, der in enumerate(contents.authorities, 1):
        files[f"evidence/certs/{number:02d}-ca.crt"] = _certificate(der)
    for number, der in enumerate(contents.crls, 1):
        files[f"evidence/crl/{number:02d}-ca.crl"] = x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)
    return files


def _signer_certificate(signature: bytes) -> bytes:
    message = cms.parse(signature, DEMO_ECDSA.limits)
    for der in message.certificates:
        names = names_in(der)
        if (names.issuer, names.serial) == (message.issuer, message.serial):
            return der
    raise PackageRefused("EVIDENCE_CERT")


def _certificate(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def _latin(name: str) -> str:
    """A surname for a file name. Never ends in `-ca`, which marks authorities."""
    spelled = "".join(LETTERS.get(letter, letter) for letter in name.casefold())
    slug = re.sub(r"[^a-z0-9]+", "-", spelled.replace("_", "")).strip("-")[:40]
    return slug if slug and not slug.endswith("ca") else f"{slug}-signer".strip("-")


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > container.SIZE_LIMIT:
            raise PackageRefused("PACKAGE_TOO_LARGE")
        return path.read_bytes()
    except OSError as error:
        raise PackageRefused("PACKAGE_FORMAT", what="file") from error


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o640)
        Path(temporary).replace(path)
        _sync_folder(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
