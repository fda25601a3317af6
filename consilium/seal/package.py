"""The sealed package: protocol, signatures, dissent, evidence, journal; checkable with `openssl` alone.

ASiC-E layout (ETSI EN 319 162-1): `document.xml`, `document.pdf` (a copy), `journal.json`,
`signatures/NN-<role>.sig` and `signatures/org.sig` over the document, `dissent/NN.xml` with `NN.sig`,
`evidence/tst` (a timestamp of every signature, DER), `evidence/certs` (signers `*.crt`, authorities `*-ca.crt`,
timestamp authorities `*-tsa.crt`, OCSP responders `*-ocsp.crt`, all PEM), `evidence/crl` (PEM), `evidence/ocsp`
(DER), `report/*.json`, `audit/chain.jsonl`, `VERIFY.txt`, and the manifest signed by the organisation with a
timestamp of that signature. The first layout had no timestamps: without tokens it is still the one written.
"""

import base64
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from consilium.seal import cms, container, instructions, manifest
from consilium.seal.errors import PackageRefused
from consilium.seal.names import identity_of, names_in
from consilium.seal.policy import RU_UKEP
from consilium.seal.tight import tighten

__all__ = [
    "DissentFile",
    "PackageContents",
    "PersonalSignature",
    "evidence_files",
    "pem",
    "read_file",
    "read_package",
    "signed_files",
    "write_package",
    "write_whole",
]

