"""Certificate chain and revocation, by pyhanko-certvalidator (RFC 5280), with the network shut off.

The library is written as coroutines for the sake of its downloads. Nothing here may download, so its coroutines
never wait, and one step runs them to the end: no event loop, and callable from inside one.
"""

import logging
from collections.abc import Coroutine
from datetime import datetime
from itertools import pairwise
from typing import Any

from asn1crypto import crl, x509
from cryptography.x509 import load_der_x509_certificate, load_der_x509_crl
from pyhanko_certvalidator import CertificateValidator, ValidationContext, errors

from consilium.seal.errors import SignatureRefused
from consilium.seal.trust import TrustStore

__all__ = ["build"]

log = logging.getLogger(__name__)


def build(
    certificate: bytes, enclosed: tuple[bytes, ...], trust: TrustStore, at: datetime
) -> tuple[bytes, ...]:
    """The chain from the certificate to a trusted root, every link unrevoked at ``at``; DER, signer first.

    Raises SignatureRefused: UNTRUSTED, CERT_EXPIRED, CERT_NOT_YET_VALID, REVOKED, NO_CRL, CRL_STALE,
    BAD_CERTIFICATE, and CHECK_FAILED for anything the library did not foresee.
    """
    if not trust.roots:
        raise SignatureRefused("UNTRUSTED")
    try:
        path = _run(_validator(certificate, enclosed, trust, at).async_validate_path())
        links = tuple(link.dump() for link in reversed(list(path.iter_certs(include_root=True))))
        _require_unlisted(links, trust)
        _require_current_root(links[-1], at)
        return links
    except (errors.PathError, errors.ValidationError) as error:
        raise _translated(error) from error
    except SignatureRefused:
        raise
    except Exception as error:
        # Fail closed: the library parses lazily and lets KeyError, ValueError and others out on hostile input.
        log.warning("seal.chain_failed", exc_info=error)
        raise SignatureRefused("CHECK_FAILED") from error


def _require_unlisted(links: tuple[bytes, ...], trust: TrustStore) -> None:
    """Refuse a link that any of its issuer's lists names, whatever the date of its revocation.

    The library forgives a revocation dated at or after the moment of judgement. Without a trusted timestamp
    nobody knows whether the signature came before it.
    """
    lists = [load_der_x509_crl(der) for der in trust.crls]
    for link, issuer in pairwise(load_der_x509_certificate(der) for der in links):
        for listed in lists:
            entry = listed.get_revoked_certificate_by_serial_number(link.serial_number)
            if entry is not None and listed.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]  # kinds of key that cannot sign are refused before
                raise SignatureRefused("REVOKED", since=entry.revocation_date_utc)


def _require_current_root(root: bytes, at: datetime) -> None:
    """Refuse a root outside its own dates; the library, like RFC 5280, asks nothing of an anchor."""
    certificate = load_der_x509_certificate(root)
    if at < certificate.not_valid_before_utc:
        raise SignatureRefused("CERT_NOT_YET_VALID", since=certificate.not_valid_before_utc)
    if at > certificate.not_valid_after_utc:
        raise SignatureRefused("CERT_EXPIRED", until=certificate.not_valid_after_utc)


def _validator(
    certificate: bytes, enclosed: tuple[bytes, ...], trust: TrustStore, at: datetime
) -> CertificateValidator:
    # Loaded anew each time: asn1crypto objects parse themselves on first use and are not safe between threads.
    context = ValidationContext(
        trust_roots=[x509.Certificate.load(der) for der in trust.roots],
        other_certs=[x509.Certificate.load(der) for der in (*trust.intermediates, *enclosed)],
        crls=[crl.CertificateList.load(der) for der in trust.crls],
        moment=at,
        revocation_mode="require",
        # A list newer than the moment of judgement says more, not less; `_require_unlisted` reads it strictly.
        retroactive_revinfo=True,
        allow_fetching=False,
    )
    return CertificateValidator(x509.Certificate.load(certificate), validation_context=context)


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    coroutine.close()
    raise SignatureRefused("CHECK_FAILED")


def _translated(error: Exception) -> SignatureRefused:
    match error:
        case errors.RevokedError():
            return SignatureRefused("REVOKED", since=error.revocation_dt)
        case errors.StaleRevinfoError():
            return SignatureRefused("CRL_STALE")
        case errors.InsufficientRevinfoError():
            return SignatureRefused("NO_CRL")
        case errors.ExpiredError():
            return SignatureRefused("CERT_EXPIRED", until=error.expired_dt)
        case errors.NotYetValidError():
            return SignatureRefused("CERT_NOT_YET_VALID", since=error.valid_from)
        case _:
            return SignatureRefused("UNTRUSTED")
