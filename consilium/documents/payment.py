"""Who pays for the care: the `participant` of extracts and referrals (guide 99 У1-18, guide 185 Main07-1)."""

from __future__ import annotations

from lxml import etree

from consilium.documents.facts import Payment, Policy
from consilium.documents.markup import IDENTITY, Form, add, coded, day_stamp
from consilium.documents.required import OLD_POLICY, POLICY_SOURCE, UNLIMITED_POLICY, known_policy


def payer(document: etree._Element, form: Form, payment: Payment) -> None:
    """The source of payment and the paper it rests on; without a policy the paper is said to be unavailable."""
    entity = add(add(document, "participant", typeCode="IND"), "associatedEntity", classCode="GUAR")
    coded(entity, form, "code", payment.source, "11.1039")
    policy = known_policy(form.facts)
    if payment.source.code == POLICY_SOURCE and policy is not None:
        _policy(entity, form, policy)
    else:
        add(entity, "DocInfo", namespace=IDENTITY, nullFlavor="NAV")


def _policy(entity: etree._Element, form: Form, policy: Policy) -> None:
    element = add(entity, "DocInfo", namespace=IDENTITY)
    coded(element, form, "IdentityDocType", form.terms.coded("99.2.724", "1"), "99.2.724", IDENTITY)
    coded(element, form, "InsurancePolicyType", policy.kind, "11.1035", IDENTITY)
    if policy.kind.code == OLD_POLICY and policy.series:
        add(element, "Series", policy.series, IDENTITY)
    else:
        add(element, "Series", namespace=IDENTITY, nullFlavor="NA")
    add(element, "Number", policy.number, IDENTITY)
    add(element, "INN", namespace=IDENTITY, nullFlavor="NA")
    _validity(element, policy)


def _validity(element: etree._Element, policy: Policy) -> None:
    if policy.valid_from is None:
        add(element, "effectiveTime", namespace=IDENTITY, nullFlavor="NASK")
        return
    interval = add(element, "effectiveTime", namespace=IDENTITY)
    add(interval, "low", namespace=IDENTITY, value=day_stamp(policy.valid_from))
    if policy.valid_to and policy.kind.code != UNLIMITED_POLICY:
        add(interval, "high", namespace=IDENTITY, value=day_stamp(policy.valid_to))
    else:
        add(interval, "high", namespace=IDENTITY, nullFlavor="NAV")
