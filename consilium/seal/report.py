"""Check a whole package and say, file by file, what holds and what does not."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from consilium.seal import instructions, manifest
from consilium.seal.dissent import parse_dissent
from consilium.seal.errors import PackageRefused, SealError, SignatureRefused
from consilium.seal.names import ExpectedSigner
from consilium.seal.package import read_package
from consilium.seal.policy import DEMO_ECDSA, Policy
from consilium.seal.reasons import sentence
from consilium.seal.trust import TrustStore, certificates_from, crl_from
from consilium.seal.verify import VerifiedSignature, verify

__all__ = ["PackageReport", "Verdict", "report_lines", "verify_package"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check: the file, what it is (package, manifest, signature, seal, dissent), and the outcome in words.

    ``signature`` holds the verified facts where a signature held.
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


@dataclass(frozen=True, slots=True)
class PackageReport:
    """All verdicts. ``anchored`` says whether the trusted roots came from outside the package.

    ``at`` is the moment the certificates and revocation lists were judged at.
    """

    held: bool
    anchored: bool
    document_sha256: str
    at: datetime | None
    policy_id: str
    verdicts: tuple[Verdict, ...]


def verify_package(
    source: Path | bytes,
    *,
    roots: TrustStore | None = None,
    at: datetime | None = None,
    policy: Policy = DEMO_ECDSA,
) -> PackageReport:
    """Check container, manifest, every signature and every dissent; never raises on a bad package.

    With ``roots`` only those anchors are believed, and the package's own authorities are mere links; without them
    the package is judged against its own authority, which proves only that it agrees with itself. Without ``at``
    the moment is the newest signing time or revocation list inside.
    """
    try:
        members = read_package(source)
        moment = at or instructions.judged_at(members)
        trust = _trust(members, roots)
    except SealError as error:
        failed = _refused("package", "package", error)
        return PackageReport(False, roots is not None, "", at, policy.id, (failed,))
    verdicts = _verdicts(members, trust, policy, moment)
    return PackageReport(
        held=all(verdict.held for verdict in verdicts),
        anchored=roots is not None,
        document_sha256=hashlib.sha256(members["document.xml"]).hexdigest(),
        at=moment,
        policy_id=policy.id,
        verdicts=verdicts,
    )


def report_lines(report: PackageReport, lang: str = "ru") -> list[str]:
    """The report for a terminal, in Russian or English."""
    word = ("ВЕРНО", "ОТКАЗ") if lang == "ru" else ("HOLDS", "REFUSED")
    lines = [_line(verdict, word, lang) for verdict in report.verdicts]
    if report.document_sha256:
        lines.append(f"document.xml SHA-256 {report.document_sha256}")
    if not report.anchored:
        lines.append(NOT_ANCHORED[lang == "ru"])
    return [*lines, CONCLUSIONS[report.held][lang == "ru"]]


NOT_ANCHORED = (
    "The root of trust was taken from the package itself: compare its fingerprint with the published one.",
    "Корень доверия взят из самого пакета: сверьте его отпечаток с опубликованным.",
)
CONCLUSIONS = {
    True: ("Every check held.", "Все проверки пройдены."),
    False: ("The package is not accepted.", "Пакет не принят."),
}


def _line(verdict: Verdict, word: tuple[str, str], lang: str) -> str:
    outcome = word[0] if verdict.held else word[1]
    text = verdict.ru if lang == "ru" else verdict.en
    moment = f" {verdict.signing_time.isoformat()}" if verdict.signing_time else ""
    signer = f" {verdict.signer}{moment}:" if verdict.signer else ""
    return f"{outcome:8} {verdict.name}:{signer} {text} [{verdict.code}]"


def _trust(members: Mapping[str, bytes], roots: TrustStore | None) -> TrustStore:
    authorities = [
        der
        for name, content in members.items()
        if name.endswith("-ca.crt")
        for der in certificates_from(content)
    ]
    crls = [crl_from(content) for name, content in members.items() if name.endswith(".crl")]
    own = TrustStore.sorted_out(authorities, crls)
    return own if roots is None else TrustStore(roots.roots, roots.intermediates).joined(own.demoted())


def _verdicts(
    members: Mapping[str, bytes], trust: TrustStore, policy: Policy, at: datetime
) -> tuple[Verdict, ...]:
    checker = _Checker(members, trust, policy, at)
    personal = [
        checker.person(name) for name in _named(members, "signatures/") if name != "signatures/org.sig"
    ]
    seal = checker.organisation("signatures/org.sig", "document.xml", "seal")
    dissents = [checker.dissent(name) for name in _named(members, "dissent/")]
    listed = checker.manifest(seal)
    return (listed, *_in_order(_without_doubles(personal), seal), seal, *dissents)


def _named(members: Mapping[str, bytes], folder: str) -> list[str]:
    return sorted(name for name in members if name.startswith(folder) and name.endswith(".sig"))


@dataclass(frozen=True, slots=True)
class _Checker:
    members: Mapping[str, bytes]
    trust: TrustStore
    policy: Policy
    at: datetime

    def person(self, name: str) -> Verdict:
        """A personal signature over the protocol, by a certificate that names a person."""
        verdict = self._signature(name, "document.xml", "signature", None)
        signature = verdict.signature
        if signature is not None and not signature.signer.snils:
            return _refused(name, "signature", SignatureRefused("SIGNER_MISMATCH"))
        return verdict

    def organisation(self, name: str, content: str, kind: str) -> Verdict:
        """A signature of the organisation, by a certificate that names one."""
        verdict = self._signature(name, content, kind, None)
        if verdict.signature is not None and not verdict.signature.signer.ogrn:
            return _refused(name, kind, SignatureRefused("SIGNER_MISMATCH"))
        return verdict

    def dissent(self, name: str) -> Verdict:
        """An opinion: about this very protocol, signed by its author."""
        content = f"{name[:-4]}.xml"
        try:
            opinion = parse_dissent(self.members[content])
        except PackageRefused as error:
            return _refused(name, "dissent", error)
        if opinion.protocol_sha256 != hashlib.sha256(self.members["document.xml"]).hexdigest():
            return _refused(name, "dissent", PackageRefused("DISSENT_OTHER_PROTOCOL"))
        return self._signature(name, content, "dissent", ExpectedSigner(snils=opinion.snils))

    def manifest(self, seal: Verdict) -> Verdict:
        """The list of files agrees with them, and the organisation that sealed the protocol signed it."""
        try:
            manifest.require_agreement(self.members)
        except PackageRefused as error:
            return _refused(manifest.MANIFEST, "manifest", error)
        signed = self.organisation(manifest.MANIFEST_SIGNATURE, manifest.MANIFEST, "manifest")
        if not signed.held or signed.signature is None:
            return signed
        if seal.signature is not None and signed.signature.certificate != seal.signature.certificate:
            return _refused(manifest.MANIFEST, "manifest", PackageRefused("MANIFEST_SEALER"))
        return _held(manifest.MANIFEST, "manifest", "MANIFEST_OK", signed.signature)

    def _signature(self, name: str, content: str, kind: str, signer: ExpectedSigner | None) -> Verdict:
        try:
            signature = verify(
                self.members[content],
                self.members[name],
                policy=self.policy,
                trust=self.trust,
                at=self.at,
                signer=signer,
            )
            self._require_evidence(signature)
        except SealError as error:
            return _refused(name, kind, error)
        return _held(name, kind, "OK", signature)

    def _require_evidence(self, signature: VerifiedSignature) -> None:
        enclosed = {
            der
            for name, content in self.members.items()
            if name.startswith("evidence/certs/")
            for der in certificates_from(content)
        }
        if signature.certificate not in enclosed:
            raise PackageRefused("EVIDENCE_CERT")


def _without_doubles(verdicts: list[Verdict]) -> list[Verdict]:
    seen: set[str] = set()
    checked = []
    for verdict in verdicts:
        snils = verdict.signature.signer.snils if verdict.signature else ""
        doubled = bool(snils) and snils in seen
        seen.add(snils)
        refusal = PackageRefused("SIGNATURE_DUPLICATION")
        checked.append(_refused(verdict.name, verdict.kind, refusal) if doubled else verdict)
    return checked or [
        _refused("signatures/", "signature", PackageRefused("PACKAGE_MISSING", name="signatures/"))
    ]


def _in_order(personal: list[Verdict], seal: Verdict) -> list[Verdict]:
    """A doctor signs before the organisation does: РЭМД refuses the other order."""
    sealed_at = seal.signing_time
    return [
        _refused(verdict.name, verdict.kind, PackageRefused("ORG_BEFORE_PERSON"))
        if sealed_at and verdict.signing_time and verdict.signing_time > sealed_at
        else verdict
        for verdict in personal
    ]


def _held(name: str, kind: str, code: str, signature: VerifiedSignature) -> Verdict:
    ru, en = sentence(code, "ru"), sentence(code, "en")
    return Verdict(name, kind, True, code, ru, en, signature.signer.name, signature.signing_time, signature)


def _refused(name: str, kind: str, error: SealError) -> Verdict:
    return Verdict(name, kind, False, error.code, error.message("ru"), error.message("en"))
