"""Revocation lists (RFC 5280 5): read strictly, believed only when their issuer's key signed them.

A list speaks for the certificates of the authority that issued it, whole: partial, indirect and delta lists are
not used (their critical extensions are unknown here), which costs availability and never lets a revoked
certificate through.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509

from consilium.seal import asn1
from consilium.seal.asn1 import Fields
from consilium.seal.certificates import (
    Certificate,
    Signed,
    certificate_of,
    read_extensions,
    read_signed,
    signed_by,
)
from consilium.seal.errors import SignatureRefused

__all__ = ["RevocationList", "Revoked", "list_of"]

EXTENSIONS_TAG = 0xA0
# authorityKeyIdentifier and cRLNumber change nothing about what a list covers.
HARMLESS = {"2.5.29.35", "2.5.29.20"}
# BOOLEAN TRUE, without which nothing is critical: most lists of most authorities have it in no entry.
MARKED = b"\x01\x01\xff"


@dataclass(frozen=True, slots=True)
class Revoked:
    """One entry: since when the certificate does not count, and why (RFC 5280's word, or empty)."""

    since: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class RevocationList:
    """Facts of one list; ``issuer`` is its name in DER. ``usable`` is False where it covers less than everything."""

    der: bytes
    issuer: bytes
    this_update: datetime
    next_update: datetime
    usable: bool
    signed: Signed
    entries: x509.CertificateRevocationList

    def entry(self, serial: int) -> Revoked | None:
        """What it says of that serial number."""
        found = self.entries.get_revoked_certificate_by_serial_number(serial)
        if found is None:
            return None
        try:
            return _revoked(found)
        except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
            # What cannot be read about a revocation excuses nothing.
            return Revoked(datetime.min.replace(tzinfo=UTC), "")

    def by(self, issuer: Certificate) -> bool:
        """Whether it is this authority's list: its name, its right to sign lists, its key."""
        may = issuer.usage is None or "crl_sign" in issuer.usage
        return may and self.issuer == issuer.subject and _made_by(self.der, issuer.der)


# A list of a large authority takes megabytes, and a package brings its own: few are kept.
@lru_cache(maxsize=128)
def list_of(der: bytes) -> RevocationList:
    """Read a list (DER). Raises SignatureRefused NO_CRL where it is none."""
    try:
        entries = x509.load_der_x509_crl(der)
        return _read(der, entries)
    except (ValueError, x509.InvalidVersion, SignatureRefused) as error:
        raise SignatureRefused("NO_CRL") from error


@lru_cache(maxsize=1024)
def _made_by(der: bytes, issuer: bytes) -> bool:
    return signed_by(list_of(der).signed, certificate_of(issuer).key)


def _revoked(entry: x509.RevokedCertificate) -> Revoked:
    since, reason = entry.revocation_date_utc, ""
    for extension in entry.extensions:
        match extension.value:
            case x509.CRLReason() as said:
                reason = said.reason.value
            case x509.InvalidityDate() as said:
                # The key may have been in other hands before its owner noticed (RFC 5280 5.3.2).
                since = min(since, said.invalidity_date_utc)
            case _:
                pass
    return Revoked(since, reason)


def _plain(entries: x509.CertificateRevocationList) -> bool:
    """Whether no entry holds anything critical; else the list tells of no certificate at all (RFC 5280 5.3).

    That may be certificateIssuer of an indirect list. A reason is never marked so, and openssl takes none that is.
    """
    try:
        return not any(one.critical for entry in entries for one in entry.extensions)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return False


def _read(der: bytes, entries: x509.CertificateRevocationList) -> RevocationList:
    signed, outer = read_signed(der)
    fields = Fields(signed.body)
    fields.maybe(asn1.INTEGER)
    inner = fields.take(asn1.SEQUENCE).raw.hex()
    issuer, since, until = fields.take(asn1.SEQUENCE).raw, fields.take(), fields.take()
    revoked = fields.maybe(asn1.SEQUENCE)
    tagged = fields.maybe(EXTENSIONS_TAG)
    fields.end()
    extensions = read_extensions(tagged.children()[0]) if tagged is not None else {}
    if inner != outer:
        raise SignatureRefused("FORMAT", what="revocation list")
    critical = {oid for oid, (marked, _) in extensions.items() if marked}
    return RevocationList(
        der=der,
        issuer=issuer,
        this_update=since.time(),
        next_update=until.time(),
        usable=critical <= HARMLESS and (revoked is None or MARKED not in revoked.raw or _plain(entries)),
        signed=signed,
        entries=entries,
    )
