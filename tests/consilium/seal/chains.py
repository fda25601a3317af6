"""The journal of a small consilium as the store writes it: three chains, one vote, two signatures, one opinion."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import msgspec

from consilium.store.journal import GENESIS, row_hash

SPACE = UUID("6a5b9c1e-0d5f-4c43-9f0e-1f5d1a2b3c4d")
Event = tuple[str, dict[str, Any] | None]


def named(what: str) -> str:
    return str(uuid5(SPACE, what))


def chain(kind: str, events: Sequence[Event], at: datetime, stream: str = "") -> list[dict[str, Any]]:
    """Rows of one stream, each hashed by the store's own function."""
    rows: list[dict[str, Any]] = []
    before = GENESIS
    for number, (name, payload) in enumerate(events, 1):
        text = msgspec.json.encode(payload).decode()
        row = {
            "organisation_id": named("organisation"),
            "stream_kind": kind,
            "stream_id": named(stream or kind),
            "seq": number,
            "at": at + timedelta(milliseconds=number),
            "name": name,
            "actor_id": named("chair") if number % 2 else None,
            "command_id": named(f"{kind}{number}"),
            "payload": None if name == "MemberRecused" else text,
            "payload_digest": hashlib.sha256(text.encode()).hexdigest(),
            "prev_hash": before,
        }
        row["hash"] = before = row_hash(row)
        rows.append(row)
    return rows


def written(rows: Iterable[dict[str, Any]]) -> bytes:
    """As `packing.audit` writes them."""
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def votes(*choices: str, counted: tuple[int, int, int] | None = None, recused: int = 0) -> list[Event]:
    """A ballot from its opening to its end; the last choice is of a seat that votes twice."""
    total = counted or tuple(choices.count(one) for one in ("for", "against", "abstain"))
    cast = [("VoteCast", {"ballot": "b", "seat": f"s{n}", "choice": one}) for n, one in enumerate(choices)]
    changed: list[Event] = [("VoteCast", {"ballot": "b", "seat": "s0", "choice": "abstain"}), *cast]
    said = dict(zip(("votes_for", "votes_against", "votes_abstain"), total, strict=True))
    opened: Event = ("VoteOpened", {"ballot": "b", "entitled": len(choices)})
    recusals: list[Event] = [("MemberRecused", {"item": "i", "seat": "s1"})] * recused
    return [opened, *changed, *recusals, ("VoteClosed", {"ballot": "b"} | said)]


def signing(document: bytes, signers: Sequence[bytes], dissenters: Sequence[bytes] = ()) -> list[Event]:
    """From the freezing of the bytes to the last signature; certificates in DER."""
    digest = hashlib.sha256(document).hexdigest()
    attached = [("SignatureAttached", {"certificate_sha256": _of(one)}) for one in signers]
    opinions = [("DissentSigned", {"certificate_sha256": _of(one)}) for one in dissenters]
    return [
        ("ProtocolDrafted", {"number": "2026-00001"}),
        ("ProtocolFrozen", {"version": 1, "digest": digest}),
        *attached,
        *opinions,
        ("SigningCompleted", {"version": 1}),
    ]


def journal(
    document: bytes,
    signers: Sequence[bytes],
    dissenters: Sequence[bytes],
    at: datetime,
    paper: str = "protocol",
) -> bytes:
    """The whole file: the case, the meeting with its vote, the paper with its signatures."""
    before = at - timedelta(minutes=5)
    return written(
        [
            *chain("case", [("RequestCreated", {"author": named("chair")}), ("CaseDecided", {})], before),
            *chain("consilium", votes("for", "for", "against"), before),
            *chain("protocol", signing(document, signers, dissenters), at, paper),
        ]
    )


def _of(certificate: bytes) -> str:
    return hashlib.sha256(certificate).hexdigest()
