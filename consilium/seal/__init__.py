"""Electronic signature: keys, the demonstration authority, the strict verifier, the sealed package.

Start at `verify.py`. A doctor's signature is made in his browser; here it is judged, and what passed is packed
so that anyone can check it again with the `openssl` program alone.
"""

from consilium.seal.authority import DemoAuthority, OrganisationSubject, PersonSubject
from consilium.seal.dissent import Dissent, parse_dissent, render_dissent
from consilium.seal.errors import PackageRefused, RequestRefused, SealError, SignatureRefused
from consilium.seal.names import ExpectedSigner, SignerIdentity
from consilium.seal.openssl import openssl_verify
from consilium.seal.package import (
    DissentFile,
    PackageContents,
    PersonalSignature,
    read_package,
    write_package,
)
from consilium.seal.policy import DEMO_ECDSA, DEMO_ECDSA_2, POLICIES, RU_UKEP, Policy
from consilium.seal.providers import GostKey, SoftwareKey
from consilium.seal.report import PackageReport, Verdict, report_lines, verify_package
from consilium.seal.trust import TrustStore
from consilium.seal.verify import VerifiedSignature, verify

__all__ = [
    "DEMO_ECDSA",
    "DEMO_ECDSA_2",
    "POLICIES",
    "RU_UKEP",
    "DemoAuthority",
    "Dissent",
    "DissentFile",
    "ExpectedSigner",
    "GostKey",
    "OrganisationSubject",
    "PackageContents",
    "PackageRefused",
    "PackageReport",
    "PersonSubject",
    "PersonalSignature",
    "Policy",
    "RequestRefused",
    "SealError",
    "SignatureRefused",
    "SignerIdentity",
    "SoftwareKey",
    "TrustStore",
    "Verdict",
    "VerifiedSignature",
    "openssl_verify",
    "parse_dissent",
    "read_package",
    "render_dissent",
    "report_lines",
    "verify",
    "verify_package",
    "write_package",
]
