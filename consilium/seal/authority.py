"""The built-in DEMONSTRATION authority: it certifies keys made in a browser, and revokes them.

It proves the path of a signature from key to revocation list. It gives nobody legal standing, and every
certificate says so. A folder holds all of it: `root.key`, `root.crt`, `issued/*.crt`, `revoked.jsonl`.
"""

import fcntl
import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from consilium.seal import asn1, der, keys
from consilium.seal.asn1 import Fields
from consilium.seal.certificates import certificate_of, read_signed, signed_by
from consilium.seal.errors import RequestRefused, SignatureRefused
from consilium.seal.keys import PublicKey
from consilium.seal.names import OIDS, names_in
from consilium.seal.providers import FileKey, GostKey, SoftwareKey, load_key, new_key, write_private
from consilium.seal.trust import TrustStore

__all__ = ["DemoAuthority", "OrganisationSubject", "PersonSubject"]

AUTHORITY_NAME = "ДЕМО-УЦ / DEMONSTRATION CA Consilium"
UNIT = "ДЕМОНСТРАЦИЯ / DEMONSTRATION"
CSR_LIMIT = 16 * 1024
RSA_BITS = (2048, 8192)
# Order 795 of the FSB: СНИЛС, ОГРН and ИНН are NumericString; RFC 5280: a country is PrintableString.
STRING_KINDS = dict.fromkeys(("snils", "ogrn", "inn_organisation"), der.NUMERIC) | {"country": der.PRINTABLE}
KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
ROOT_LIFE, SERVICE_LIFE, CERTIFICATE_LIFE = timedelta(days=3650), timedelta(days=1826), timedelta(days=456)
CRL_LIFE = timedelta(days=7)
# Clocks of the parties differ; a certificate is used seconds after it is issued.
BACKDATED = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class PersonSubject:
    """The person a certificate is for: full name as shown, surname, first name with patronymic, СНИЛС."""

    name: str
    surname: str
    given: str
    snils: str


@dataclass(frozen=True, slots=True)
class OrganisationSubject:
    """The organisation a seal is for: its name, ОГРН (13 digits), ИНН (10 digits)."""

    name: str
    ogrn: str
    inn: str