REQUIRED = ("document.xml", "signatures/org.sig", "audit/chain.jsonl", "VERIFY.txt", manifest.MANIFEST)
# Every signature is held against every list and answer: more of either than anybody needs buys only time.
MOST = {".sig": 201, ".crl": 64, ".ors": 512}
CYRILLIC = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
LATIN = "a,b,v,g,d,e,e,zh,z,i,y,k,l,m,n,o,p,r,s,t,u,f,kh,ts,ch,sh,shch,_,y,_,e,yu,ya"
LETTERS = dict(zip(CYRILLIC, re.findall("[a-z_]+", LATIN), strict=True))
# Endings that say what kind of certificate a file of `evidence/certs` holds.
KINDS = ("ca", "tsa", "ocsp")


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
    in, detached CMS out. ``authorities`` are all certificates besides the signers': of certification, timestamp
    and OCSP authorities, in any order. ``tokens`` hold the timestamp of every signature under the names of
    `signed_files`; ``stamp`` gets the one over the manifest's signature: the whole file in, token out. Both are
    there or neither. ``reports`` are files of `report/` by name ("validation.json"), ``copy`` is the PDF.
    """

    document: bytes
    signatures: tuple[PersonalSignature, ...]
    org_signature: bytes
    authorities: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    audit: bytes
    seal: Callable[[bytes], bytes]
    dissents: tuple[DissentFile, ...] = ()
    tokens: Mapping[str, bytes] = field(default_factory=dict)
    stamp: Callable[[bytes], bytes] | None = None
    ocsps: tuple[bytes, ...] = ()
    copy: bytes = b""
    journal_row: bytes = b""
    reports: Mapping[str, bytes] = field(default_factory=dict)


def signed_files(
    signatures: tuple[PersonalSignature, ...], org_signature: bytes, dissents: tuple[DissentFile, ...] = ()
) -> dict[str, bytes]:
    """Every signature by the name its timestamp has in the package: "01-chair", "org", "dissent-01"."""
    named = {f"{number:02d}-{one.role}": one.cms for number, one in enumerate(signatures, 1)}
    opinions = {f"dissent-{number:02d}": one.cms for number, one in enumerate(dissents, 1)}
    return named | {"org": org_signature} | opinions


def write_package(path: Path, contents: PackageContents) -> str:
    """Write the package, whole or not at all; the same contents give the same bytes. Returns its SHA-256, hex.

    Packs and does not judge: `verify_package` does. Raises PackageRefused for a name that does not fit,
    SignatureRefused for a signature that cannot be read, OSError when the disk refuses.
    """
    packed = container.pack(_members(contents))
    container.unpack(packed)
    write_whole(path, packed)
    return hashlib.sha256(packed).hexdigest()


def read_package(source: Path | bytes) -> dict[str, bytes]:
    """The files of a package, safely. Raises PackageRefused when it is not one or lacks a part."""
    members = container.unpack(source if isinstance(source, bytes) else read_file(source))
    for name in (*REQUIRED, manifest.MANIFEST_SIGNATURE):
        if name not in members:
            raise PackageRefused("PACKAGE_MISSING", name=name)
    for ending, most in MOST.items():
        if sum(name.endswith(ending) for name in members) > most:
            raise PackageRefused("PACKAGE_TOO_LARGE")
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
    members |= _evidence(contents) | _tokens(contents) | _papers(contents)
    members["VERIFY.txt"] = instructions.render(members)
    members[manifest.MANIFEST] = manifest.render_manifest(members)
    members[manifest.MANIFEST_SIGNATURE] = contents.seal(members[manifest.MANIFEST])
    if contents.stamp is not None:
        members[manifest.MANIFEST_TOKEN] = tighten(contents.stamp(members[manifest.MANIFEST_SIGNATURE]))
    return members


def _tokens(contents: PackageContents) -> dict[str, bytes]:
    named = signed_files(contents.signatures, contents.org_signature, contents.dissents)
    wanted = set(named) if contents.stamp is not None else set()
    if set(contents.tokens) != wanted:
        differing = sorted(set(contents.tokens) ^ wanted)
        raise PackageRefused("PACKAGE_MISSING", name=f"evidence/tst/{differing[0]}.tst")
    return {f"evidence/tst/{name}.tst": token for name, token in contents.tokens.items()}


def _papers(contents: PackageContents) -> dict[str, bytes]:
    single = {"document.pdf": contents.copy, "journal.json": contents.journal_row}
    reports = {f"report/{name}": content for name, content in contents.reports.items()}
    return {name: content for name, content in single.items() if content} | reports


def _evidence(contents: PackageContents) -> dict[str, bytes]:
    signed = [
        *(signature.cms for signature in contents.signatures),
        *(file.cms for file in contents.dissents),
    ]
    certificates = dict.fromkeys(_signer_certificate(signature) for signature in signed)
    files = {
        f"evidence/certs/{number:02d}-{_latin(identity_of(names_in(der).subject).surname)}.crt": pem(
            "CERTIFICATE", der
        )
        for number, der in enumerate(certificates, 1)
    }
    files["evidence/certs/org.crt"] = pem("CERTIFICATE", _signer_certificate(contents.org_signature))
    return files | evidence_files("evidence", contents.authorities, contents.crls, contents.ocsps)


def evidence_files(
    folder: str, authorities: Iterable[bytes], crls: Iterable[bytes], ocsps: Iterable[bytes]
) -> dict[str, bytes]:
    """Certificates, revocation lists and OCSP replies (DER) as the files of an evidence folder."""
    files = {
        f"{folder}/certs/{number:02d}-{_kind(der)}.crt": pem("CERTIFICATE", der)
        for number, der in enumerate(dict.fromkeys(authorities), 1)
    }
    for number, der in enumerate(dict.fromkeys(crls), 1):
        files[f"{folder}/crl/{number:02d}-ca.crl"] = pem("X509 CRL", der)
    for number, der in enumerate(dict.fromkeys(ocsps), 1):
        files[f"{folder}/ocsp/{number:02d}.ors"] = der
    return files


def _kind(der: bytes) -> str:
    """What an authority's certificate is for, as the ending of its file's name."""
    try:
        extended = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(
            x509.ExtendedKeyUsage
        )
    except x509.ExtensionNotFound:
        return "ca"
    if ExtendedKeyUsageOID.TIME_STAMPING in extended.value:
        return "tsa"
    return "ocsp" if ExtendedKeyUsageOID.OCSP_SIGNING in extended.value else "ca"


def pem(label: str, der: bytes) -> bytes:
    """DER in PEM clothes (RFC 7468), the form the openssl program reads many of from one file."""
    text = base64.b64encode(der)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    name = label.encode()
    return b"\n".join([b"-----BEGIN " + name + b"-----", *lines, b"-----END " + name + b"-----", b""])


def _signer_certificate(signature: bytes) -> bytes:
    message = cms.parse(signature, RU_UKEP.limits, ber_outer=True)
    for der in message.certificates:
        names = names_in(der)
        if (names.issuer, names.serial) == (message.issuer, message.serial):
            return der
    raise PackageRefused("EVIDENCE_CERT")


def _latin(name: str) -> str:
    """A surname for a file name. Never ends as the files of authorities do."""
    spelled = "".join(LETTERS.get(letter, letter) for letter in name.casefold())
    slug = re.sub(r"[^a-z0-9]+", "-", spelled.replace("_", "")).strip("-")[:40]
    return slug if slug and not slug.endswith(KINDS) else f"{slug}-signer".strip("-")


def read_file(path: Path) -> bytes:
    """A package's bytes, as long as it is a file of a bearable size. Raises PackageRefused."""
    try:
        # A pipe would be waited for, and a device has no end.
        if not path.is_file():
            raise PackageRefused("PACKAGE_FORMAT", what="file")
        with path.open("rb") as file:
            content = file.read(container.SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:
        raise PackageRefused("PACKAGE_FORMAT", what="file") from error
    if len(content) > container.SIZE_LIMIT:
        raise PackageRefused("PACKAGE_TOO_LARGE")
    return content


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that under its name there is the old content or the new one, and never a part."""
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
