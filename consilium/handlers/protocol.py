"""The protocol from its first draft to the registry's number: look up, let the rules decide, journal.

A command names a protocol; its case and consilium are looked at first without a lock, so that locks are
always taken in the order Case, Consilium, Protocol.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from consilium import commands as c
from consilium import drafts
from consilium.documents import cda
from consilium.documents.conformance import require_conformant
from consilium.documents.draft import draft_sections
from consilium.documents.editions import Edition, edition
from consilium.documents.facts import ProtocolFacts
from consilium.documents.required import missing_for_edition, stops_freezing
from consilium.documents.validate import require_complete
from consilium.documents.wording import local
from consilium.errors import Conflict, Invalid, NotFound
from consilium.events import DraftWritten, Event
from consilium.handlers import filing, turns
from consilium.handlers.asker import Table, person_of, tidied
from consilium.model import (
    AgendaItem,
    Case,
    Consilium,
    DissentPaper,
    Paper,
    Person,
    Protocol,
)
from consilium.queries.protocol_facts import dissent_text, protocol_facts
from consilium.rules import numbering
from consilium.rules import protocol as rules
from consilium.seal.dissent import Dissent as DissentDocument
from consilium.seal.dissent import render_dissent

if TYPE_CHECKING:
    from consilium.context import Context


# --- drafting -------------------------------------------------------------------------------------


def start_protocol(context: Context, consilium: Consilium, item: AgendaItem, case: Case) -> Protocol:
    """The draft of a decided item, written from the facts in the transaction that decided it (PR-01).

    The caller sets `item.protocol_id` and changes the case.
    """
    series, number = numbered(context, Paper.PROTOCOL, consilium)
    protocol, happened = rules.start(consilium, item, case, series, number, context.at)
    context.tx.add(protocol)
    known = {"reasons": "", "course": case.course, "state": case.condition, "decision": ""}
    draft = draft_sections(protocol_facts(context.tx, protocol, consilium, case, known, context.at))
    context.tx.flush()
    prose = {name: draft[name] for name in drafts.SECTIONS}
    context.tx.append_draft(protocol.id, drafts.initial(prose), None)
    record(context, protocol, happened)
    return protocol


def numbered(context: Context, paper: Paper, consilium: Consilium) -> tuple[str, str]:
    """(series, number) of the next paper; refused afterwards, the transaction gives it back."""
    series = numbering.series(paper, consilium, context.at)
    return series, numbering.number(context.at, context.tx.next_number(series))


def write(context: Context, command: c.WriteProtocol) -> dict[str, Any]:
    """One update, kept before it is acknowledged."""
    person = person_of(context)
    protocol, consilium, _ = seen_protocol(context, command.protocol, person)
    editor = rules.require_editor(consilium, person.id)
    rules.require_drafting(protocol)
    update = drafts.decoded(command.update)
    drafts.check((one for _, one in context.tx.draft_updates(protocol.id)), update)
    number = context.tx.append_draft(protocol.id, update, editor.person_id)
    record(context, protocol, [DraftWritten(update=number)])
    return {"update": number}


def rewrite(context: Context, command: c.RewriteSection) -> dict[str, Any]:
    """A correction after the meeting: refused when the words are no longer those the person saw."""
    person = person_of(context)
    protocol, consilium, _ = seen_protocol(context, command.protocol, person)
    editor = rules.require_editor(consilium, person.id)
    rules.require_drafting(protocol)
    rules.require_room_closed(consilium)
    updates = [update for _, update in context.tx.draft_updates(protocol.id)]
    now = drafts.texts(updates)[command.section]
    if hashlib.sha256(now.encode()).hexdigest() != command.before:
        raise Conflict("stale_revision", field=command.section, current=now)
    text = tidied(command.text, "text")
    update = drafts.rewritten(updates, command.section, text)
    drafts.check(updates, update)
    number = context.tx.append_draft(protocol.id, update, editor.person_id)
    record(context, protocol, [DraftWritten(update=number)])
    return {"update": number, "digest": hashlib.sha256(text.encode()).hexdigest()}


def freeze(context: Context, command: c.FreezeProtocol) -> dict[str, Any]:
    """One rendering, byte-exact from then on (PR-06). The consilium is held too: no opinion slips in."""
    person = person_of(context)
    consilium = context.tx.consilium(sitting_of(context.tx.peek(Protocol, command.protocol)))
    protocol, _, case = seen_protocol(context, command.protocol, person, consilium)
    rules.require_editor(consilium, person.id)
    rules.require_drafting(protocol)
    item = item_of(consilium, protocol)
    document_id = uuid4()
    document = _rendered(context, protocol, consilium, case, document_id)
    digest = hashlib.sha256(document).hexdigest()
    signers = rules.signers(consilium, item, context.at)
    papers = _papers(context, protocol, consilium, item, document_id, digest)
    happened = rules.freeze(protocol, document_id, document, digest, signers, papers, person.id, context.at)
    record(context, protocol, happened)
    turns.arrange(context, protocol, consilium, command.order)
    return {
        "digest": digest,
        "size": len(document),
        "version": protocol.version,
        "document": str(document_id),
        "signers": len(signers),
    }


def _rendered(
    context: Context, protocol: Protocol, consilium: Consilium, case: Case, document_id: UUID
) -> bytes:
    """The bytes of this version. Raises Invalid: protocol_incomplete, text_refused, document_refused."""
    prose = drafts.texts(update for _, update in context.tx.draft_updates(protocol.id))
    facts = protocol_facts(context.tx, protocol, consilium, case, prose, context.at, document_id)
    require_complete(facts)
    row = edition(facts.kind, local(context.at, facts.utc_offset_minutes).date())
    require_for_edition(facts, row)
    terms = context.parts.terms(context.tx)
    document = cda.render(facts, terms)
    protocol.edition = row.template
    require_conformant(document, context.parts.official(), terms)
    return document


def require_for_edition(facts: ProtocolFacts, row: Edition) -> None:
    """Raises Invalid protocol_incomplete with what the state's guide of this edition asks for."""
    missing = [one for one in missing_for_edition(facts, row) if stops_freezing(one, row)]
    if missing:
        raise Invalid("protocol_incomplete", missing=[asdict(one) for one in missing])


