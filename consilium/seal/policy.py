"""Signature policies: what a signature must be to count, as versioned data with a digest.

The id and the digest of the policy go into every result, so that an old verdict can be read later against the
rules it was made by. A new rule is a new version, never an edit.
"""

import hashlib
import json
from dataclasses import MISSING, asdict, dataclass, fields
from datetime import timedelta
from functools import lru_cache

from consilium.seal.asn1 import Limits
from consilium.seal.keys import PublicKey

__all__ = ["DEMO_ECDSA", "DEMO_ECDSA_2", "POLICIES", "RU_UKEP", "Policy", "sound_authority"]

EMAIL_PROTECTION, ANY_PURPOSE = "1.3.6.1.5.5.7.3.4", "2.5.29.37.0"
SERVER_AUTH, CODE_SIGNING, TIME_STAMPING, OCSP_SIGNING = (f"1.3.6.1.5.5.7.3.{arc}" for arc in (1, 3, 8, 9))
SIGNATURE_TIMESTAMP = "1.2.840.113549.1.9.16.2.14"
# CAdES-C and X Long: references to certificates and lists, their values, the timestamp over both (RFC 5126 6).
LONG_FORMS = tuple(f"1.2.840.113549.1.9.16.2.{arc}" for arc in (21, 22, 23, 24, 25))
SOUND = ("secp256r1", "secp384r1", "secp521r1", "rsa", "gost256", "gost512")


@dataclass(frozen=True, slots=True)
class Policy:
    """One set of rules.

    ``curves``, ``rsa_bits`` and ``gost_bits`` bound the signer's key, ``authorities`` the kinds of key of the
    chain above it ("rsa" from 2048 bits). ``key_usage`` is required of the signer's certificate;
    ``extended_key_usage`` limits it only where the certificate names any, and only if the policy does;
    ``foreign_purposes`` are of machines: a certificate for nothing else signs no documents.
    ``unsigned_attributes`` may stand beside the signature: a signature timestamp is verified, the rest is
    reported and never used as evidence. ``skew`` bounds the distance of signingTime from the server's challenge,
    and how far it may lie in the future. ``ber_outer`` admits the streaming form of CryptoPro tools around the
    DER of the signed parts. ``person`` and ``organisation`` name what a certificate must carry of its holder.
    ``power_of_attorney`` lets a person's certificate sign for an organisation if the caller names his МЧД.
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
    # Since the second set of rules. A field at its default leaves no trace in the digest of an older policy.
    gost_bits: tuple[int, ...] = ()
    authorities: tuple[str, ...] = ()
    foreign_purposes: tuple[str, ...] = ()
    ber_outer: bool = False
    person: tuple[str, ...] = ()
    organisation: tuple[str, ...] = ()
    power_of_attorney: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of the rules themselves, hexadecimal."""
        return _digest(self)

    @property
    def limits(self) -> Limits:
        """Bounds on the file, checked before it is interpreted."""
        return Limits(self.size, self.depth, self.nodes)

    @property
    def skew(self) -> timedelta:
        """Greatest accepted distance between signingTime and the server's time."""
        return timedelta(seconds=self.skew_seconds)

    def admits(self, key: PublicKey) -> bool:
        """Whether a signer may have such a key."""
        match key.kind:
            case "ecdsa":
                return key.parameters in self.curves
            case "rsa":
                return 0 < self.rsa_bits <= key.bits
            case "gost256" | "gost512":
                return key.bits in self.gost_bits
            case _:
                return False


def sound_authority(key: PublicKey, policy: Policy | None) -> bool:
    """Whether an authority in a chain may have such a key; any sound one where the policy does not say."""
    allowed = policy.authorities if policy and policy.authorities else SOUND
    if key.kind == "rsa":
        return "rsa" in allowed and key.bits >= 2048
    return (key.parameters if key.kind == "ecdsa" else key.kind) in allowed


@lru_cache(maxsize=16)
def _digest(policy: Policy) -> str:
    untouched = {one.name for one in fields(policy) if one.default is not MISSING}
    rules = {
        name: value
        for name, value in asdict(policy).items()
        if name not in untouched or value != _default(name)
    }
    canonical = json.dumps(rules, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _default(name: str) -> object:
    return next(one.default for one in fields(Policy) if one.name == name)


# CAdES-BES (ETSI EN 319 122-1) with the demonstration authority. Non-repudiation is what Order 795 of the FSB
# asks of a signing certificate; emailProtection is the purpose under which openssl checks signers.
DEMO_ECDSA = Policy(
    id="demo-ecdsa/1",
    digests=("sha256", "sha384", "sha512"),
    curves=("secp256r1",),
    rsa_bits=2048,
    key_usage="content_commitment",
    extended_key_usage=(EMAIL_PROTECTION, ANY_PURPOSE),
    unsigned_attributes=(),
    skew_seconds=300,
    size=1 << 20,
    depth=64,
    nodes=50_000,
)

# The same, with embedded timestamps verified, the authorities' keys bounded, and a signer who must be named by
# numbers: СНИЛС of a person, ОГРН of an organisation.
DEMO_ECDSA_2 = Policy(
    id="demo-ecdsa/2",
    digests=("sha256", "sha384", "sha512"),
    curves=("secp256r1",),
    rsa_bits=2048,
    key_usage="content_commitment",
    extended_key_usage=(EMAIL_PROTECTION, ANY_PURPOSE),
    unsigned_attributes=(SIGNATURE_TIMESTAMP, *LONG_FORMS),
    skew_seconds=300,
    size=4 << 20,
    depth=64,
    nodes=50_000,
    authorities=("secp256r1", "secp384r1", "secp521r1", "rsa"),
    person=("snils", "surname"),
    organisation=("ogrn",),
)

# Qualified signatures (63-ФЗ 5, Order 795 of the FSB, Order 472 of 14.09.2020 5.6.1). Which authorities are
# accredited is the trust store's to say. A doctor's certificate is a person's: no purpose of a doctor exists.
RU_UKEP = Policy(
    id="ru-ukep/1",
    digests=("streebog256", "streebog512"),
    curves=(),
    rsa_bits=0,
    key_usage="content_commitment",
    extended_key_usage=(),
    unsigned_attributes=(SIGNATURE_TIMESTAMP, *LONG_FORMS),
    skew_seconds=300,
    size=16 << 20,
    depth=64,
    nodes=50_000,
    gost_bits=(256, 512),
    authorities=("gost256", "gost512"),
    foreign_purposes=(SERVER_AUTH, CODE_SIGNING, TIME_STAMPING, OCSP_SIGNING),
    ber_outer=True,
    person=("snils", "surname", "given"),
    organisation=("ogrn", "inn"),
    power_of_attorney=True,
)

POLICIES = {policy.id: policy for policy in (DEMO_ECDSA, DEMO_ECDSA_2, RU_UKEP)}
