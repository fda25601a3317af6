"""What a check of a package says: verdicts, their report, and how it is told to a person and to a program."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from consilium.seal.errors import SealError
from consilium.seal.history import History
from consilium.seal.parties import Annuls
from consilium.seal.policy import POLICIES, Policy
from consilium.seal.reasons import sentence
from consilium.seal.timestamp import VerifiedTimestamp
from consilium.seal.verify import VerifiedSignature

__all__ = [
    "PackageReport",
    "Verdict",
    "held",
    "plain",
    "refused",
    "report_json",
    "report_lines",
    "signatures_json",
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check: the file, what it is, and the outcome in words.

    ``kind`` is package, manifest, signature, seal, dissent, timestamp, archive, instructions, journal or act. ``at`` is the moment
    it was judged at; ``signature`` and ``timestamp`` hold the verified facts where they held.
    """

    name: str
    kind: str
    held: bool
    code: str
    ru: str
    en: str
    signer: str = ""
    signing_time: datetime | None = None
    signature: VerifiedSignature | None = None
    timestamp: VerifiedTimestamp | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PackageReport:
    """All verdicts. ``anchored`` says whether the trusted roots came from outside the package.

    ``at`` is the moment the newest evidence was judged at. ``sealed_at`` is when the package was stamped as a whole,
    ``renewals`` how many archive timestamps prolong it, ``good_until`` when the newest one's authority ends: all
    empty in the first layout, which has no trusted time. ``policy_named`` is what the package says it was judged by
    when it was sealed; ``policy_id`` judged it now. ``history`` is its journal, recomputed; ``organisation`` the ОГРН of
    the seal, ``sealer`` a digest of whoever certifiably sealed it: the organisation, or its representative; ``annuls`` what the document annuls if it is an act. ``annulled`` and ``annulled_at`` are the act, of those
    shown, that undoes this document: then all checks may have held, and the document is still out of force.
    """

    held: bool
    anchored: bool
    document_sha256: str
    at: datetime | None
    policy_id: str
    verdicts: tuple[Verdict, ...]
    sealed_at: datetime | None = None
    renewals: int = 0
    good_until: datetime | None = None
    policy_named: str = ""
    history: History | None = field(default=None, repr=False, compare=False)
    organisation: str = ""
    sealer: str = ""
    annuls: Annuls | None = None
    annulled: Annuls | None = None
    annulled_at: datetime | None = None

    @property
    def policy_digest(self) -> str:
        """SHA-256 of the rules it was judged by; empty where it never came to that."""
        return POLICIES[self.policy_id].digest if self.policy_id in POLICIES else ""


def held(name: str, kind: str, code: str, signature: VerifiedSignature, at: datetime) -> Verdict:
    """A signature that holds."""
    return Verdict(
        name,
        kind,
        held=True,
        code=code,
        ru=sentence(code, "ru"),
        en=sentence(code, "en"),
        signer=signature.signer.name,
        signing_time=signature.signing_time,
        signature=signature,
        at=at,
    )


def plain(
    name: str, kind: str, code: str, stamp: VerifiedTimestamp | None = None, **params: object
) -> Verdict:
    """A timestamp or a file that holds; ``params`` are what its sentence needs."""
    return Verdict(
        name,
        kind,
        held=True,
        code=code,
        ru=sentence(code, "ru", params),
        en=sentence(code, "en", params),
        signer=stamp.authority if stamp else "",
        signing_time=stamp.time if stamp else None,
        timestamp=stamp,
    )


def refused(name: str, kind: str, error: SealError) -> Verdict:
    """What does not hold, and why."""
    return Verdict(name, kind, False, error.code, error.message("ru"), error.message("en"))


NOT_ANCHORED = (
    "The root of trust was taken from the package itself: compare its fingerprint with the published one.",
    "Корень доверия взят из самого пакета: сверьте его отпечаток с опубликованным.",
)
NO_TIME = (
    "The package carries no trusted timestamp: the time is as its parties state it.",
    "В пакете нет доверенной метки времени: время указано самими сторонами.",
)
POWER_UNSEEN = (
    "A person sealed it by a power of attorney; that power was not looked up: see report/seal.json.",
    "Пакет запечатал человек по доверенности; сама доверенность не проверена: см. report/seal.json.",
)
CONCLUSIONS = {
    True: ("Every check held.", "Все проверки пройдены."),
    False: ("The package is not accepted.", "Пакет не принят."),
}
OUT_OF_FORCE = (
    "Every check held, and the document is out of force: annulled by act {number} of {since}.",
    "Все проверки пройдены, но документ не действует: аннулирован актом {number} от {since}.",
)


