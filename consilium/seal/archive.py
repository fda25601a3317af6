"""Prolonging a package: one more timestamp over everything in it, before the newest one loses its force (SG-11).

The first archive timestamp is taken by the renewal job and not at sealing: the manifest's signature, stamped at
sealing, covers every sealed file already, and a second stamp of the same minute by the same authority adds nothing.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from cryptography import x509

from consilium.seal import container, instructions, manifest, tsp
from consilium.seal.algorithms import DIGESTS
from consilium.seal.errors import PackageRefused
from consilium.seal.layers import evidence_of, layer_of, layers_of
from consilium.seal.names import names_in
from consilium.seal.package import evidence_files, read_package
from consilium.seal.report import PackageReport, verify_package
from consilium.seal.stamps import ARCHIVE, ArchivePolicy
from consilium.seal.tight import tighten
from consilium.seal.trust import TrustStore, certificates_from, crl_from

__all__ = ["Gather", "Gathered", "Stamp", "good_until", "renew", "renewal_due", "weakest_digest"]

log = logging.getLogger(__name__)

# An authority with several keys may answer with another one than it did a second ago.
TRIES = 4


class Gathered(Protocol):
    """What judges a timestamp's authority at present: its chain, lists and OCSP answers, DER."""

    @property
    def certificates(self) -> tuple[bytes, ...]: ...
    @property
    def crls(self) -> tuple[bytes, ...]: ...
    @property
    def ocsps(self) -> tuple[bytes, ...]: ...


class Stamp(Protocol):
    """`stamping.TimestampAuthority.stamp`: bytes and a digest's name in, a verified token out."""

    def __call__(self, covered: bytes, digest: str = "sha256") -> bytes: ...


Gather = Callable[[bytes], Gathered]


def renewal_due(
    members: Mapping[str, bytes], at: datetime, ahead: timedelta, policy: ArchivePolicy = ARCHIVE
) -> str:
    """Why a package has to be renewed by ``at + ahead``: "certificate", "digest", or "" when it need not be.

    A package of the first layout has no timestamp to prolong. Raises SealError for what cannot be read.
    """
    layers = layers_of(members)
    if not layers:
        return ""
    soon = at + ahead
    if good_until(members) <= soon:
        return "certificate"
    end = policy.end_of(weakest_digest(members))
    return "digest" if end is not None and end <= soon else ""


def weakest_digest(members: Mapping[str, bytes]) -> str:
    """The shortest digest that the newest timestamp and its list rest on."""
    newest = layers_of(members)[-1]
    listed = manifest.parse_manifest(members[newest.covered])[0] if newest.number else "sha256"
    return min(_imprint(members[newest.token]), listed, key=lambda digest: digest[-3:])


def good_until(members: Mapping[str, bytes]) -> datetime:
    """When the first certificate behind the newest timestamp ends; read, not judged."""
    layers = layers_of(members)
    if not layers:
        raise PackageRefused("PACKAGE_MISSING", name="META-INF/signature.tst")
    read = tsp.read_token(members[layers[-1].token])
    by_subject = {names_in(der).subject: der for der in _certificates(members, len(layers) - 1)}
    own = next(der for der in read.certificates if names_in(der).serial == read.serial)
    ends, seen = [_end(own)], {own}
    while (above := by_subject.get(names_in(own).issuer)) is not None and above not in seen:
        own = above
        seen.add(own)
        ends.append(_end(own))
    return min(ends)


def renew(
    content: bytes,
    *,
    stamp: Stamp,
    gather: Gather,
    roots: TrustStore | None,
    at: datetime,
    policy: ArchivePolicy = ARCHIVE,
) -> tuple[bytes, PackageReport]:
    """The package with one more archive timestamp, and the report that judged it as a whole.

    Nothing that was there changes by a byte. Raises PackageRefused ARCHIVE_NOT_HELD when the package does not hold
    before or after (what is broken is not prolonged), and whatever ``stamp`` and ``gather`` raise.
    """
    _require_held(verify_package(content, roots=roots, at=at, archive=policy))
    members = read_package(content)
    layers = layers_of(members)
    if not layers:
        raise PackageRefused("PACKAGE_MISSING", name="META-INF/signature.tst")
    number = len(layers)
    before = gather(members[layers[-1].token])
    seen = stamp(content, policy.digest)
    for _ in range(TRIES):
        made = _with_layer(members, number, (before, gather(seen)), policy)
        token = tighten(stamp(made[layer_of(number).covered], policy.digest))
        if _signer(token) == _signer(seen):
            made[layer_of(number).token] = token
            packed = container.pack(made)
            report = verify_package(packed, roots=roots, archive=policy)
            _require_held(report)
            return packed, report
        seen = token
    raise PackageRefused("ARCHIVE_NOT_HELD", codes="TST_CERT_REF")


def _with_layer(
    members: Mapping[str, bytes], number: int, gathered: tuple[Gathered, ...], policy: ArchivePolicy
) -> dict[str, bytes]:
    """The files with the evidence, instructions and list of one more layer, all but its token."""
    known = set(_certificates(members, number - 1))
    certificates = [der for one in gathered for der in one.certificates if der not in known]
    crls = [der for one in gathered for der in one.crls if der not in _lists(members, number - 1)]
    answers = [der for one in gathered for der in one.ocsps]
    made = dict(members)
    made |= evidence_files(f"evidence-{number:03d}", certificates, crls, answers)
    made[layer_of(number).instructions] = instructions.render(made, number, policy.digest)
    made[layer_of(number).covered] = manifest.render_archive_manifest(made, number, policy.digest)
    return made


def _certificates(members: Mapping[str, bytes], upto: int) -> list[bytes]:
    return [der for name in evidence_of(members, upto, ".crt") for der in certificates_from(members[name])]


def _lists(members: Mapping[str, bytes], upto: int) -> set[bytes]:
    return {crl_from(members[name]) for name in evidence_of(members, upto, ".crl")}


def _require_held(report: PackageReport) -> None:
    if not report.held:
        codes = ", ".join(sorted({one.code for one in report.verdicts if not one.held}))
        raise PackageRefused("ARCHIVE_NOT_HELD", codes=codes)


def _signer(token: bytes) -> tuple[bytes, int]:
    read = tsp.read_token(token)
    return read.issuer, read.serial


def _imprint(token: bytes) -> str:
    """The digest of a token's imprint, by name; "" for one that is not known."""
    return DIGESTS.get(tsp.read_token(token).info.digest_oid, "")


def _end(certificate: bytes) -> datetime:
    return x509.load_der_x509_certificate(certificate).not_valid_after_utc