def _papers(
    context: Context,
    protocol: Protocol,
    consilium: Consilium,
    item: AgendaItem,
    document_id: UUID,
    digest: str,
) -> list[DissentPaper]:
    """Each standing opinion as a small document of its own, bound to the protocol by its digest (SG-12)."""
    papers: list[DissentPaper] = []
    for order, dissent in enumerate(rules.standing_dissents(consilium, item), 1):
        seat = consilium.seat(dissent.seat_id)
        assert seat is not None
        author = context.tx.person(seat.person_id)
        content = render_dissent(
            DissentDocument(
                protocol_sha256=digest,
                document_id=str(document_id),
                author=author.full_name,
                snils=author.snils,
                text=dissent_text(dissent),
                recorded_at=dissent.written_at,
            )
        )
        papers.append(
            DissentPaper(
                id=uuid4(),
                version=protocol.version,
                dissent_id=dissent.id,
                seat_id=seat.id,
                person_id=author.id,
                order=order,
                document=content,
                digest=hashlib.sha256(content).hexdigest(),
            )
        )
    return papers


def reopen(context: Context, command: c.ReopenProtocol) -> dict[str, Any]:
    person = person_of(context)
    protocol, consilium, _ = seen_protocol(context, command.protocol, person)
    rules.require_editor(consilium, person.id)
    happened = rules.reopen(protocol, person.id, tidied(command.reason, "reason"))
    record(context, protocol, happened)
    return {"version": protocol.version, "fallen": fallen(happened)}


# --- common ---------------------------------------------------------------------------------------


def seen_protocol(
    context: Context, protocol_id: UUID, person: Person, consilium: Consilium | None = None
) -> tuple[Protocol, Consilium, Case]:
    """The locked protocol with its consilium and case, or NotFound for whom it does not exist.

    A case's own paper (a referral) is none of these: `papers.seen_paper`.
    """
    peeked = context.tx.peek(Protocol, protocol_id)
    consilium = consilium or context.tx.peek(Consilium, sitting_of(peeked))
    case = context.tx.peek(Case, peeked.case_id)
    if not rules.sees_protocol(consilium, item_of(consilium, peeked), case, person):
        raise NotFound
    return context.tx.protocol(protocol_id), consilium, case


def fallen(happened: Sequence[Event]) -> int:
    return sum(getattr(one, "fallen", 0) for one in happened)


def sitting_of(protocol: Protocol) -> UUID:
    """The consilium it belongs to. Raises NotFound for a case's own paper."""
    if protocol.consilium_id is None:
        raise NotFound
    return protocol.consilium_id


def item_of(consilium: Consilium, protocol: Protocol) -> AgendaItem:
    item = consilium.item(protocol.item_id) if protocol.item_id else None
    if item is None:
        raise NotFound(what="item")
    return item


def record(context: Context, protocol: Protocol, happened: Sequence[Event]) -> None:
    """Journal on the protocol's stream, which belongs to the organisation that registers."""
    for event in happened:
        context.tx.record(event, protocol.id, protocol.organisation_id, context.actor)


HANDLERS: Table = {
    c.WriteProtocol: write,
    c.RewriteSection: rewrite,
    c.FreezeProtocol: freeze,
    c.ReopenProtocol: reopen,
    **filing.HANDLERS,
}
