"""Check a whole package and say, file by file, what holds and what does not.

Long-term rule: a signature is judged at the time of its timestamp, by the certificates, lists and answers inside;
each timestamp at the time of the next one over it; the newest at the moment of reading. So a certificate that ended
between two timestamps does no harm, and one that ended before the next timestamp was taken does.
"""

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from consilium.seal import chain, cms, instructions, manifest
from consilium.seal.believed import Stores
from consilium.seal.dissent import parse_dissent
from consilium.seal.errors import PackageRefused, SealError, SignatureRefused
from consilium.seal.history import JOURNAL, History, history_of
from consilium.seal.layers import (
    MANIFEST,
    MANIFEST_SIGNATURE,
    MANIFEST_TOKEN,
    Layer,
    layers_of,
    require_tokens,
    token_of,
)
from consilium.seal.names import ExpectedSigner
from consilium.seal.package import read_package
from consilium.seal.parties import Parties, annuls_of, parties_of, require_plain
from consilium.seal.policy import DEMO_ECDSA, POLICIES, Policy
from consilium.seal.reasons import sentence
from consilium.seal.representation import GROUND, represents
from consilium.seal.stamps import ARCHIVE, ArchivePolicy, StampChain
from consilium.seal.timestamp import covered_by, verify_token
from consilium.seal.trust import TrustStore, certificates_from
from consilium.seal.verdicts import (
    PackageReport,
    Verdict,
    held,
    plain,
    refused,
    report_json,
    report_lines,
    signatures_json,
)
from consilium.seal.verify import VerifiedSignature, verify

__all__ = [
    "PackageReport",
    "Verdict",
    "report_json",
    "report_lines",
    "signatures_json",
    "verify_package",
]

log = logging.getLogger(__name__)

SIGNATURES_REPORT = "report/signatures.json"
# A stranger's word is shown in a terminal.
POLICY_ID = re.compile("[a-z0-9-]+/[0-9]+")


def verify_package(
    source: Path | bytes,
    *,
    roots: TrustStore | None = None,
    at: datetime | None = None,
    policy: Policy | None = None,
    now: datetime | None = None,
    archive: ArchivePolicy = ARCHIVE,
) -> PackageReport:
    """Check container, manifests, timestamps, every signature and every dissent; never raises on a bad package.

    With ``roots`` only those anchors are believed, and the package's own authorities are mere links; lists that came
    with them count too, so that evidence chosen to be silent hides nothing the reader knows. Without ``roots``
    the package is judged against its own authorities, which proves only that it agrees with itself. ``at`` is the
    moment of reading (aware UTC). Without it that is ``now`` where the package has timestamps, and else the newest
    moment inside. Without ``policy`` it is the one that the package names; with one, that counts, whatever is named.
    """
    try:
        members = read_package(source)
        layers = layers_of(members)
        used, named = _policy(members, policy)
        stores = Stores.of(members, roots, len(layers))
        if layers:
            require_tokens(members)
        report = _judged(members, layers, stores, used, at or now if layers else at, archive)
        return replace(report, policy_named=named)
    except SealError as error:
        failed = refused("package", "package", error)
    except Exception as error:
        # Fail closed: whatever a parser lets out on hostile bytes is a refusal, and is logged to be given a code.
        log.warning("seal.package_check_failed", exc_info=error)
        failed = refused("package", "package", SignatureRefused("CHECK_FAILED"))
    return PackageReport(False, roots is not None, "", at, policy.id if policy else "", (failed,))


def _judged(
    members: Mapping[str, bytes],
    layers: tuple[Layer, ...],
    stores: Stores,
    policy: Policy,
    at: datetime | None,
    archive: ArchivePolicy,
) -> PackageReport:
    for name in members:
        if name == "document.xml" or name.startswith("dissent/"):
            require_plain(members[name])
    chain = StampChain.judged(members, layers, stores.trust, at, archive)
    moment = at or chain.newest or instructions.judged_at(members)
    sealed_at = chain.times[0] if chain.times else None
    checker = _Checker(
        members,
        stores.trust(0),
        stores.known(),
        policy,
        sealed_at if layers else moment,
        stamped=bool(layers),
        parties=parties_of(members["document.xml"]),
        enclosed=_certificates(members),
    )
    judged = _verdicts(members, checker)
    told, history = _history(members, judged)
    verdicts = (*judged, *chain.verdicts, *_instructions(members, layers), told)
    seal = next((one.signature for one in judged if one.kind == "seal"), None)
    return PackageReport(
        held=all(verdict.held for verdict in verdicts),
        anchored=stores.roots is not None,
        document_sha256=hashlib.sha256(members["document.xml"]).hexdigest(),
        at=moment,
        policy_id=policy.id,
        verdicts=verdicts,
        sealed_at=sealed_at,
        renewals=max(len(layers) - 1, 0),
        good_until=chain.good_until,
        history=history,
        organisation=seal.signer.ogrn if seal else "",
        sealer=_sealer(seal) if seal else "",
        annuls=annuls_of(members["document.xml"]),
    )