@dataclass(frozen=True, slots=True)
class DemoAuthority:
    """One authority in its folder. Many processes may use the folder at once; changes are locked."""

    folder: Path
    key: FileKey
    certificate: x509.Certificate

    @classmethod
    def create(cls, folder: Path, at: datetime | None = None, algorithm: str = "p256") -> "DemoAuthority":
        """Make the authority, or open it where it already exists.

        ``algorithm`` of a new one is p256, gost256 or gost512; it certifies persons' keys of its own world alone.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(folder):
            if not (folder / "root.crt").exists():
                key = new_key(algorithm)
                root = _root(key, at or datetime.now(UTC))
                key.save(folder / "root.key")
                write_private(folder / "root.crt", _pem(root))
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> "DemoAuthority":
        """Open an existing authority. Raises RequestRefused AUTHORITY_MISSING."""
        try:
            certificate = x509.load_pem_x509_certificate((folder / "root.crt").read_bytes())
        except (OSError, ValueError) as error:
            raise RequestRefused("AUTHORITY_MISSING") from error
        return cls(folder, load_key(folder / "root.key"), certificate)

    @property
    def root(self) -> bytes:
        """The authority's own certificate, DER."""
        return self.certificate.public_bytes(Encoding.DER)

    def issue(self, csr: bytes, subject: PersonSubject, at: datetime) -> bytes:
        """Certify a person's key; DER. The same key and person give the same certificate again.

        The subject comes from the caller alone. Raises RequestRefused: CSR_FORMAT, CSR_SIGNATURE, CSR_KEY,
        CSR_KEY_TAKEN, CSR_SUBJECT.
        """
        return self._issue(csr, _person(subject), at)

    def issue_organisation(self, csr: bytes, subject: OrganisationSubject, at: datetime) -> bytes:
        """Certify an organisation's seal; otherwise as `issue`."""
        return self._issue(csr, _organisation(subject), at)

    def issue_service(self, csr: bytes, name: str, purpose: str, at: datetime) -> bytes:
        """Certify the key of a service of the authority's, of any kind: ``timestamping`` or ``ocsp``.

        RFC 3161 2.3: for timestamps alone, and critically so; RFC 6960 4.2.2.2: an OCSP responder.
        """
        subject = _name(organisation=UNIT, name=name)
        return self._certified(_requested_key(csr), subject, at, SERVICE_LIFE, _service_extensions(purpose))

    @property
    def gost(self) -> bool:
        """Whether its world is GOST."""
        return isinstance(self.key, GostKey)

    def new_key(self) -> FileKey:
        """A key of the kind it certifies persons with."""
        return GostKey.generate(self.key.bits) if isinstance(self.key, GostKey) else SoftwareKey.generate()

    def revoke(
        self, serial: str, at: datetime, reason: x509.ReasonFlags = x509.ReasonFlags.unspecified
    ) -> None:
        """Revoke a certificate by its serial number (hexadecimal); the first date stays."""
        number = f"{int(serial, 16):x}"
        with _locked(self.folder):
            revoked = self._revoked()
            if number not in revoked:
                revoked[number] = (at, reason)
                write_private(self.folder / "revoked.jsonl", _journal(revoked))

    def crl(self, at: datetime) -> bytes:
        """A fresh revocation list, DER: this moment to a week later, number growing with time.

        The same moment and the same revocations give the same bytes, so a repeated seal repeats its package.
        """
        revoked = [
            _entry(serial, moment, reason)
            for serial, (moment, reason) in sorted(self._revoked().items())
            if moment <= at
        ]
        extensions = (x509.CRLNumber(int(at.timestamp() * 1000)), self._authority_key())
        algorithm = self.key.algorithm()
        body = der.sequence(
            der.integer(1),
            algorithm,
            names_in(self.root).subject,
            der.time(at),
            der.time(at + CRL_LIFE),
            der.sequence(*revoked) if revoked else b"",
            der.context(0, der.sequence(*(_extension(extension) for extension in extensions))),
        )
        return der.sequence(body, algorithm, der.bits(self.key.sign_raw(body)))

    def trust(self, at: datetime) -> TrustStore:
        """What a verifier believes at that moment: this root and a fresh revocation list."""
        return TrustStore((self.root,), (), (self.crl(at),))

    def _issue(self, csr: bytes, subject: bytes, at: datetime) -> bytes:
        key = _requested_key(csr)
        if key.kind.startswith("gost") != isinstance(self.key, GostKey):
            raise RequestRefused("CSR_KEY")
        extensions = (
            _usage(digital_signature=True, content_commitment=True),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]),
        )
        return self._certified(key, subject, at, CERTIFICATE_LIFE, [_extension(one) for one in extensions])

    def _certified(
        self, key: PublicKey, subject: bytes, at: datetime, life: timedelta, extensions: Iterable[bytes]
    ) -> bytes:
        path = self.folder / "issued" / f"{hashlib.sha256(key.spki).hexdigest()}.crt"
        with _locked(self.folder):
            if path.exists() and (known := self._known(path, subject, at)):
                return known
            common = (
                x509.BasicConstraints(ca=False, path_length=None),
                _subject_key(key),
                self._authority_key(),
            )
            certificate = _certificate(
                self.key,
                names_in(self.root).subject,
                subject,
                key.spki,
                (at, at + life),
                (*(_extension(one) for one in common), *extensions),
            )
            write_private(path, _pem(certificate))
        return certificate

    def _known(self, path: Path, subject: bytes, at: datetime) -> bytes | None:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        known = certificate.public_bytes(Encoding.DER)
        # A revoked key stays revoked: a new certificate for it would undo the revocation.
        if names_in(known).subject != subject or f"{certificate.serial_number:x}" in self._revoked():
            raise RequestRefused("CSR_KEY_TAKEN")
        return known if at < certificate.not_valid_after_utc else None

    def _authority_key(self) -> x509.AuthorityKeyIdentifier:
        return x509.AuthorityKeyIdentifier(certificate_of(self.root).subject_key, None, None)

    def _revoked(self) -> dict[str, tuple[datetime, x509.ReasonFlags]]:
        path = self.folder / "revoked.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        rows = [json.loads(line) for line in lines]
        return {
            row["serial"]: (datetime.fromisoformat(row["at"]), x509.ReasonFlags(row["reason"]))
            for row in rows
        }


def _requested_key(csr: bytes) -> PublicKey:
    """The key of a certificate request (RFC 2986) that its owner signed with it."""
    if len(csr) > CSR_LIMIT:
        raise RequestRefused("CSR_FORMAT")
    try:
        signed, _ = read_signed(csr)
        fields = Fields(signed.body)
        fields.take(asn1.INTEGER)
        fields.take(asn1.SEQUENCE)
        key = keys.public_key(fields.take(asn1.SEQUENCE).raw)
        held = bool(key.kind) and signed_by(signed, key)
    except SignatureRefused as refused:
        if refused.code in ("WEAK_KEY", "WEAK_DIGEST", "UNKNOWN_ALGORITHM"):
            raise RequestRefused("CSR_KEY") from refused
        if refused.code == "GOST_UNAVAILABLE":
            raise RequestRefused("GOST_UNAVAILABLE") from refused
        raise RequestRefused("CSR_FORMAT") from refused
    if not key.kind or (key.kind == "ecdsa" and key.parameters != "secp256r1"):
        raise RequestRefused("CSR_KEY")
    if not held:
        raise RequestRefused("CSR_SIGNATURE")
    if key.kind == "rsa" and not RSA_BITS[0] <= key.bits <= RSA_BITS[1]:
        raise RequestRefused("CSR_KEY")
    return key


