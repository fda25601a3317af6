"""The worker's work on a signed protocol: timestamps, evidence, the organisation's signature, the package.

Each function is `(parts, payload) -> datetime | None` as `tasks` wants it. Without a timestamp of every signature
there is no seal: while an authority is silent the protocol waits, says for whom, and is tried again for ever.
Killed at any point and run again it ends the same: what was obtained is kept by the digest of what it is about
(store.seal_works), a package has the name of its content, and what happened is told by commands that take a second
telling without harm. The seal's key is used here and nowhere else.
"""

from __future__ import annotations

import hashlib
import logging
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import msgspec

from consilium import clock, packing
from consilium.actor import SYSTEM
from consilium.commands import RecordLapse, RecordSeal, RecordSealWait
from consilium.errors import Conflict
from consilium.model import DissentPaper, Organisation, Protocol, ProtocolStatus, Signature
from consilium.packing import packages
from consilium.parts import Parts
from consilium.powers import expected_sealer, power_of
from consilium.queries.register import line_json
from consilium.rules import sealing as rules
from consilium.seal import cms
from consilium.seal.errors import AuthoritySilent, SignatureRefused
from consilium.seal.evidence import Evidence
from consilium.seal.names import ExpectedSigner, identity_of, names_in, require
from consilium.seal.package import PackageContents, write_package
from consilium.seal.policy import RU_UKEP
from consilium.seal.report import verify_package
from consilium.seal.seal_keys import SealKey, seal_key_of
from consilium.seal.timestamp import VerifiedTimestamp, covered_by
from consilium.seal.verify import VerifiedSignature, verify
from consilium.seal_work import Waits, Work, waiting
from consilium.service import Service
from consilium.store.failpoint import failpoint

__all__ = ["packages", "seal_protocol", "stamp_signatures"]

log = logging.getLogger(__name__)

SPACE = UUID("b2a2f0a4-8f4f-4b1b-8c55-3f8b3d0c6a55")
PAUSE = (timedelta(seconds=5), timedelta(minutes=10))
# The certificate no longer counted at the first moment the signature is proven for: nobody can prove it any more.
LAPSED = frozenset({"REVOKED", "CERT_EXPIRED"})
UNSETTLED = frozenset({"NO_CRL", "CRL_STALE"})


class Lapsed(Exception):
    """A signature cannot be proven any more and must be made anew."""

    def __init__(self, row: Signature | DissentPaper, reason: str) -> None:
        super().__init__(reason)
        self.row = row
        self.reason = reason


def seal_protocol(parts: Parts, payload: dict[str, Any]) -> datetime | None:
    """Everything between the last doctor's signature and the word that the package is there.

    Answers when to try again where it has to wait; that is no failure, however long it takes.
    """
    at = clock.now()
    with parts.store.read(at) as reader:
        protocol = reader.protocol(UUID(payload["protocol"]))
        if protocol.status is not ProtocolStatus.SEALING:
            return None
        organisation = reader.organisation(protocol.organisation_id)
        audit, row = packing.audit(reader, protocol), line_json(reader, protocol)
    try:
        command = _Seal(parts, protocol, organisation, audit, row).made()
    except Waits as waits:
        log.warning(
            "sealing.waits",
            extra={"protocol": str(protocol.id), "for": waits.waits_for, "cause": waits.reason},
        )
        _tell(parts, _wait_of(protocol, waits), uuid4(), at)
        return at + _pause(protocol.waits_since or at, at)
    except Lapsed as lapsed:
        log.warning("sealing.lapsed", extra={"protocol": str(protocol.id), "cause": lapsed.reason})
        _tell(parts, _lapse_of(protocol, lapsed), uuid4(), at)
        return None
    failpoint("sealing.package_written")
    key = f"seal:{protocol.id}:{protocol.version}:{command.package_digest}"
    _tell(parts, command, uuid5(SPACE, key), clock.now())
    return None


