"""Papers frozen at birth, and what annuls them: look up, let the rules decide, render, journal (SG-15, PR-08).

Locks are taken as everywhere: Case, Consilium, then the older paper before what was made from it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from consilium import commands as c
from consilium import drafts
from consilium.documents import extract
from consilium.documents.annulment import ActSigner, Annulled, Annulment, render_annulment
from consilium.documents.conformance import require_conformant
from consilium.documents.editions import extract_edition
from consilium.documents.view import read_document
from consilium.documents.wording import local
from consilium.errors import NotFound
from consilium.events import CaseDecisionAnnulled, CaseSealed
from consilium.handlers import turns
from consilium.handlers.asker import Table, person_of, tidied
from consilium.handlers.protocol import (
    item_of,
    numbered,
    record,
    require_for_edition,
    seen_protocol,
    sitting_of,
)
from consilium.handlers.requests import record as record_case
from consilium.model import Case, CaseStatus, Consilium, Paper, Person, Protocol
from consilium.queries.papers import annulled_extract, made_from, successor_of
from consilium.queries.protocol_facts import protocol_facts
from consilium.rules import codes, numbering, papers, referrals
from consilium.rules import protocol as rules
from consilium.rules.papers import Signer

if TYPE_CHECKING:
    from consilium.context import Context


# --- the extract ----------------------------------------------------------------------------------


def make_extract(context: Context, command: c.MakeExtract) -> dict[str, Any]:
    """From the sealed protocol's facts and words, frozen at once and checked by the state's rules (11.1522: 347)."""
    person = person_of(context)
    protocol, consilium, case = seen_protocol(context, command.protocol, person)
    rules.require_editor(consilium, person.id)
    papers.require_extractable(protocol, consilium.kind, made_from(context.tx, protocol.id))
    made = papers.born(
        Paper.EXTRACT,
        protocol,
        *numbered(context, Paper.EXTRACT, consilium),
        context.at,
        annulled_extract(context.tx, protocol),
    )
    made.reason = tidied(command.reason, "reason")
    made.addressee = tidied(command.addressee, "addressee")
    document_id = uuid4()
    document = _extracted(context, made, document_id, protocol, consilium, case)
    signing = papers.seated(papers.extract_signers(consilium, item_of(consilium, protocol), context.at))
    return frozen(context, made, consilium, document_id, document, signing, person.id)


def _extracted(
    context: Context,
    made: Protocol,
    document_id: UUID,
    protocol: Protocol,
    consilium: Consilium,
    case: Case,
) -> bytes:
    """The bytes. Raises Invalid: protocol_incomplete, document_refused, unknown_code, invalid_field."""
    prose = drafts.texts(update for _, update in context.tx.draft_updates(protocol.id))
    facts = protocol_facts(context.tx, made, consilium, case, prose, context.at, document_id)
    files, terms = context.parts.official(), context.parts.terms(context.tx)
    row = extract_edition(
        local(context.at, facts.utc_offset_minutes).date(),
        frozenset(files.guides) if files else frozenset(),
        context.parts.settings.extract_edition or None,
    )
    require_for_edition(facts, row)
    assert protocol.document_id is not None
    source = extract.ParentDocument(
        document_id=protocol.document_id,
        number=protocol.number,
        version=protocol.version,
        held_at=facts.started_at,
        registry_number=protocol.registry_number,
    )
    document = extract.render(facts, row, source, terms, addressee=made.addressee)
    require_conformant(document, files, terms)
    made.edition = row.template
    return document


# --- the act that annuls --------------------------------------------------------------------------


def annul(context: Context, command: c.AnnulProtocol) -> dict[str, Any]:
    """The act is there at once, frozen and waiting for its signatures; the paper counts until its seal."""
    person = person_of(context)
    protocol, consilium, case = seen_paper(context, command.protocol, person)
    signing = _act_signers(context, protocol, consilium, case, person)
    reason = tidied(command.reason, "reason")
    papers.require_annullable(protocol, made_from(context.tx, protocol.id), reason)
    numbers = (
        numbered(context, Paper.ANNULMENT, consilium)
        if consilium
        else numbered_for(context, Paper.ANNULMENT, protocol.organisation_id)
    )
    act = papers.born(Paper.ANNULMENT, protocol, *numbers, context.at)
    act.reason = reason
    document_id = uuid4()
    document = render_annulment(_act(context, act, document_id, protocol, case, signing))
    return frozen(context, act, consilium, document_id, document, signing, person.id)


def _act_signers(
    context: Context, protocol: Protocol, consilium: Consilium | None, case: Case, person: Person
) -> list[Signer]:
    """Those who answer for what is annulled, the asker first. Raises NotFound, Forbidden for anybody else."""
    if consilium is None:
        referrals.require_doctor(case, person)
        return [referrals.signer(person)]
    seat = rules.require_chair(consilium, person.id)
    return papers.seated(papers.act_signers(consilium, item_of(consilium, protocol), seat, context.at))


def _act(
    context: Context, act: Protocol, document_id: UUID, protocol: Protocol, case: Case, signing: list[Signer]
) -> Annulment:
    organisation = context.tx.organisation(protocol.organisation_id)
    assert protocol.sealed_at is not None
    return Annulment(
        document_id=str(document_id),
        set_id=str(act.set_id),
        number=act.number,
        organisation_oid=organisation.oid,
        organisation=organisation.name,
        case_number=case.number,
        made_at=context.at,
        annulled=Annulled(
            document_id=str(protocol.document_id),
            set_id=str(protocol.set_id),
            version=protocol.version,
            sha256=protocol.digest,
            title=read_document(protocol.document).title,
            number=protocol.number,
            sealed_at=protocol.sealed_at,
            registry_number=protocol.registry_number,
        ),
        reason=act.reason,
        signers=tuple(_signer(context, one) for one in signing),
    )


def _signer(context: Context, signer: Signer) -> ActSigner:
    person = context.tx.person(signer.person_id)
    role = codes.SIGNER_ROLES[signer.role]
    return ActSigner(
        person_id=str(person.id),
        name=person.full_name,
        post=signer.position,
        snils=person.snils,
        role=role.code,
        role_name=role.ru,
    )


# --- common ---------------------------------------------------------------------------------------


def seen_paper(
    context: Context, protocol_id: UUID, person: Person
) -> tuple[Protocol, Consilium | None, Case]:
    """As `protocol.seen_protocol`, a referral or the act about one too: these have no consilium."""
    peeked = context.tx.peek(Protocol, protocol_id)
    if peeked.consilium_id is not None:
        return seen_protocol(context, protocol_id, person)
    case = context.tx.peek(Case, peeked.case_id)
    came_to = context.tx.peek(Consilium, case.consilium_id) if case.consilium_id else None
    if not referrals.sees(peeked, case, person, came_to):
        raise NotFound
    return context.tx.protocol(protocol_id), None, case


def numbered_for(context: Context, paper: Paper, organisation_id: UUID) -> tuple[str, str]:
    """(series, number) of the next paper of an organisation that belongs to no consilium."""
    series = numbering.series_of(paper, organisation_id, context.at)
    return series, numbering.number(context.at, context.tx.next_number(series))


def frozen(
    context: Context,
    made: Protocol,
    consilium: Consilium | None,
    document_id: UUID,
    document: bytes,
    signing: list[Signer],
    by: UUID,
) -> dict[str, Any]:
    """The paper with its only bytes, waiting for those who sign it."""
    digest = hashlib.sha256(document).hexdigest()
    happened = papers.freeze(made, document_id, document, digest, signing, by, context.at)
    context.tx.add(made)
    record(context, made, happened)
    if consilium is None:
        turns.arrange_alone(context, made, referrals.SIGNING_DAYS)
    else:
        turns.arrange(context, made, consilium)
    return {
        "protocol": str(made.id),
        "number": made.number,
        "digest": digest,
        "version": made.version,
        "signers": len(signing),
    }


def withdraw(context: Context, command: c.WithdrawPaper) -> dict[str, Any]:
    """Chair or secretary, of a referral its doctor, give up what is not sealed yet."""
    person = person_of(context)
    made, consilium, case = seen_paper(context, command.protocol, person)
    if consilium is None:
        referrals.require_doctor(case, person)
    else:
        rules.require_editor(consilium, person.id)
    reason = tidied(command.reason, "reason")
    record(context, made, papers.withdraw(made, person.id, reason, context.at))
    return {"status": str(made.status), "number": made.number}


# --- the version that takes its place -------------------------------------------------------------


def replace(context: Context, command: c.ReplaceProtocol) -> dict[str, Any]:
    """A draft with the annulled protocol's words, to be corrected and signed by everybody anew."""
    person = person_of(context)
    peeked = context.tx.peek(Protocol, command.protocol)
    consilium = context.tx.consilium(sitting_of(peeked))
    protocol, _, _ = seen_protocol(context, command.protocol, person, consilium)
    rules.require_editor(consilium, person.id)
    papers.require_replaceable(protocol, successor_of(context.tx, protocol.id))
    numbers = numbered(context, Paper.PROTOCOL, consilium)
    new, drafted, replaced = papers.replace(protocol, *numbers, context.at)
    context.tx.add(new)
    context.tx.flush()
    prose = drafts.texts(update for _, update in context.tx.draft_updates(protocol.id))
    context.tx.append_draft(new.id, drafts.initial(prose), None)
    item_of(consilium, protocol).protocol_id = new.id
    record(context, new, drafted)
    record(context, protocol, replaced)
    return {"protocol": str(new.id), "number": new.number, "version": new.version}