def _sealer(seal: VerifiedSignature) -> str:
    """By the number its certificate gives: that of a power of attorney is anybody's to write."""
    who = f"ogrn {seal.signer.ogrn}" if seal.signer.ogrn else f"snils {seal.signer.snils}"
    return hashlib.sha256(who.encode()).hexdigest()


def _policy(members: Mapping[str, bytes], asked: Policy | None) -> tuple[Policy, str]:
    """The policy to judge by, and the id of the one that the package names.

    The reader's own comes before the package's, known or not. But what has no timestamps is of the first layout and
    never judged by a later policy: nothing in it shows when its signatures were made.
    """
    if SIGNATURES_REPORT not in members:
        if asked not in (None, DEMO_ECDSA) and MANIFEST_TOKEN not in members:
            raise PackageRefused("PACKAGE_MISSING", name=MANIFEST_TOKEN)
        return asked or DEMO_ECDSA, DEMO_ECDSA.id
    try:
        said = json.loads(members[SIGNATURES_REPORT])["policy"]
        named, digest = str(said["id"])[:40], said["digest"]
        named = named if POLICY_ID.fullmatch(named) else "-"
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PackageRefused("POLICY_UNKNOWN", policy="-") from error
    policy = POLICIES.get(named)
    if asked is not None:
        return asked, named
    if policy is None or policy.digest != digest:
        raise PackageRefused("POLICY_UNKNOWN", policy=named)
    return policy, named


def _verdicts(members: Mapping[str, bytes], checker: "_Checker") -> tuple[Verdict, ...]:
    personal = [
        checker.person(name) for name in _named(members, "signatures/") if name != "signatures/org.sig"
    ]
    seal = checker.organisation("signatures/org.sig", "document.xml", "seal")
    dissents = [checker.dissent(name) for name in _named(members, "dissent/")]
    listed = checker.manifest(seal)
    return (listed, *_in_order(_without_doubles(personal), seal), seal, *dissents, *checker.stamped_verdicts)


def _certificates(members: Mapping[str, bytes]) -> frozenset[bytes]:
    """What was sealed of certificates, DER. Raises SealError for a file that is none."""
    files = (content for name, content in members.items() if name.startswith("evidence/certs/"))
    return frozenset(der for content in files for der in certificates_from(content))


def _named(members: Mapping[str, bytes], folder: str) -> list[str]:
    return sorted(name for name in members if name.startswith(folder) and name.endswith(".sig"))


def _history(members: Mapping[str, bytes], judged: tuple[Verdict, ...]) -> tuple[Verdict, History | None]:
    """The journal recomputed, and held against the document and those whose signatures hold."""
    signers = {one.name: one.signature.certificate_sha256 for one in judged if one.signature is not None}
    personal = {name: signers[name] for name in signers if name.startswith("signatures/")}
    opinions = {name: signers[name] for name in signers if name.startswith("dissent/")}
    try:
        history = history_of(members[JOURNAL])
        personal.pop("signatures/org.sig", None)
        # What does not hold is refused already, and nobody knows whose it was.
        if all(one.held for one in judged):
            history.require_told(members["document.xml"], personal, opinions)
    except PackageRefused as error:
        return refused(JOURNAL, "journal", error), None
    return plain(JOURNAL, "journal", "JOURNAL_OK", rows=history.rows, streams=len(history.streams)), history


def _instructions(members: Mapping[str, bytes], layers: tuple[Layer, ...]) -> list[Verdict]:
    """The commands a person is told to run are those that check this package, and no others."""
    found = []
    for layer in layers:
        try:
            same = instructions.render(members, layer.number) == members[layer.instructions]
        except (SealError, ValueError):
            same = False
        error = PackageRefused("VERIFY_TEXT")
        name, kind = layer.instructions, "instructions"
        found.append(plain(name, kind, "VERIFY_OK") if same else refused(name, kind, error))
    return found


