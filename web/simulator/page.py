"""The simulator's one page, in Russian or English."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from web.simulator.modes import NAMES

WORDS: dict[str, dict[str, str]] = {
    "ru": {
        "title": "Имитатор реестра документов",
        "notice": "Это не РЭМД, а имитатор для демонстрации и испытаний. Юридических последствий нет.",
        "mode": "Поведение",
        "change": "Изменить",
        "documents": "Документы",
        "none": "Документов пока нет.",
        "number": "Номер документа",
        "kind": "Вид",
        "status": "Состояние",
        "emdr": "Номер в реестре",
        "signatures": "Подписей",
        "errors": "Ошибки",
        "digest": "Отпечаток (SHA-256)",
        "received": "проверяется",
        "accepted": "зарегистрирован",
        "rejected": "отклонён",
        "other": "English",
    },
    "en": {
        "title": "Document registry simulator",
        "notice": "This is not the state registry but a simulator for demonstration and tests, without legal effect.",
        "mode": "Behaviour",
        "change": "Change",
        "documents": "Documents",
        "none": "No documents yet.",
        "number": "Document number",
        "kind": "Kind",
        "status": "Status",
        "emdr": "Registry number",
        "signatures": "Signatures",
        "errors": "Errors",
        "digest": "Digest (SHA-256)",
        "received": "being checked",
        "accepted": "registered",
        "rejected": "rejected",
        "other": "Русский",
    },
}


def render_page(lines: list[dict[str, Any]], mode: str, language: str) -> str:
    """The page as HTML; everything that came over the wire is escaped."""
    other = "ru" if language == "en" else "en"
    return _template().render(
        words=WORDS[language], lines=lines, mode=mode, language=language, other=other, modes=NAMES
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("web.simulator", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("registry.html.j2")
