"""What the signer does about a signature the verifier refused: a reason of `seal.reasons` -> a sentence of ours.

The verifier says what is wrong. Which button to press next is the page's matter, so it stands here.
"""

from __future__ import annotations

from web.i18n import Texts

WAYS: dict[str, str] = {
    reason: way
    for way, reasons in {
        "file": ("EMPTY", "NOT_CMS", "TRUNCATED", "TRAILING_DATA", "NOT_SIGNED_DATA", "TOO_LARGE"),
        "detached": ("ATTACHED",),
        "document": ("DIGEST_MISMATCH", "DOCUMENT_IS_ATTRS"),
        "own": ("SIGNER_MISMATCH", "EKU_ROLE", "CA_AS_SIGNER", "KEY_USAGE", "NO_CERTIFICATE"),
        "renew": ("CERT_EXPIRED", "REVOKED", "WEAK_KEY"),
        "administrator": (
            "UNTRUSTED", "NO_CRL", "CRL_STALE", "GOST_UNAVAILABLE", "CERT_FIELDS", "CERT_NOT_YET_VALID",
            "UNKNOWN_ALGORITHM", "WEAK_DIGEST", "CHECK_FAILED",
        ),
        "none": ("SIGNED_BEFORE_FREEZE", "SIGNING_TIME_SKEW"),
    }.items()
    for reason in reasons
}  # fmt: skip


def remedy(t: Texts, reason: str) -> str:
    """The sentence; empty where the refusal itself says what to do."""
    way = WAYS.get(reason, "again")
    return "" if way == "none" else t(f"remedy.signature.{way}")
