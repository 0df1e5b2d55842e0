"""Lines and cells of CSV files and Excel workbooks."""

import csv
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, TextIO
from zipfile import BadZipFile

from countersign.client.tables.mistakes import Mistake, unusable
from countersign.extras import needs_extra

CELL_LIMIT: Final = 100_000
"""Characters of a cell. Temporal takes no larger agreement."""
LINE_LIMIT: Final = 1_000_000
"""Characters of a line, so that a file without line breaks is not read whole."""

Cells = Iterator[tuple[int, list[str]] | Mistake]
"""The lines of a table and their cells, the header first; a mistake for a line that cannot be read."""

_UNREADABLE: Final = {
    "unexpected end of data": "a quote that opens here is never closed",
    "field larger than field limit": f"has a cell of more than {CELL_LIMIT} characters",
    "expected after": 'has text after a closing quote; write a quote within a cell twice: ""',
}
"""What to say for an error of the module `csv`, by a part of its text."""

_DAMAGE: Final = (
    (
        re.compile(r"#(N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|SPILL!|CALC!)"),
        r"has the spreadsheet's error #\1; correct its formula",
    ),
    (re.compile(r"#{3,}"), "was too narrow when it was saved; widen the column and save the table again"),
    (re.compile(r"(?s).*\ufffd.*"), "has U+FFFD in place of a character; save the table as UTF-8 again"),
)


def damage(cell: str) -> str | None:
    """Return what a spreadsheet has done to a cell; None if nothing."""
    for pattern, reason in _DAMAGE:
        if found := pattern.fullmatch(cell):
            return found.expand(reason)
    return None


def lines_of(path: Path, text: TextIO) -> Iterator[str]:
    """Read the lines of a file.

    Raises:
        UnusableTableError: A line is over the limit.
    """
    for number, line in enumerate(iter(lambda: text.readline(LINE_LIMIT + 1), ""), 1):
        if len(line) > LINE_LIMIT:
            raise unusable(path, f"has more than {LINE_LIMIT:,} characters", number)
        yield line


def csv_cells(path: Path, text: TextIO) -> Cells:
    """Read a CSV file.

    Raises:
        UnusableTableError: A line is over the limit.
    """
    lines = lines_of(path, text)
    first = next(lines, "")
    before = csv.field_size_limit(CELL_LIMIT)
    try:
        reader = csv.reader(_again(first, lines), delimiter=delimiter_of(first), strict=True)
        line = 1
        while True:
            try:
                yield line, next(reader)
            except csv.Error as error:
                known = (reason for part, reason in _UNREADABLE.items() if part in str(error))
                yield Mistake(line, "", next(known, str(error)))
            except StopIteration:
                return
            line = reader.line_num + 1
    finally:
        csv.field_size_limit(before)


def delimiter_of(header: str) -> str:
    """Return what separates the cells of a CSV file: a comma, a semicolon or a tab."""
    return max(",;\t", key=header.count)


def _again(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


@contextmanager
def workbook(path: Path) -> Iterator[Cells]:
    """Read the first sheet of an Excel workbook.

    Raises:
        UnusableTableError: It is no workbook, or openpyxl is not installed.
    """
    try:
        from openpyxl import load_workbook  # noqa: PLC0415  # only workbooks need it
        from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415
    except ImportError:
        raise unusable(path, f"an Excel workbook {needs_extra('bulk')}; or save it as .csv") from None
    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, BadZipFile, KeyError, ValueError, OSError):
        raise unusable(path, "it is no Excel workbook (.xlsx)") from None
    try:
        yield _sheet_cells(book.worksheets[0].iter_rows(values_only=True))
    finally:
        book.close()


def _sheet_cells(rows: Iterable[tuple[Any, ...]]) -> Cells:
    width = 0
    for line, values in enumerate(rows, 1):
        width = width or len(values)
        cells = [_cell(value) for value in values]
        yield line, cells + [""] * (width - len(cells))  # a sheet may leave out empty cells at the end


def _cell(value: Any) -> str:
    """Write a cell as people see it: whole numbers without a fraction, dates as ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == datetime.min.time():
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else str(value)
