"""Collects what proves a signature later, when nobody can be asked any more: chain, lists, OCSP answers, timestamp.

Everything is fetched once, judged by the same strict verifiers that will judge the package, and kept beside it.
Nothing that is missing is passed over: who cannot be proven is waited for.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from consilium.seal import chain, tsp
from consilium.seal.certificates import Certificate, certificate_of, signed_by
from consilium.seal.errors import SignatureRefused
from consilium.seal.revocation import Revocation
from consilium.seal.trust import TrustStore

__all__ = ["Collector", "Evidence"]

LONGEST = 6


@dataclass(frozen=True, slots=True)
class Evidence:
    """Certificates besides the signers' own, lists and OCSP answers (DER), each once; tokens by the signature's name."""

    certificates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()
    tokens: dict[str, bytes] = field(default_factory=dict)

    def joined(self, other: "Evidence") -> "Evidence":
        """Both together."""
        return Evidence(
            tuple(dict.fromkeys(self.certificates + other.certificates)),
            tuple(dict.fromkeys(self.crls + other.crls)),
            tuple(dict.fromkeys(self.ocsps + other.ocsps)),
            self.tokens | other.tokens,
        )

    def believing(self, roots: tuple[bytes, ...]) -> TrustStore:
        """A store that believes these roots and holds this evidence."""
        links = tuple(der for der in self.certificates if der not in roots)
        return TrustStore(roots, links, self.crls, self.ocsps)


@dataclass(frozen=True, slots=True)
class Collector:
    """Collects for certificates of those authorities that `trust` believes."""

    trust: Callable[[], TrustStore]
    revocation: Revocation

    def of_signer(self, certificate: bytes, enclosed: Iterable[bytes], since: datetime) -> Evidence:
        """Chain and word about revocation for a signature that existed at `since`.

        Raises AuthoritySilent when something cannot be had now; SignatureRefused REVOKED when the certificate was
        revoked by then, and whatever else `chain.build` refuses.
        """
        trust = self.trust()
        found = self._of_chain(certificate, tuple(enclosed), trust, since)
        store = found.believing(trust.roots)
        chain.build(certificate, tuple(enclosed), store, since, proven=True)
        return found

    def of_token(self, token: bytes, at: datetime) -> Evidence:
        """Chain and lists of the authority that made a token, its own certificate included, good at `at`.

        Raises AuthoritySilent, and SignatureRefused TST_* for a token that names no certificate of its own.
        """
        read = tsp.read_token(token)
        for der in read.certificates:
            known = certificate_of(der)
            if (known.issuer, known.serial) == (read.issuer, read.serial):
                found = self._of_authority(der, read.certificates, at)
                return Evidence((der, *found.certificates), found.crls, found.ocsps)
        raise SignatureRefused("TST_NO_CERTIFICATE")

    def _of_authority(self, der: bytes, enclosed: tuple[bytes, ...], at: datetime) -> Evidence:
        try:
            return self._of_chain(der, enclosed, self.trust(), at)
        except SignatureRefused as refused:
            code = {"UNTRUSTED": "TST_UNTRUSTED", "REVOKED": "TST_REVOKED"}.get(refused.code, refused.code)
            raise SignatureRefused(code, **refused.params) from refused

    def trust_for(self, token: bytes, at: datetime) -> TrustStore:
        """The trust with what is needed to judge that token."""
        trust = self.trust()
        return self.of_token(token, at).believing(trust.roots).joined(trust)

    def _of_chain(
        self, certificate: bytes, enclosed: tuple[bytes, ...], trust: TrustStore, since: datetime
    ) -> Evidence:
        links = path(certificate, enclosed, trust)
        found = Evidence(certificates=links[1:])
        for link, issuer in pairwise(links):
            proof = self.revocation.proof(link, issuer, trust, since)
            if proof.revoked_at is not None and proof.revoked_at <= since:
                raise SignatureRefused("REVOKED", since=proof.revoked_at)
            found = found.joined(Evidence(proof.responders, proof.crls, proof.ocsps))
        return found


def path(certificate: bytes, enclosed: tuple[bytes, ...], trust: TrustStore) -> tuple[bytes, ...]:
    """The certificate and its issuers up to a trusted root (DER), by names and signatures alone; `chain` judges it.

    Raises SignatureRefused UNTRUSTED where no root is reached.
    """
    links = [certificate_of(certificate)]
    known = [certificate_of(der) for der in (*trust.roots, *trust.intermediates, *enclosed)]
    while links[-1].der not in trust.roots:
        below = links[-1]
        above = next(
            (one for one in known if one.subject == below.issuer and one not in links and _signs(one, below)),
            None,
        )
        if above is None or len(links) >= LONGEST:
            raise SignatureRefused("UNTRUSTED")
        links.append(above)
    return tuple(link.der for link in links)


def _signs(above: Certificate, below: Certificate) -> bool:
    return above.ca and signed_by(below.signed, above.key)
