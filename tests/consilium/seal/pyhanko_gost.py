"""What pyHanko has to be taught to judge GOST: OIDs for asn1crypto, digests, and its hook for the mathematics.

Everything else - structure, attributes, chain, revocation - stays pyHanko's own judgement.
"""

from types import SimpleNamespace

import pytest
from asn1crypto import algos, cms, core, crl, keys, x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from pyhanko.sign import general
from pyhanko.sign.validation import generic_cms
from pyhanko.sign.validation.generic_cms import async_validate_cms_signature
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.sig_validate import SignatureValidator

from consilium.seal import TrustStore, gost
from consilium.seal.keys import public_key
from tests.consilium.seal.conftest import AT

DIGESTS = {"1.2.643.7.1.1.2.2": "streebog256", "1.2.643.7.1.1.2.3": "streebog512"}
SIGNATURES = {"1.2.643.7.1.1.3.2": "gost256", "1.2.643.7.1.1.3.3": "gost512"}
KEYS = {"1.2.643.7.1.1.1.1": "gost256", "1.2.643.7.1.1.1.2": "gost512"}


class _Streebog:
    def __init__(self, name: str) -> None:
        self.name, self.content = name, b""

    def update(self, content: bytes) -> None:
        self.content += content

    def finalize(self) -> bytes:
        return gost.digest(self.name, self.content)


def _algorithm(name: str) -> object:
    return name if name in DIGESTS.values() else getattr(hashes, name.upper())()


def _hash(algorithm: object) -> object:
    return _Streebog(algorithm) if isinstance(algorithm, str) else hashes.Hash(algorithm)


class Engine(SignatureValidator):
    """The mathematics of GOST, by the gost engine."""

    def validate_signature(self, signature, signed_data, public_key_info, signature_algorithm, context=None):
        key = public_key(public_key_info.dump())
        if not key.verify(signed_data, signature, f"streebog{key.bits}"):
            raise InvalidSignature


def taught(patch: pytest.MonkeyPatch) -> None:
    """For the time of one test."""
    for oid, name in DIGESTS.items():
        _name(patch, algos.DigestAlgorithmId, oid, name)
    for oid, name in SIGNATURES.items():
        _name(patch, algos.SignedDigestAlgorithmId, oid, name)
    for oid, name in KEYS.items():
        _name(patch, keys.PublicKeyAlgorithmId, oid, name)
        patch.setitem(keys.PublicKeyAlgorithm._oid_specs, name, core.Any)
    known = keys.PublicKeyInfo._spec_callbacks["public_key"]
    patch.setitem(
        keys.PublicKeyInfo._spec_callbacks,
        "public_key",
        lambda info: (
            core.OctetString if info["algorithm"]["algorithm"].native in KEYS.values() else known(info)
        ),
    )
    patch.setattr(general, "get_pyca_cryptography_hash", _algorithm)
    patch.setattr(generic_cms, "get_pyca_cryptography_hash", _algorithm)
    patch.setattr(general, "hashes", SimpleNamespace(Hash=_hash))
    patch.setattr(generic_cms, "hashes", SimpleNamespace(Hash=_hash))


def _name(patch: pytest.MonkeyPatch, kind: type, oid: str, name: str) -> None:
    patch.setitem(kind._map, oid, name)
    if kind._reverse_map:
        patch.setitem(kind._reverse_map, name, oid)


async def pyhanko_says(document: bytes, signature: bytes, trust: TrustStore) -> tuple[bool, bool, bool]:
    """Whether pyHanko finds the document intact, the signature valid and the certificate trusted."""
    content = cms.ContentInfo.load(signature)["content"]
    name = content["digest_algorithms"][0]["algorithm"].native
    context = ValidationContext(
        trust_roots=[x509.Certificate.load(der) for der in trust.roots],
        crls=[crl.CertificateList.load(der) for der in trust.crls],
        moment=AT,
        revocation_mode="require",
        signature_validator=Engine(),
    )
    status = await async_validate_cms_signature(
        content, raw_digest=gost.digest(name, document), validation_context=context
    )
    return status.intact, status.valid, status.trusted
