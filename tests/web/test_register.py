"""The statutory register: every number of the year, as a page and as files, for those who keep it."""

from __future__ import annotations

import csv
import io

import openpyxl
import pytest

from consilium import clock, demo
from consilium.queries import register as queries
from tests.people import World
from tests.web.conftest import Visit
from tests.web.stage import Stage

YEAR = clock.now().year


def lines(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig")), delimiter=";"))


async def test_a_protocol_has_its_line_from_its_first_draft_on(visit: Visit, stage: Stage) -> None:
    stage.drafted(dissent=True)
    coordinator = await visit("coordinator")
    text = await coordinator.text("/register")
    for words in (f"{YEAR}-00001", "Образцов Иван Петрович", "C34.1", "черновик", "(принято)", "Орлов Д. С."):
        assert words in text, words


async def test_spreadsheet_and_text_file_hold_the_same_lines(visit: Visit, stage: Stage) -> None:
    stage.frozen()
    registrar = await visit("nmic.admin")
    answer = await registrar.get("/register/export.csv")
    assert answer.status == 200
    assert "attachment" in answer.headers["Content-Disposition"]
    headings, line = lines(await answer.read())
    book = openpyxl.load_workbook(io.BytesIO(await (await registrar.get("/register/export.xlsx")).read()))
    cells = [[str(cell or "") for cell in row] for row in book.active.iter_rows(values_only=True)]
    assert cells == [headings, line]
    assert line[0] == f"{YEAR}-00001"


@pytest.mark.needs_pdf
async def test_the_printed_register_is_pdf_a(visit: Visit, stage: Stage) -> None:
    stage.drafted()
    answer = await (await visit("coordinator")).get("/register/export.pdf")
    assert answer.status == 200
    assert (await answer.read()).startswith(b"%PDF-1.4")


async def test_every_file_that_leaves_is_journaled(visit: Visit, stage: Stage) -> None:
    await (await visit("coordinator")).get("/register/export.csv")
    organisation = demo.ORGANISATIONS["nmic"].id
    with stage.service.parts.store.read() as reader:
        names = [one.name for one in reader.events("directory", organisation)]
    assert names.count("RegisterExported") == 1


async def test_the_register_of_another_organisation_stays_closed(visit: Visit, stage: Stage) -> None:
    stage.drafted()
    outsider = await visit("outsider.coordinator")
    nmic = demo.ORGANISATIONS["nmic"].id
    text = await outsider.text(f"/register?keeper={nmic}&year={YEAR}")
    assert "Образцов" not in text
    assert "Городская поликлиника № 7" in text


async def test_a_long_year_is_read_leaf_by_leaf_the_newest_first_shown(
    visit: Visit, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of a year's five hundred protocols took seconds; the files hold all of them as before."""
    monkeypatch.setattr(queries, "LEAF", 1)
    world = World(stage.service)
    for _ in range(2):
        world.decided("deputy", "secretary")
    registrar = await visit("nmic.admin")
    newest, first = await registrar.text("/register"), await registrar.text("/register?leaf=1")
    assert f"{YEAR}-00002" in newest
    assert f"{YEAR}-00001" not in newest
    assert f"{YEAR}-00001" in first
    for odd in ("0", "-1", "9999999", "two", "2"):
        assert f"{YEAR}-00002" in await registrar.text(f"/register?leaf={odd}")
    assert len(lines(await (await registrar.get("/register/export.csv")).read())) == 3