def stamp_signatures(parts: Parts, payload: dict[str, Any]) -> datetime | None:
    """Timestamps for the signatures that are there already: the sooner one is proven, the less can undo it."""
    at = clock.now()
    with parts.store.read(at) as reader:
        protocol = reader.protocol(UUID(payload["protocol"]))
    if protocol.status is not ProtocolStatus.SIGNING:
        return None
    try:
        work = Work.begun(parts, protocol.id)
        for row in packing.signed_rows(protocol).values():
            work.token(covered_by(row.cms))
    except Waits as waits:
        log.warning("sealing.stamp_waits", extra={"protocol": str(protocol.id), "cause": waits.reason})
        return at + _jittered(timedelta(seconds=30))
    return None


def _pause(since: datetime, at: datetime) -> timedelta:
    """Half of how long it has waited already, between the bounds, so that a herd does not come back together."""
    first, longest = PAUSE
    return _jittered(min(max((at - since) / 2, first), longest))


def _jittered(pause: timedelta) -> timedelta:
    return pause * random.uniform(0.8, 1.2)  # noqa: S311  # spreads askers, guards nothing


def _wait_of(protocol: Protocol, waits: Waits) -> RecordSealWait:
    return RecordSealWait(
        protocol=protocol.id,
        version=protocol.version,
        waits_for=waits.waits_for,  # type: ignore[arg-type]  # one of the four literals, all written in this file
        reason=waits.reason,
    )


def _lapse_of(protocol: Protocol, lapsed: Lapsed) -> RecordLapse:
    return RecordLapse(
        protocol=protocol.id, version=protocol.version, signature=lapsed.row.id, reason=lapsed.reason
    )


