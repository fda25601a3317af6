"""Certificate chain and revocation, by pyhanko-certvalidator (RFC 5280), with the network shut off.

The library is written as coroutines for the sake of its downloads. Nothing here may download, so its coroutines
never wait, and one step runs them to the end: no event loop, and callable from inside one.
"""

import logging
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

from asn1crypto import crl, x509
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
        return tuple(link.dump() for link in reversed(list(path.iter_certs(include_root=True))))
    except (errors.PathError, errors.ValidationError) as error:
        raise _translated(error) from error
    except SignatureRefused:
        raise
    except Exception as error:
        # Fail closed: the library parses lazily and lets KeyError, ValueError and others out on hostile input.
        log.warning("seal.chain_failed", exc_info=error)
        raise SignatureRefused("CHECK_FAILED") from error


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