def report_lines(report: PackageReport, lang: str = "ru") -> list[str]:
    """The report for a terminal, in Russian or English."""
    russian = lang == "ru"
    word = ("ВЕРНО", "ОТКАЗ") if russian else ("HOLDS", "REFUSED")
    lines = [_line(verdict, word, lang) for verdict in report.verdicts]
    if report.document_sha256:
        lines.append(f"document.xml SHA-256 {report.document_sha256}")
    if report.sealed_at and report.good_until and report.at:
        lines.append(_times(report, russian=russian))
    elif report.document_sha256:
        lines.append(NO_TIME[russian])
    if not report.anchored:
        lines.append(NOT_ANCHORED[russian])
    if any(verdict.code == "OK_BY_POWER" for verdict in report.verdicts):
        lines.append(POWER_UNSEEN[russian])
    if report.policy_id:
        lines.append(_policy(report, russian=russian))
    if report.held and report.annulled is not None:
        said = {"number": report.annulled.number, "since": _day(report.annulled_at)}
        return [*lines, OUT_OF_FORCE[russian].format(**said)]
    return [*lines, CONCLUSIONS[report.held][russian]]


def _policy(report: PackageReport, *, russian: bool) -> str:
    judged = f"{report.policy_id}, SHA-256 {report.policy_digest}"
    other = report.policy_named not in ("", report.policy_id)
    if russian:
        return f"Политика подписи {judged}" + (f"; в пакете названа {report.policy_named}" if other else "")
    return f"Signature policy {judged}" + (f"; the package names {report.policy_named}" if other else "")


def _times(report: PackageReport, *, russian: bool) -> str:
    sealed, until, at = (_day(moment) for moment in (report.sealed_at, report.good_until, report.at))
    if russian:
        return (
            f"Запечатан {sealed}, продлений {report.renewals}, проверено на {at}, метка действует до {until}"
        )
    return f"Sealed {sealed}, renewals {report.renewals}, judged at {at}, the newest timestamp is good until {until}"


def _day(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if moment else "-"


def _line(verdict: Verdict, word: tuple[str, str], lang: str) -> str:
    outcome = word[0] if verdict.held else word[1]
    if verdict.code == "ANNULLED":
        outcome = "АННУЛ." if lang == "ru" else "ANNULLED"
    text = verdict.ru if lang == "ru" else verdict.en
    moment = f" {verdict.signing_time.isoformat()}" if verdict.signing_time else ""
    signer = f" {verdict.signer}{moment}:" if verdict.signer or moment else ""
    return f"{outcome:8} {verdict.name}:{signer} {text} [{verdict.code}]"


def report_json(report: PackageReport) -> str:
    """The report for a program; moments in ISO 8601, UTC."""
    head = {
        "held": report.held,
        "anchored": report.anchored,
        "document_sha256": report.document_sha256,
        "at": _iso(report.at),
        "policy": report.policy_id,
        "policy_digest": report.policy_digest,
        "policy_named": report.policy_named,
        "sealed_at": _iso(report.sealed_at),
        "renewals": report.renewals,
        "good_until": _iso(report.good_until),
        "organisation": report.organisation,
        "journal": [asdict(head) for head in report.history.heads] if report.history else None,
        "annulled": report.annulled and {"act": report.annulled.number, "at": _iso(report.annulled_at)},
    }
    rows = [_row(verdict) for verdict in report.verdicts]
    return json.dumps(head | {"verdicts": rows}, ensure_ascii=False, indent=1)


def _row(verdict: Verdict) -> dict[str, object]:
    return {
        "file": verdict.name,
        "kind": verdict.kind,
        "held": verdict.held,
        "code": verdict.code,
        "ru": verdict.ru,
        "en": verdict.en,
        "signer": verdict.signer,
        "time": _iso(verdict.signing_time),
        "judged_at": _iso(verdict.at),
    }


def signatures_json(
    signatures: Mapping[str, VerifiedSignature], stamps: Mapping[str, VerifiedTimestamp], policy: Policy
) -> bytes:
    """`report/signatures.json`: what was found of each signature when the package was sealed, by names of
    `package.signed_files`, and by which policy. The verifier takes the policy from here and nothing else.
    """
    rows = {name: _facts(signature, stamps.get(name)) for name, signature in signatures.items()}
    content = {"policy": {"id": policy.id, "digest": policy.digest}, "signatures": rows}
    return (json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def _facts(signature: VerifiedSignature, stamp: VerifiedTimestamp | None) -> dict[str, object]:
    facts: dict[str, object] = {
        "signer": signature.signer.name,
        "certificate_sha256": signature.certificate_sha256,
        "serial": signature.serial,
        "issuer": signature.issuer,
        "signing_time": _iso(signature.signing_time),
        "digest": signature.digest,
        "algorithm": signature.algorithm,
        "codes": list(signature.codes),
    }
    if stamp is not None:
        facts["stamped_at"] = _iso(stamp.time)
        facts["timestamp_authority"] = stamp.authority
        facts["timestamp_certificate_sha256"] = hashlib.sha256(stamp.certificate).hexdigest()
    return facts


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
