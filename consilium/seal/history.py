"""The journal inside a package (`audit/chain.jsonl`), recomputed: nothing left out, nothing changed, about this paper.

A line is one event of the protocol, its consilium or its case, in the order of their numbers. Its hash covers the
hash before it and the digest of its payload (`store/journal.py` writes it so), and a withheld payload leaves its digest.
Beyond the arithmetic the lines are held against the package: the bytes that were frozen are the document, whoever
signed is told of and whoever is told of signed, and every closed vote counts what was cast.
"""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from consilium.seal.errors import PackageRefused

__all__ = ["JOURNAL", "Head", "History", "history_of", "require_one_past"]

JOURNAL = "audit/chain.jsonl"
GENESIS, BEFORE = "0" * 64, datetime.min.replace(tzinfo=UTC)
# One event's line; nothing else may stand in it, and nothing twice.
FIELDS = {
    "organisation_id": str,
    "stream_kind": str,
    "stream_id": str,
    "seq": int,
    "at": str,
    "name": str,
    "actor_id": str | None,
    "command_id": str | None,
    "payload": str | None,
    "payload_digest": str,
    "prev_hash": str,
    "hash": str,
}
NAMES = tuple(FIELDS)
CHOICES = {"for": "votes_for", "against": "votes_against", "abstain": "votes_abstain"}
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Head:
    """Where one stream stood when the package was made; to be compared with an anchor or with another package."""

    kind: str
    stream: str
    rows: int
    hash: str


@dataclass(slots=True)
class _Stream:
    """One chain while it is read: its hashes so far, and the moment of its last row."""

    kind: str
    id: str
    hashes: list[str] = field(default_factory=list)
    at: datetime = BEFORE
    last: str = ""

    def take(self, row: Row) -> None:
        """The next row, if it is the next one. Raises PackageRefused JOURNAL_*."""
        if row["seq"] != len(self.hashes) + 1:
            raise _refused("JOURNAL_NUMBER", row)
        if row["prev_hash"] != (self.hashes[-1] if self.hashes else GENESIS):
            raise _refused("JOURNAL_CHAIN", row)
        moment = _moment(row)
        if _row_hash(row, moment) != row["hash"]:
            raise _refused("JOURNAL_HASH", row)
        payload = row["payload"]
        if payload is not None and hashlib.sha256(payload.encode()).hexdigest() != row["payload_digest"]:
            raise _refused("JOURNAL_PAYLOAD", row)
        if moment < self.at:
            raise _refused("JOURNAL_TIME", row)
        self.at, self.last = moment, row["name"]
        self.hashes.append(row["hash"])


@dataclass(slots=True)
class History:
    """What a whole journal tells: its chains, which document was frozen last, and who signed that version."""

    streams: dict[tuple[str, str], _Stream] = field(default_factory=dict)
    document: str = ""
    signed: set[str] = field(default_factory=set)
    dissents: set[str] = field(default_factory=set)
    lapsed: set[str] = field(default_factory=set)
    votes: dict[str, dict[str, str]] = field(default_factory=dict)
    recusals: int = 0

    @property
    def heads(self) -> tuple[Head, ...]:
        """The last row of every chain."""
        return tuple(Head(one.kind, one.id, len(one.hashes), one.hashes[-1]) for one in self.streams.values())

    @property
    def rows(self) -> int:
        """Events in all."""
        return sum(len(one.hashes) for one in self.streams.values())

    def require_told(self, document: bytes, signers: Mapping[str, str], dissents: Mapping[str, str]) -> None:
        """The journal is this document's, and tells of exactly these signatures (file -> SHA-256 of certificate).

        Raises PackageRefused JOURNAL_DOCUMENT, JOURNAL_SIGNATURE.
        """
        if self.document != hashlib.sha256(document).hexdigest():
            raise PackageRefused("JOURNAL_DOCUMENT")
        for told, found in ((self.signed, signers), (self.dissents, dissents)):
            for name, certificate in found.items():
                if certificate not in told:
                    raise PackageRefused("JOURNAL_SIGNATURE", name=name)
            # A lapsed signature was given anew, by the same certificate or by another one.
            lost = told - set(found.values()) - self.lapsed
            if lost:
                raise PackageRefused("JOURNAL_SIGNATURE", name=min(lost))

    def tell(self, row: Row) -> None:
        """Take note of what a row says of the document, its signatures and its votes. Raises PackageRefused."""
        told = TOLD.get(row["name"])
        if told is None:
            return
        try:
            told(self, json.loads(row["payload"]) if row["payload"] is not None else {})
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise _refused("JOURNAL_PAYLOAD", row) from error

    def frozen(self, said: Row) -> None:
        """A new version: whatever was signed before fell with the one before it."""
        self.document = str(said["digest"])
        for told in (self.signed, self.dissents, self.lapsed):
            told.clear()

    def opened(self, _: Row) -> None:
        """One vote at a time is open; recusals before it took no vote away."""
        self.recusals = 0

    def recused(self, _: Row) -> None:
        """Why, and so who, is withheld; his vote went with him."""
        self.recusals += 1

    def cast(self, said: Row) -> None:
        """The last choice of a seat is the one that counts."""
        self.votes.setdefault(str(said["ballot"]), {})[str(said["seat"])] = str(said["choice"])

    def closed(self, said: Row) -> None:
        """Every vote that was cast is in the count, but for those of members who then recused themselves."""
        cast = Counter(self.votes.pop(str(said["ballot"]), {}).values())
        missing = {choice: cast[choice] - int(said[total]) for choice, total in CHOICES.items()}
        if (
            min(missing.values()) < 0
            or sum(missing.values()) > self.recusals
            or not cast.keys() <= set(CHOICES)
        ):
            raise PackageRefused("JOURNAL_VOTES")