# --- what a seal brings about ---------------------------------------------------------------------


def locked(context: Context, protocol_id: UUID) -> tuple[Protocol, Case]:
    """The paper and its case, both held; what it was made from is held before it."""
    peeked = context.tx.peek(Protocol, protocol_id)
    case = context.tx.case(peeked.case_id)
    if peeked.parent_id is not None:
        context.tx.protocol(peeked.parent_id)
    return context.tx.protocol(protocol_id), case


def sealed(context: Context, protocol: Protocol, case: Case) -> None:
    """A protocol seals its case, an act annuls what it names; extract and referral change nothing else."""
    if protocol.paper is Paper.PROTOCOL:
        case.status = CaseStatus.SEALED
        case.revision += 1
        record_case(context, case, [CaseSealed(protocol=protocol.id)])
    elif protocol.paper is Paper.ANNULMENT:
        _annulled(context, protocol, case)


def _annulled(context: Context, act: Protocol, case: Case) -> None:
    if act.parent_id is None:
        raise NotFound
    parent = context.tx.protocol(act.parent_id)
    happened = papers.annul(parent, act, context.at)
    if not happened:
        return
    record(context, parent, happened)
    if parent.paper is Paper.REFERRAL:
        return
    # Without its protocol the decision waits to be written down again; without its extract, to be filed.
    case.status = CaseStatus.DECIDED if parent.paper is Paper.PROTOCOL else CaseStatus.SEALED
    case.revision += 1
    if parent.paper is Paper.PROTOCOL:
        record_case(context, case, [CaseDecisionAnnulled(protocol=parent.id, act=act.id)])


HANDLERS: Table = {
    c.MakeExtract: make_extract,
    c.AnnulProtocol: annul,
    c.ReplaceProtocol: replace,
    c.WithdrawPaper: withdraw,
}
