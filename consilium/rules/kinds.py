"""Kinds of consilium: what differs between them is data here, never an `if` elsewhere (AD-02).

Sources: 323-ФЗ ст. 48 ч. 3-4 ("several doctors", signed by the participants, no numeric quorum); приказ
180н (commission: at least three with chair, deputy and secretary); guide 190, У1-18 (oncological: at
least three performers). Numbers the law leaves open are the organisation's to set: they stand in these
rows and `docs/rules.md` says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum:
    """At least (or, `strict`, more than) a share of the entitled, and never fewer than `floor`."""

    share_numerator: int
    share_denominator: int
    floor: int
    strict: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Majority:
    """At least (or, `strict`, more than) a share of those present, or of all members."""

    numerator: int
    denominator: int
    strict: bool
    base: Literal["present", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRules:
    """One kind. `minimum` counts seats of `quorum_roles`; `document_kind` is a code of НСИ 11.1522."""

    code: str
    minimum: int
    required_roles: frozenset[str]
    allowed_roles: frozenset[str]
    presiding_role: str
    voting_roles: frozenset[str]
    quorum_roles: frozenset[str]
    quorum: Quorum
    majority: Majority
    casting_vote: bool
    signer_roles: frozenset[str]
    document_kind: str
    needs_body: bool = False


ROLES: tuple[str, ...] = (
    "chair",
    "deputy",
    "secretary",
    "member",
    "consultant",
    "attending",
    "expert",
    "observer",
)
"""Every role, in the order of a list of participants."""

SINGLE_ROLES = frozenset({"chair", "deputy", "secretary", "consultant"})
"""At most one seat each. A commission may have several deputies: see `single`."""

_BOARD = frozenset({"chair", "deputy", "member"})
_MEETING_ROLES = frozenset({"chair", "deputy", "secretary", "member", "attending", "expert", "observer"})
# 323-ФЗ ст. 48 ч. 4: the protocol is signed by the participants; an observer only listens.
_MEETING_SIGNERS = _MEETING_ROLES - {"observer"}
_COMMISSION = frozenset({"chair", "deputy", "secretary", "member"})

KINDS: dict[str, KindRules] = {
    one.code: one
    for one in (
        KindRules(
            code="general",
            minimum=2,
            required_roles=frozenset({"chair"}),
            allowed_roles=_MEETING_ROLES,
            presiding_role="chair",
            voting_roles=_BOARD,
            quorum_roles=_BOARD,
            quorum=Quorum(share_numerator=1, share_denominator=2, floor=2, strict=True),
            majority=Majority(numerator=1, denominator=2, strict=True, base="present"),
            casting_vote=True,
            signer_roles=_MEETING_SIGNERS,
            document_kind="349",
        ),
        KindRules(
            code="oncological",
            minimum=3,
            required_roles=frozenset({"chair"}),
            allowed_roles=_MEETING_ROLES,
            presiding_role="chair",
            voting_roles=_BOARD,
            quorum_roles=_BOARD,
            quorum=Quorum(share_numerator=1, share_denominator=2, floor=3, strict=True),
            majority=Majority(numerator=1, denominator=2, strict=True, base="present"),
            casting_vote=True,
            signer_roles=_MEETING_SIGNERS,
            document_kind="371",
        ),
        KindRules(
            code="consultation",
            minimum=2,
            required_roles=frozenset({"consultant", "attending"}),
            allowed_roles=frozenset({"consultant", "attending", "secretary", "expert", "observer"}),
            presiding_role="consultant",
            voting_roles=frozenset({"consultant"}),
            quorum_roles=frozenset({"consultant", "attending"}),
            quorum=Quorum(share_numerator=1, share_denominator=1, floor=2, strict=False),
            majority=Majority(numerator=1, denominator=2, strict=True, base="present"),
            casting_vote=False,
            signer_roles=frozenset({"consultant", "attending"}),
            document_kind="36",
        ),
        KindRules(
            code="commission",
            minimum=3,
            required_roles=frozenset({"chair", "deputy", "secretary"}),
            allowed_roles=_MEETING_ROLES,
            presiding_role="chair",
            voting_roles=_COMMISSION,
            quorum_roles=_COMMISSION,
            quorum=Quorum(share_numerator=2, share_denominator=3, floor=2, strict=False),
            majority=Majority(numerator=2, denominator=3, strict=False, base="all"),
            casting_vote=False,
            signer_roles=_COMMISSION,
            document_kind="87",
            needs_body=True,
        ),
    )
}


def quorum_need(kind: str, entitled_total: int) -> int:
    """How many of `entitled_total` seats that count for quorum must be present (DL-08)."""
    rule = KINDS[kind].quorum
    share = _share(entitled_total, rule.share_numerator, rule.share_denominator, strict=rule.strict)
    return max(rule.floor, share)


def majority_need(kind: str, present: int, total: int) -> int:
    """How many votes "for" adopt a resolution (DL-09). `total`: all voting members, not only those present."""
    rule = KINDS[kind].majority
    base = total if rule.base == "all" else present
    return max(1, _share(base, rule.numerator, rule.denominator, strict=rule.strict))


def _share(count: int, numerator: int, denominator: int, *, strict: bool) -> int:
    whole = count * numerator
    return whole // denominator + 1 if strict else -(-whole // denominator)


def is_voting(kind: str, role: str) -> bool:
    """Whether a seat of this role votes."""
    return role in KINDS[kind].voting_roles


def counts_for_quorum(kind: str, role: str) -> bool:
    """Whether a seat of this role counts towards the quorum."""
    return role in KINDS[kind].quorum_roles


def signs(kind: str, role: str) -> bool:
    """Whether a seat of this role that attended signs the protocol (SG-01)."""
    return role in KINDS[kind].signer_roles


def presides(kind: str, role: str) -> bool:
    """Whether this role leads the meeting: the chair, in a consultation the consultant."""
    return role == KINDS[kind].presiding_role


def enters_directly(kind: str, role: str) -> bool:
    """Presiding, deputy and secretary enter; all others wait for admission (RM-01)."""
    return presides(kind, role) or role in {"deputy", "secretary"}


def single(kind: str, role: str) -> bool:
    """Whether at most one seat may have this role; a commission may have several deputies (180н)."""
    return role in SINGLE_ROLES and not (kind == "commission" and role == "deputy")