def _service_extensions(purpose: str) -> list[bytes]:
    match purpose:
        case "timestamping":
            extended = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
            return [_extension(_usage(digital_signature=True)), _extension(extended, critical=True)]
        case "ocsp":
            extended = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
            return [_extension(one) for one in (_usage(digital_signature=True), extended, x509.OCSPNoCheck())]
        case _:
            raise RequestRefused("CSR_SUBJECT", what="purpose")


def _subject_key(key: PublicKey) -> x509.SubjectKeyIdentifier:
    """RFC 5280 4.2.1.2 (1): SHA-1 of the key's bits, as a name and not for safety."""
    fields = Fields(asn1.read(key.spki, 0, len(key.spki)))
    fields.take(asn1.SEQUENCE)
    return x509.SubjectKeyIdentifier(hashlib.sha1(fields.take().content[1:], usedforsecurity=False).digest())


def _person(subject: PersonSubject) -> bytes:
    _require_digits("snils", subject.snils, 11)
    return _name(name=subject.name, surname=subject.surname, given=subject.given, snils=subject.snils)


def _organisation(subject: OrganisationSubject) -> bytes:
    _require_digits("ogrn", subject.ogrn, 13)
    _require_digits("inn", subject.inn, 10)
    name = subject.name[:64]
    return _name(name=name, organisation=name, ogrn=subject.ogrn, inn_organisation=subject.inn)


def _name(**values: str) -> bytes:
    parts = {"country": "RU", "unit": UNIT} | values
    return der.sequence(*(_relative_name(field, value) for field, value in parts.items()))


def _relative_name(field: str, value: str) -> bytes:
    # X.520: at most 64 characters. What does not print has no place in a name.
    if not 1 <= len(value) <= 64 or not value.isprintable():
        raise RequestRefused("CSR_SUBJECT", what=field)
    return der.set_of(
        [der.sequence(der.oid(OIDS[field]), der.text(STRING_KINDS.get(field, der.UTF8), value))]
    )


def _require_digits(what: str, value: str, count: int) -> None:
    if not (value.isascii() and value.isdecimal() and len(value) == count):
        raise RequestRefused("CSR_SUBJECT", what=what)


def _root(key: FileKey, at: datetime) -> bytes:
    name = _name(organisation=UNIT, name=AUTHORITY_NAME)
    spki = key.spki()
    extensions = (
        x509.BasicConstraints(ca=True, path_length=1),
        _usage(key_cert_sign=True, crl_sign=True),
        _subject_key(keys.public_key(spki)),
    )
    validity = (at, at + ROOT_LIFE)
    return _certificate(key, name, name, spki, validity, [_extension(one) for one in extensions])


def _certificate(
    key: FileKey,
    issuer: bytes,
    subject: bytes,
    spki: bytes,
    validity: tuple[datetime, datetime],
    extensions: Iterable[bytes],
) -> bytes:
    """A certificate (RFC 5280 4.1). Written by hand: `cryptography` bounds Russian names at 32 letters."""
    algorithm = key.algorithm()
    body = der.sequence(
        der.context(0, der.integer(2)),
        der.integer(secrets.randbits(126) | 1 << 126),
        algorithm,
        issuer,
        der.sequence(der.time(validity[0] - BACKDATED), der.time(validity[1])),
        subject,
        spki,
        der.context(3, der.sequence(*extensions)),
    )
    return der.sequence(body, algorithm, der.bits(key.sign_raw(body)))


def _extension(extension: x509.ExtensionType, *, critical: bool = False) -> bytes:
    critical = critical or isinstance(extension, x509.BasicConstraints | x509.KeyUsage)
    return der.sequence(
        der.oid(extension.oid.dotted_string),
        *([der.true()] if critical else []),
        der.octets(extension.public_bytes()),
    )


def _usage(**granted: bool) -> x509.KeyUsage:
    return x509.KeyUsage(**dict.fromkeys(KEY_USAGES, False) | granted)


def _entry(serial: str, moment: datetime, reason: x509.ReasonFlags) -> bytes:
    """One line of a revocation list (RFC 5280 5.1); an unspecified reason is left unsaid (5.3.1)."""
    told = b"" if reason is x509.ReasonFlags.unspecified else der.sequence(_extension(x509.CRLReason(reason)))
    return der.sequence(der.integer(int(serial, 16)), der.time(moment), told)


def _journal(revoked: dict[str, tuple[datetime, x509.ReasonFlags]]) -> bytes:
    rows = [
        {"serial": serial, "at": moment.isoformat(), "reason": reason.value}
        for serial, (moment, reason) in revoked.items()
    ]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _pem(certificate: bytes) -> bytes:
    return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
