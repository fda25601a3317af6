"""Consilium, the domain: what a consilium is and what may happen to it. No async, no network here.

    request        заявка: a doctor's question to another organisation about one patient
    case           случай: the accepted request on its way to a decision (the same object)
    consilium      консилиум, ВК, консультация: one meeting with seats, an agenda and rules of its kind
    seat           место: one person in one role in one consilium; rights come from here alone
    agenda item    пункт повестки: one case in one consilium
    resolution     проект решения: a numbered wording; frozen and hashed when put to the vote
    ballot         голосование: one vote on one frozen wording; vote: one seat's choice in it
    dissent        особое мнение: belongs to its author, signed by him alone
    protocol       протокол: one per agenda item; draft, then frozen bytes, then signatures and a seal
    filing         регистрация: the sealed protocol on its way to the state registry
    journal        журнал: every committed event, numbered and hash-chained; outbox: work it caused

Start at `service.py`: a command comes in, the aggregate is locked, a rule decides, the journal is
written in the same transaction, and only then anybody is told. `docs/glossary.md` has every term.
"""
