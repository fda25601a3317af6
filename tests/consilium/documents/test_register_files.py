"""Files of the register: what a person typed arrives as text in every program."""

import csv
import io

import openpyxl
import pytest

from consilium.documents.register import to_csv, to_pdf, to_xlsx
from tests.consilium.documents.test_pdf import asked

HEADINGS = ("№", "Вопрос")
SLY = [
    '=HYPERLINK("http://example.org";"нажми")',
    "+7",
    "-1",
    "@SUM(A1)",
    "http://example.org",
    "007",
    "x" * 40_000,
]
ROWS = [(str(number), typed) for number, typed in enumerate(SLY, 1)]


def test_a_spreadsheet_holds_texts_and_nothing_else():
    sheet = openpyxl.load_workbook(io.BytesIO(to_xlsx("Журнал [2026]", HEADINGS, ROWS))).active
    found = [cell for row in sheet.iter_rows(min_row=2) for cell in row]
    assert {cell.data_type for cell in found} == {"s"}
    assert not any(cell.hyperlink for cell in found)
    assert [sheet.cell(number, 2).value for number in range(2, 8)] == SLY[:6]
    assert sheet.cell(8, 2).value == "x" * 32_766 + "…"


def test_a_text_file_opened_by_a_spreadsheet_runs_nothing():
    rows = list(csv.reader(io.StringIO(to_csv(HEADINGS, ROWS).decode("utf-8-sig")), delimiter=";"))
    assert rows[0] == list(HEADINGS)
    for (_, typed), (_, kept) in zip(ROWS, rows[1:], strict=True):
        assert kept in {typed, f"'{typed}"}
        assert not kept.startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize(
    "typed", ["\n=1+1", " =1+1", "\u00a0=1+1", "＝1+1", "＋1", "－1", "＠SUM(A1)", "\t=1"]
)
def test_no_blank_and_no_wide_letter_smuggles_a_formula_in(typed):
    """Programs trim cells, and some take the wide forms of East Asian keyboards for the same signs."""
    (row,) = csv.reader(io.StringIO(to_csv((), [(typed,)]).decode("utf-8-sig").lstrip()), delimiter=";")
    assert row == [f"'{typed}"]


def test_line_ends_and_quotes_inside_a_cell_come_back():
    rows = [("1", 'первая\nвторая; "третья"')]
    assert list(csv.reader(io.StringIO(to_csv(HEADINGS, rows).decode("utf-8-sig")), delimiter=";"))[
        1
    ] == list(rows[0])


@pytest.mark.needs_pdf
def test_a_printed_register_repeats_its_headings_on_every_page(tmp_path):
    rows = [(f"2026-{number:05}", "Показано ли оперативное лечение?") for number in range(1, 200)]
    text = asked(tmp_path, "pdftotext", to_pdf("Журнал", "НМИЦ", HEADINGS, rows), "-layout", "-")
    assert text.count("Вопрос") == text.count("\f") > 1
    assert all(number in text for number, _ in rows)
