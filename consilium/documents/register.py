"""The register as a file: XLSX for work, CSV for programs, PDF/A for print. Pure: headings and rows in, bytes out.

A cell is text and never a formula, whatever somebody typed into a case.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import xlsxwriter

from consilium.documents import setting
from consilium.documents.pdf import columns, fitting

__all__ = ["to_csv", "to_pdf", "to_xlsx"]

Row = Sequence[str]
WIDEST = 48
LONGEST = 32_767
# Letters that fit across the printed page.
PRINTED = 180
# What a spreadsheet would take for a formula when it opens a text file.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def to_xlsx(title: str, headings: Row, rows: Sequence[Row]) -> bytes:
    """A workbook with one sheet: headings stay in view, every column can be filtered."""
    target = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(target, options) as book:
        sheet = book.add_worksheet(_sheet_name(title))
        bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bg_color": "#eef4f5"})
        wrapped = book.add_format({"text_wrap": True, "valign": "top"})
        sheet.write_row(0, 0, headings, bold)
        for number, row in enumerate(rows, 1):
            for column, value in enumerate(row):
                sheet.write_string(number, column, _fitting(value), wrapped)
        sheet.freeze_panes(1, 1)
        sheet.autofilter(0, 0, max(len(rows), 1), len(headings) - 1)
        for column, width in enumerate(_widths(headings, rows)):
            sheet.set_column(column, column, width)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
    return target.getvalue()


def _fitting(value: str) -> str:
    """A cell holds 32 767 characters; a longer text says that it goes on."""
    return value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}…"


def _sheet_name(title: str) -> str:
    kept = "".join(char for char in title if char not in "[]:*?/\\'")
    return kept[:31] or "1"


def _widths(headings: Row, rows: Sequence[Row]) -> list[int]:
    columns = zip(headings, *rows, strict=True)
    return [min(WIDEST, max(8, *(len(value) for value in column)) + 2) for column in columns]


def to_csv(headings: Row, rows: Sequence[Row]) -> bytes:
    """RFC 4180 with semicolons and a byte order mark, as Russian spreadsheets open it."""
    target = io.StringIO()
    writer = csv.writer(target, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(headings)
    writer.writerows([_plain(value) for value in row] for row in rows)
    return target.getvalue().encode("utf-8-sig")


def _plain(value: str) -> str:
    """Spaces before it hide nothing: programs that trim a cell find the formula then."""
    return f"'{value}" if value.lstrip(" \u00a0").startswith(_FORMULA) else value


def to_pdf(title: str, subtitle: str, headings: Row, rows: Sequence[Row]) -> bytes:
    """PDF/A-1a on landscape A4. Raises Unavailable("pdf_unavailable") as `setting.apart`."""
    widths = columns(headings, rows, PRINTED)
    return setting.apart(
        "register.typ",
        {
            "title": title,
            "subtitle": subtitle,
            "head": headings,
            "widths": widths,
            "rows": [[fitting(cell, width) for cell, width in zip(row, widths, strict=True)] for row in rows],
        },
    )
