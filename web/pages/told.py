"""Facts of a query in words of the catalogue: journal lines, rules of a kind, where a filing stands."""

from __future__ import annotations

from typing import Any

from consilium.filing import codes
from consilium.rules import kinds
from web.i18n import Texts


def journal_line(t: Texts, data: dict[str, Any]) -> str:
    """What a journal entry says beside its name: «Иванова М. П.; причина: …»."""
    return "; ".join(_fact(t, name, value) for name, value in data.items() if _fact(t, name, value))


def _fact(t: Texts, name: str, value: Any) -> str:
    if name in ("deadline", "scheduled_at"):
        return t(f"fact.{name}", value=t.moment(value))
    if name in ("adopted", "lost"):
        return t(f"fact.{name}.{str(value).lower()}")
    if name == "digest":
        return t("fact.digest", value=str(value)[:12])
    if name == "fields":
        return t("fact.fields", value=", ".join(t(f"field.{one}") for one in value))
    if name == "reason_code":
        return t(f"refusal.{value}")
    if name == "outcome":
        return t(f"item.{value}")
    if name == "codes":
        return ", ".join(value)
    return t(f"fact.{name}", value=value)


def rule_lines(t: Texts, kind: str) -> list[dict[str, str]]:
    """The rules of a kind in words; `check` names what a plan's page can tick off."""
    rules = kinds.KINDS[kind]
    voting = [role for role in kinds.ROLES if role in rules.required_roles]
    single = [role for role in kinds.ROLES if role in rules.allowed_roles and kinds.single(kind, role)]
    lines = [
        {"check": "minimum", "text": t("rule.minimum", count=rules.minimum)},
        {"check": "required", "text": t("rule.required", roles=_roles(t, voting))},
        {"check": "single", "text": t("rule.single", roles=_roles(t, single))},
        {"check": "one_case", "text": t("rule.one_case")}
        if kind == "consultation"
        else {"check": "cases", "text": t("rule.cases")},
    ]
    if rules.needs_body:
        lines.append({"check": "body", "text": t("rule.body")})
    return lines + [{"check": "", "text": text} for text in meeting_rules(t, kind)]


def meeting_rules(t: Texts, kind: str) -> list[str]:
    """Quorum, majority, who signs: what bites in the room, said before it does."""
    rules = kinds.KINDS[kind]
    signers = [role for role in kinds.ROLES if role in rules.signer_roles]
    lines = [_quorum(t, rules), t(f"rule.majority.{_majority(rules)}")]
    if rules.casting_vote:
        lines.append(t("rule.casting"))
    return [*lines, t("rule.signers", roles=_roles(t, signers))]


def _quorum(t: Texts, rules: kinds.KindRules) -> str:
    quorum = rules.quorum
    if quorum.share_numerator == quorum.share_denominator:
        return t("rule.quorum.all")
    share = "more_than_half" if quorum.strict else "two_thirds"
    return t("rule.quorum.share", share=t(f"rule.share.{share}"), floor=quorum.floor)


def _majority(rules: kinds.KindRules) -> str:
    return "consultant" if rules.voting_roles == {"consultant"} else rules.majority.base


def _roles(t: Texts, roles: list[str]) -> str:
    return ", ".join(t(f"role.{role}").lower() for role in roles)


def filing_told(t: Texts, filing: dict[str, Any]) -> dict[str, Any]:
    """Where the filing stands, and for each fault what it means and who has to act."""
    return {
        "sentence": t(f"filing.line.{filing['status']}"),
        "faults": [_fault(t, code) for code in _codes(filing)],
    }


def _codes(filing: dict[str, Any]) -> list[str]:
    """The registry's codes; before it has answered, why the last attempt failed."""
    waiting = [filing["message"]] if filing["message"] and filing["status"] != "registered" else []
    return filing["error_codes"] or waiting


def _fault(t: Texts, code: str) -> dict[str, str]:
    found = codes.advice(code)
    text = found.ru if t.language == "ru" else found.en
    return {"code": code, "text": text, "remedy": str(found.remedy)}
