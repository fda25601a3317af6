"""Signature policies: what a signature must be to count, as versioned data with a digest.

The id and the digest of the policy go into every result, so that an old verdict can be read later against the
rules it was made by. A new rule is a new version, never an edit.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import timedelta

from consilium.seal.asn1 import Limits

__all__ = ["DEMO_ECDSA", "POLICIES", "Policy"]


@dataclass(frozen=True, slots=True)
class Policy:
    """One set of rules.

    ``curves`` and ``rsa_bits`` bound the signer's key and the chain's; ``key_usage`` is required of the
    signer's certificate; ``extended_key_usage`` limits it only where the certificate names any. ``skew`` bounds
    the distance of signingTime from the server's challenge, and how far it may lie in the future.
    """

    id: str
    digests: tuple[str, ...]
    curves: tuple[str, ...]
    rsa_bits: int
    key_usage: str
    extended_key_usage: tuple[str, ...]
    unsigned_attributes: tuple[str, ...]
    skew_seconds: int
    size: int
    depth: int
    nodes: int

    @property
    def digest(self) -> str:
        """SHA-256 of the rules themselves, hexadecimal."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def limits(self) -> Limits:
        """Bounds on the file, checked before it is interpreted."""
        return Limits(self.size, self.depth, self.nodes)

    @property
    def skew(self) -> timedelta:
        """Greatest accepted distance between signingTime and the server's time."""
        return timedelta(seconds=self.skew_seconds)


# CAdES-BES (ETSI EN 319 122-1) with the demonstration authority. Non-repudiation is what Order 795 of the FSB
# asks of a signing certificate; emailProtection is the purpose under which openssl checks signers.
DEMO_ECDSA = Policy(
    id="demo-ecdsa/1",
    digests=("sha256", "sha384", "sha512"),
    curves=("secp256r1",),
    rsa_bits=2048,
    key_usage="content_commitment",
    extended_key_usage=("1.3.6.1.5.5.7.3.4", "2.5.29.37.0"),
    unsigned_attributes=(),
    skew_seconds=300,
    size=1 << 20,
    depth=64,
    nodes=50_000,
)

POLICIES = {DEMO_ECDSA.id: DEMO_ECDSA}
