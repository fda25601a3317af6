"""The authority simulator's one page, in Russian or English."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from web.simulator.authority_desk import BEHAVIOURS, SERVICES

WORDS: dict[str, dict[str, str]] = {
    "ru": {
        "title": "Имитатор удостоверяющего центра",
        "notice": "Это не удостоверяющий центр, а имитатор для демонстрации и испытаний. Юридических последствий нет.",
        "service": "Служба",
        "behaviour": "Поведение",
        "asked": "Запросов",
        "change": "Изменить",
        "tsa": "Метки времени (RFC 3161)",
        "ocsp": "Состояние сертификата (OCSP)",
        "crl": "Список отозванных (CRL)",
        "other": "English",
        "ok": "отвечает верно",
        "silent": "молчит",
        "slow": "отвечает медленно",
        "drip": "отвечает по байту",
        "down": "отвечает ошибкой 503",
        "garbage": "отвечает посторонней страницей",
        "huge": "отвечает слишком большим ответом",
        "redirect": "перенаправляет",
        "refuse": "отказывает",
        "foreign": "отвечает чужой меткой",
        "stale": "отвечает устаревшим",
    },
    "en": {
        "title": "Authority simulator",
        "notice": "This is not an authority but a simulator for demonstration and tests, without legal effect.",
        "service": "Service",
        "behaviour": "Behaviour",
        "asked": "Requests",
        "change": "Change",
        "tsa": "Timestamps (RFC 3161)",
        "ocsp": "State of a certificate (OCSP)",
        "crl": "List of revoked certificates (CRL)",
        "other": "Русский",
        "ok": "answers honestly",
        "silent": "is silent",
        "slow": "answers slowly",
        "drip": "answers byte by byte",
        "down": "answers with error 503",
        "garbage": "answers with some other page",
        "huge": "answers with far too much",
        "redirect": "redirects",
        "refuse": "refuses",
        "foreign": "answers with somebody else's token",
        "stale": "answers with what is out of date",
    },
}


def render_page(state: dict[str, Any], language: str) -> str:
    """The page as HTML."""
    return _template().render(
        words=WORDS[language],
        state=state,
        language=language,
        other="ru" if language == "en" else "en",
        services=SERVICES,
        behaviours=BEHAVIOURS,
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
    return environment.get_template("authority.html.j2")