@dataclass(frozen=True, slots=True)
class _Checker:
    """Judges signatures. ``at`` is when the whole was stamped, or of reading in the first layout; None: unproven.

    ``enclosed`` are the certificates among the evidence. ``known`` is the same trust with the reader's own lists, where there are any: they speak against a signer as well,
    and never for one, whose evidence has to be inside.
    """

    members: Mapping[str, bytes]
    trust: TrustStore
    known: TrustStore | None
    policy: Policy
    at: datetime | None
    stamped: bool
    parties: Parties
    enclosed: frozenset[bytes]
    stamped_verdicts: list[Verdict] = field(default_factory=list)

    def person(self, name: str) -> Verdict:
        """A personal signature over the protocol, by a certificate that names a person."""
        verdict = self._signature(name, "document.xml", "signature", None)
        signature = verdict.signature
        if signature is not None and not signature.signer.snils:
            return refused(name, "signature", SignatureRefused("SIGNER_MISMATCH"))
        named = self.parties.people
        if signature is not None and named and signature.signer.snils not in named:
            return refused(name, "signature", PackageRefused("SIGNER_NOT_NAMED"))
        return verdict

    def organisation(self, name: str, content: str, kind: str) -> Verdict:
        """A signature of the organisation, by a certificate that names one, or its representative's."""
        verdict = self._signature(name, content, kind, None)
        if verdict.signature is None:
            return verdict
        signer, named = verdict.signature.signer, self.parties.organisations
        if signer.ogrn:
            foreign = bool(named) and signer.ogrn not in named
            return refused(name, kind, PackageRefused("SEAL_OTHER_ORGANISATION")) if foreign else verdict
        if represents(self.members.get(GROUND, b""), signer, self.policy):
            code = "OK_BY_POWER"
            return replace(verdict, code=code, ru=sentence(code, "ru"), en=sentence(code, "en"))
        return refused(name, kind, SignatureRefused("SIGNER_MISMATCH"))

    def dissent(self, name: str) -> Verdict:
        """An opinion: about this very protocol, signed by its author."""
        content = f"{name[:-4]}.xml"
        try:
            opinion = parse_dissent(self.members[content])
        except PackageRefused as error:
            return refused(name, "dissent", error)
        if opinion.protocol_sha256 != hashlib.sha256(self.members["document.xml"]).hexdigest():
            return refused(name, "dissent", PackageRefused("DISSENT_OTHER_PROTOCOL"))
        return self._signature(name, content, "dissent", ExpectedSigner(snils=opinion.snils))

    def manifest(self, seal: Verdict) -> Verdict:
        """The list of files agrees with them, and the organisation that sealed the protocol signed it."""
        try:
            manifest.require_agreement(self.members)
        except PackageRefused as error:
            return refused(MANIFEST, "manifest", error)
        signed = self.organisation(MANIFEST_SIGNATURE, MANIFEST, "manifest")
        if not signed.held or signed.signature is None or signed.at is None:
            return signed
        if seal.signature is not None and signed.signature.certificate != seal.signature.certificate:
            return refused(MANIFEST, "manifest", PackageRefused("MANIFEST_SEALER"))
        return held(MANIFEST, "manifest", "MANIFEST_OK", signed.signature, signed.at)

    def _signature(self, name: str, content: str, kind: str, signer: ExpectedSigner | None) -> Verdict:
        try:
            moment = self._moment(name)
            signature = verify(
                self.members[content],
                self.members[name],
                policy=self.policy,
                trust=self.trust,
                at=moment,
                signer=signer,
                proven=self.stamped,
            )
            self._require_evidence(signature)
            self._require_unrevoked(signature, self.members[name], moment)
        except SealError as error:
            return refused(name, kind, error)
        return held(name, kind, "OK", signature, moment)

    def _require_unrevoked(self, signature: VerifiedSignature, content: bytes, moment: datetime) -> None:
        """A list from before the revocation, good for another week, does not hide it from a reader who knows."""
        if self.known is None:
            return
        enclosed = cms.parse(content, self.policy.limits, ber_outer=self.policy.ber_outer).certificates
        chain.build(
            signature.certificate,
            enclosed,
            self.known,
            moment,
            policy=self.policy,
            proven=self.stamped,
        )

    def _moment(self, name: str) -> datetime:
        """The moment to judge a signature at: its timestamp's time, proven as of the stamp over the whole."""
        if self.at is None:
            raise SignatureRefused("TIME_UNPROVEN")
        if not self.stamped or name == MANIFEST_SIGNATURE:
            return self.at
        token = token_of(name)
        try:
            covered = covered_by(self.members[name])
            stamp = verify_token(self.members[token], covered=covered, trust=self.trust, at=self.at)
        except SignatureRefused as error:
            self.stamped_verdicts.append(refused(token, "timestamp", error))
            raise
        self.stamped_verdicts.append(plain(token, "timestamp", "TST_OK", stamp))
        return stamp.time

    def _require_evidence(self, signature: VerifiedSignature) -> None:
        if signature.certificate not in self.enclosed:
            raise PackageRefused("EVIDENCE_CERT")


def _without_doubles(verdicts: list[Verdict]) -> list[Verdict]:
    seen: set[str] = set()
    checked = []
    for verdict in verdicts:
        snils = verdict.signature.signer.snils if verdict.signature else ""
        doubled = bool(snils) and snils in seen
        seen.add(snils)
        refusal = PackageRefused("SIGNATURE_DUPLICATION")
        checked.append(refused(verdict.name, verdict.kind, refusal) if doubled else verdict)
    return checked or [
        refused("signatures/", "signature", PackageRefused("PACKAGE_MISSING", name="signatures/"))
    ]


def _in_order(personal: list[Verdict], seal: Verdict) -> list[Verdict]:
    """A doctor signs before the organisation does: РЭМД refuses the other order. So say the timestamps, too."""
    return [
        refused(verdict.name, verdict.kind, PackageRefused("ORG_BEFORE_PERSON"))
        if _later(verdict.signing_time, seal.signing_time) or _later(verdict.at, seal.at)
        else verdict
        for verdict in personal
    ]


def _later(person: datetime | None, seal: datetime | None) -> bool:
    return bool(person and seal and person > seal)