class _Seal:
    """One run of the work; `made` is everything in its order."""

    def __init__(
        self, parts: Parts, protocol: Protocol, organisation: Organisation, audit: bytes, row: bytes
    ) -> None:
        self.parts = parts
        self.protocol = protocol
        self.organisation = organisation
        self.power: dict[str, Any] = {}
        self.sealer = expected_sealer(organisation, self.power)
        self.audit = audit
        self.row = row
        self.work = Work.begun(parts, protocol.id)
        self.stamps: dict[str, VerifiedTimestamp] = {}
        self.verified: dict[str, VerifiedSignature] = {}
        self.evidence = Evidence()

    def made(self) -> RecordSeal:
        """The finished package and what is told of it. Raises Waits, Lapsed."""
        if (finished := self._finished()) is not None:
            return finished
        rows = packing.signed_rows(self.protocol)
        for name, row in rows.items():
            self.stamps[name] = self.work.token(covered_by(row.cms))
        for name, row in rows.items():
            self._prove_person(name, row)
        failpoint("sealing.evidence_collected")
        key = self._key()
        seal_cms = self._signed(key, self.protocol.document)
        failpoint("sealing.organisation_signed")
        self.stamps["org"] = self.work.token(covered_by(seal_cms))
        with waiting("seal_key"):
            self._prove("org", self.protocol.document, seal_cms, key.certificate, self.sealer)
        with waiting("check"):
            return self._package(key, seal_cms)

    def _key(self) -> SealKey:
        """The registering organisation's key and nobody else's (SG-04)."""
        settings = self.parts.settings
        folder = settings.keys_dir / str(self.protocol.organisation_id)
        with waiting("seal_key"):
            self.power = power_of(folder)
            self.sealer = expected_sealer(self.organisation, self.power)
            key = seal_key_of(folder, settings.seal_key)
            found = identity_of(names_in(key.certificate).subject)
            require(self.sealer, found, power_of_attorney=self.parts.policy.power_of_attorney)
        return key

    def _finished(self) -> RecordSeal | None:
        """The package of an earlier run that ended before its word was told."""
        kept = self.work.known.get(self._package_key)
        if kept is None:
            return None
        command = msgspec.msgpack.decode(kept, type=RecordSeal)
        path = packages(self.parts) / command.package_name
        if command.signed != rules.signed(self.protocol):
            return None
        whole = path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == command.package_digest
        return command if whole else None

    @property
    def _package_key(self) -> str:
        return f"package:{self.protocol.document_id}"

    def _prove_person(self, name: str, row: Signature | DissentPaper) -> None:
        document = row.document if isinstance(row, DissentPaper) else self.protocol.document
        try:
            self._prove(name, document, row.cms, row.certificate)
        except SignatureRefused as refused:
            if refused.code in LAPSED:
                raise Lapsed(row, refused.code) from refused
            raise Waits("check", refused.code) from refused

    def _prove(
        self,
        name: str,
        document: bytes,
        signature: bytes,
        certificate: bytes,
        signer: ExpectedSigner | None = None,
    ) -> None:
        """Evidence for one signature at its timestamp's time, and the signature judged by it."""
        stamp = self.stamps[name]
        enclosed = cms.parse(signature, RU_UKEP.limits, ber_outer=True).certificates
        try:
            found = self.parts.evidence.of_signer(certificate, enclosed, stamp.time)
        except AuthoritySilent as silent:
            raise Waits("revocation", silent.code) from silent
        except SignatureRefused as refused:
            if refused.code.startswith("OCSP_") or refused.code in UNSETTLED:
                raise Waits("revocation", refused.code) from refused
            raise
        with waiting("timestamp"):
            authority = self.parts.evidence.of_token(stamp.token, clock.now())
        trust = found.believing(self.parts.trust().roots)
        self.verified[name] = verify(
            document,
            signature,
            policy=self.parts.policy,
            trust=trust,
            at=stamp.time,
            signer=signer,
            proven=True,
        )
        self.evidence = self.evidence.joined(found).joined(authority)

    def _signed(self, key: SealKey, content: bytes) -> bytes:
        """The organisation's signature, made once: a key in a token never makes the same bytes twice.

        Once for these doctors' signatures: when one lapsed and was made anew, the earlier seal would come before it.
        """
        about = rules.signed(self.protocol).encode() + content
        digests = (hashlib.sha256(one).hexdigest() for one in (key.certificate, about))
        moment = clock.now().replace(microsecond=0)
        with waiting("seal_key"):
            return self.work.once("cms:" + ":".join(digests), lambda: key.sign(content, moment))

    def _package(self, key: SealKey, seal_cms: bytes) -> RecordSeal:
        """Write, judge by the strict verifier, keep what will be told, then give it the name of its content."""
        folder = packages(self.parts)
        draft = folder / f".{uuid4().hex}.draft"
        try:
            digest = write_package(draft, self._contents(key, seal_cms))
            self._require_held(draft)
            command = RecordSeal(
                protocol=self.protocol.id,
                signed=rules.signed(self.protocol),
                seal_cms=seal_cms,
                seal_certificate=key.certificate,
                package_digest=digest,
                package_name=f"{self.protocol.document_id}-{digest[:16]}.asice",
            )
            self.work.keep(self._package_key, msgspec.msgpack.encode(command), instead=True)
            failpoint("sealing.package_named")
            draft.replace(folder / command.package_name)
        finally:
            draft.unlink(missing_ok=True)
        return command

    def _contents(self, key: SealKey, seal_cms: bytes) -> PackageContents:
        proven = (self.parts, self.protocol, self.verified, self.stamps)
        return PackageContents(
            document=self.protocol.document,
            signatures=packing.personal(self.protocol),
            org_signature=seal_cms,
            authorities=tuple(dict.fromkeys((*self.parts.trust().roots, *self.evidence.certificates))),
            crls=self.evidence.crls,
            ocsps=self.evidence.ocsps,
            audit=self.audit,
            journal_row=self.row,
            seal=lambda content: self._signed(key, content),
            dissents=packing.opinions(self.protocol),
            tokens={name: stamp.token for name, stamp in self.stamps.items()},
            stamp=lambda content: self.work.token(content).token,
            copy=packing.copy_of(*proven),
            reports=packing.reports(*proven, self.power),
        )

    def _require_held(self, draft: Path) -> None:
        report = verify_package(draft, roots=self.parts.trust(), at=clock.now(), policy=self.parts.policy)
        if not report.held:
            codes = [one.code for one in report.verdicts if not one.held]
            log.error("sealing.not_held", extra={"protocol": str(self.protocol.id), "codes": codes})
            raise Waits("check", codes[0] if codes else "CHECK_FAILED")


def _tell(
    parts: Parts, command: RecordSeal | RecordSealWait | RecordLapse, command_id: UUID, at: datetime
) -> None:
    try:
        Service(parts).handle(command, SYSTEM, command_id, at)
    except Conflict as refused:
        if refused.code != "wrong_step":
            raise
        # Taken back to drafting meanwhile: this version is no more, and nothing refers to its package.
        log.info("sealing.version_gone", extra={"protocol": str(command.protocol)})
