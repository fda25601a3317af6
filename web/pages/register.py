"""The register of protocols, and the same as a file. Every file that leaves is journaled: it holds patients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

from aiohttp import web

from consilium import clock, commands
from consilium.documents import register as files
from consilium.errors import Forbidden, Invalid
from consilium.queries import register as queries
from consilium.queries.register import Line
from web.api import parsing
from web.api.files import SANDBOX
from web.i18n import ZONE, Texts
from web.pages.asking import ask
from web.render import page
from web.site import caller, site, texts_of

COLUMNS = (
    "number", "decided_at", "paper", "case_number", "patient", "birth_date", "diagnosis", "question", "decision",
    "members", "dissents", "signed", "state", "sealed_at", "registry_number", "remark",
)  # fmt: skip
# Laying out a printed line takes some three milliseconds; what is longer belongs into a spreadsheet.
PRINTED = 2000
FORMATS = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
    "pdf": "application/pdf",
}


async def one(request: web.Request) -> web.StreamResponse:
    """The year's lines of one body."""
    if not queries.may_read(caller(request).person):
        raise Forbidden("forbidden")
    year, t = _year(request.query.get("year")), texts_of(request)
    keeper, leaf = _keeper(request.query.get("keeper")), _leaf(request.query.get("leaf"))
    found = await ask(request, queries.leaf_of, keeper, year, leaf)
    rows = [(dict(zip(COLUMNS, _told(t, line), strict=True)), line) for line in found["lines"]]
    return page(request, "pages/register.html", {**found, "year": year, "rows": rows})


async def export(request: web.Request) -> web.StreamResponse:
    """XLSX, CSV or PDF/A of the same lines."""
    if request.method == "HEAD":
        raise web.HTTPMethodNotAllowed("HEAD", ["GET"])
    found, year = await _found(request)
    kind = request.match_info["format"]
    if kind not in FORMATS:
        raise web.HTTPNotFound
    if kind == "pdf" and len(found["lines"]) > PRINTED:
        raise Invalid("too_large", limit=PRINTED)
    parts, who, t = site(request), caller(request), texts_of(request)
    wanted = parsing.command_of(
        {"keeper": found["keeper"], "year": year, "format": kind}, commands.ExportRegister
    )
    await parts.pool.call(parts.service.handle, wanted, who.actor, uuid4(), clock.now())
    body = await parts.pool.call(_writer(kind, t, found["name"], year), found["lines"])
    response = web.Response(body=body, content_type=FORMATS[kind])
    name = quote(f"{t('register.title')} {found['name']} {year}.{kind}", safe="")
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
    response.headers["Content-Security-Policy"] = SANDBOX
    response.headers["Cache-Control"] = "no-store"
    return response


async def _found(request: web.Request) -> tuple[dict[str, Any], int]:
    if not queries.may_read(caller(request).person):
        raise Forbidden("forbidden")
    year = _year(request.query.get("year"))
    return await ask(request, queries.register, _keeper(request.query.get("keeper")), year), year


def _year(wanted: str | None) -> int:
    if wanted and wanted.isascii() and wanted.isdecimal() and len(wanted) == 4:
        return int(wanted)
    return clock.now().astimezone(ZONE).year


def _leaf(wanted: str | None) -> int:
    """Its number, 0 where none was asked for."""
    return int(wanted) if wanted and wanted.isascii() and wanted.isdecimal() and len(wanted) < 7 else 0


def _keeper(wanted: str | None) -> UUID | None:
    try:
        return UUID(wanted) if wanted else None
    except ValueError:
        return None


def _writer(kind: str, t: Texts, name: str, year: int) -> Callable[[list[Line]], bytes]:
    headings = [t(f"register.column.{column}") for column in COLUMNS]
    title = f"{t('register.title')} {year}"

    def write(lines: list[Line]) -> bytes:
        rows = [_told(t, line) for line in lines]
        if kind == "xlsx":
            return files.to_xlsx(title, headings, rows)
        if kind == "csv":
            return files.to_csv(headings, rows)
        return files.to_pdf(title, name, headings, rows)

    return write


def _told(t: Texts, line: Line) -> list[str]:
    paper = t(f"authenticity.paper.{line.paper}")
    kind = f", {t(f'kind.{line.kind}.short')}" if line.paper == "protocol" else ""
    state = t(f"register.state.{line.state}")
    values = {
        "number": line.number,
        "decided_at": t.moment(line.decided_at),
        "paper": f"{paper}{kind}",
        "birth_date": t.day(line.birth_date),
        "state": state,
        "sealed_at": t.moment(line.sealed_at),
        "dissents": str(line.dissents),
        "signed": str(line.signed),
    }
    return [values.get(name, str(getattr(line, name))) for name in COLUMNS]