TOLD = {
    "ProtocolFrozen": History.frozen,
    "SignatureAttached": lambda history, said: history.signed.add(str(said["certificate_sha256"])),
    "DissentSigned": lambda history, said: history.dissents.add(str(said["certificate_sha256"])),
    "SignatureLapsed": lambda history, said: history.lapsed.add(str(said["certificate_sha256"])),
    "VoteCast": History.cast,
    "VoteOpened": History.opened,
    "MemberRecused": History.recused,
    "VoteClosed": History.closed,
}


def history_of(content: bytes) -> History:
    """Recompute every chain. Raises PackageRefused JOURNAL_* for the first line that is wrong."""
    history = History()
    for number, line in enumerate(io.BytesIO(content), 1):
        row = _row(line, number)
        key = (row["stream_kind"], row["stream_id"])
        history.streams.setdefault(key, _Stream(*key)).take(row)
        history.tell(row)
    kinds = Counter(kind for kind, _ in history.streams)
    protocol = [one for one in history.streams.values() if one.kind == "protocol"]
    # One paper, at most one meeting and one case; and its journal was taken when the last signature was there.
    if len(protocol) != 1 or max(kinds.values()) > 1 or protocol[0].last != "SigningCompleted":
        raise PackageRefused("JOURNAL_CUT")
    return history


def require_one_past(own: History, other: History) -> None:
    """Two packages of one meeting or case tell the same of it as far as both go. Raises PackageRefused JOURNAL_FORK."""
    for key in own.streams.keys() & other.streams.keys():
        mine, theirs = own.streams[key].hashes, other.streams[key].hashes
        common = min(len(mine), len(theirs))
        # Each hash covers all before it, so the last common one settles them all.
        if mine[common - 1] != theirs[common - 1]:
            raise PackageRefused("JOURNAL_FORK", kind=key[0], id=key[1])


def _row(line: bytes, number: int) -> Row:
    """One line, in the one spelling that it is written in: no name twice, nothing beside the fields."""
    try:
        row = json.loads(line.decode())
        same = f"{_spelled(row)}\n".encode() == line
    except (ValueError, RecursionError) as error:
        raise PackageRefused("JOURNAL_FORMAT", line=number) from error
    if not same or not isinstance(row, dict) or tuple(row) != NAMES:
        raise PackageRefused("JOURNAL_FORMAT", line=number)
    if not all(map(isinstance, row.values(), FIELDS.values())) or row["seq"] is True:
        raise PackageRefused("JOURNAL_FORMAT", line=number)
    return row


def _spelled(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _moment(row: Row) -> datetime:
    try:
        moment = datetime.fromisoformat(row["at"])
    except ValueError as error:
        raise _refused("JOURNAL_TIME", row) from error
    if moment.tzinfo is None:
        raise _refused("JOURNAL_TIME", row)
    return moment.astimezone(UTC)


def _row_hash(row: Row, moment: datetime) -> str:
    """As `store/journal.row_hash`: sha256 over a JSON array of everything but the payload."""
    body = [
        row["prev_hash"],
        row["organisation_id"],
        row["stream_kind"],
        row["stream_id"],
        row["seq"],
        moment.isoformat(timespec="microseconds"),
        row["name"],
        row["actor_id"] or "",
        row["command_id"] or "",
        row["payload_digest"],
    ]
    return hashlib.sha256(_spelled(body).encode()).hexdigest()


def _refused(code: str, row: Row) -> PackageRefused:
    return PackageRefused(code, kind=row["stream_kind"][:20], number=row["seq"])
