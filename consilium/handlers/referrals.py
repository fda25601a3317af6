"""The referral of a sent request as a paper: look up, let the rules decide, render, journal (guide 185, kind 57).

What follows is every paper's: the signing desk, the seal, the registry, giving up and annulling (`papers`, `signing`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from consilium import commands as c
from consilium.handlers import papers
from consilium.handlers.asker import Table, person_of
from consilium.model import Consilium, Paper
from consilium.queries import referrals
from consilium.queries.papers import referrals_of
from consilium.rules import referrals as rules
from consilium.rules import request

if TYPE_CHECKING:
    from consilium.context import Context


def make(context: Context, command: c.MakeReferral) -> dict[str, Any]:
    """The request as it stands, frozen at once; the number is taken by what is really made.

    The request is held, so that two presses make one paper.
    """
    person = person_of(context)
    case = context.tx.case(command.request)
    came_to = context.tx.peek(Consilium, case.consilium_id) if case.consilium_id else None
    request.require_seen(case, person, came_to)
    made = referrals_of(context.tx, case.id)
    rules.require_referable(case, person, made)
    replaced = rules.replaced_by_next(made)
    numbers = papers.numbered_for(context, Paper.REFERRAL, case.sender_id)
    paper = rules.born(case, *numbers, context.at, replaced)
    document_id = uuid4()
    document, paper.edition = referrals.rendered(
        context.parts, context.tx, case, paper, document_id, context.at, replaced
    )
    return papers.frozen(context, paper, None, document_id, document, [rules.signer(person)], person.id)


HANDLERS: Table = {c.MakeReferral: make}
