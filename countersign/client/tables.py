"""Tables of agreements: CSV, XLSX or JSON Lines, one agreement a row, every mistake with its line and column.

A CSV file has commas or semicolons, is UTF-8 with or without byte order mark, and may break lines in quotes.
Cells stay the text that is written: leading zeros and dates are kept. A row of JSON Lines is an agreement as
in an agreement file.
"""

import asyncio
import csv
import json
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, TextIO
from zipfile import BadZipFile

from countersign.agreements.messages import AgreementInput
from countersign.client.drafts import Unquoted, check_draft
from countersign.client.errors import BadInputError
from countersign.client.files import LocalFile
from countersign.extras import needs_extra
from countersign.suggestions import did_you_mean

SOURCES: Final = {"template": "template_id", "file": "path", "link": "url"}
"""The columns that name the document, and the field of the source that each fills. A row has one of them."""
PLAIN: Final = (
    "reference",
    "title",
    "deadline",
    "description",
    "account",
    "initiated_by",
    "supersedes",
)
"""The columns that are a field of the agreement."""
_OF_SIGNER: Final = ("name", "email", "role", "order")
_SIGNER: Final = re.compile(rf"signer_([1-9]\d?)_({'|'.join(_OF_SIGNER)})")
_VARIABLE: Final = "var."
_PEOPLE: Final = ("cc",)
HEADER: Final = (
    "reference",
    "title",
    "template",
    "signer_1_name",
    "signer_1_email",
    "deadline",
    "var.CustomerName",
)
"""The header of a template for a table, for `bulk check --print-header`."""
CELL_LIMIT: Final = 100_000
"""Characters of a cell. Temporal takes no larger agreement."""
LINE_LIMIT: Final = 1_000_000
"""Characters of a line, so that a file without line breaks is not read whole."""
COLUMN_LIMIT: Final = 1000
"""Columns of a header."""
_ROWS_AT_ONCE: Final = 20
"""Rows that are checked before other tasks of the process have their turn: some milliseconds."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a table.

    Args:
        line: Where the row begins, from 1; the header is line 1.
        column: The column, or a field of JSON Lines; empty for the whole row.
        reason: What to do, in one sentence without the cell's content.
    """

    line: int
    column: str
    reason: str


class UnusableTableError(BadInputError):
    """A table cannot be read, or its header has mistakes.

    Args:
        path: The file.
        mistakes: What is wrong, all on one line; line 0 stands for the whole file.
    """

    def __init__(self, path: Path, *mistakes: Mistake) -> None:
        line = mistakes[0].line
        reasons = (f"{found.column}: {found.reason}" if found.column else found.reason for found in mistakes)
        super().__init__(f"{path}{f', line {line}' if line else ''}: {'; '.join(reasons)}")
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class Row:
    """A checked row: its line, its agreement, and the files that must be in the store before it starts."""

    line: int
    agreement: AgreementInput
    files: tuple[LocalFile, ...] = field(default=(), repr=False)


_JSON_LINES: Final = (".jsonl", ".ndjson")

Raw = tuple[int, Mapping[str, Any]]
"""A row's line and its draft."""
Adapt = Callable[[dict[str, Any]], tuple[dict[str, Any], tuple[str, ...]]]
"""Completes a row's draft; returns it with what is wrong with it, as `check_draft` words its problems."""


def as_written(draft: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Leave a row's draft as it is."""
    return draft, ()


async def check_table(path: Path, *, adapt: Adapt = as_written) -> AsyncGenerator[Row | Mistake]:
    """Read a table and check every row, without asking anybody.

    Memory does not grow with the table, but for the references.

    Args:
        path: A file that ends in `.csv`, `.xlsx` or `.jsonl`.
        adapt: Completes and restricts a row before it is checked.

    Raises:
        UnusableTableError: The file cannot be read, or its header has mistakes, which the error lists.
    """
    first_line: dict[str, int] = {}
    as_json = path.suffix.lower() in _JSON_LINES
    with _drafts(path) as rows:
        for number, found in enumerate(rows):
            if number % _ROWS_AT_ONCE == 0:
                await asyncio.sleep(0)
            if isinstance(found, Mistake):
                yield found
                continue
            line, draft = found
            draft, wrong = adapt({"reference": "", **draft})
            try:
                agreement, files = await check_draft(draft)
            except BadInputError as error:
                wrong = (*wrong, *error.problems)
            if wrong:
                for sentence in wrong:
                    yield _placed(line, sentence, None if as_json else _variables(draft))
                continue
            key = agreement.reference.lower()
            if key in first_line:
                yield Mistake(line, "reference", f"line {first_line[key]} has the same reference")
                continue
            first_line[key] = line
            yield Row(line, agreement, files)


@contextmanager
def _drafts(path: Path) -> Iterator[Iterable[Raw | Mistake]]:
    kind = path.suffix.lower()
    try:
        if kind == ".xlsx":
            with _workbook(path) as cells:
                yield _from_cells(path, cells)
        elif kind in {".csv", ".tsv", ".txt"}:
            with path.open(encoding="utf-8-sig", newline="") as text:
                yield _from_cells(path, _csv_cells(path, text))
        elif kind in _JSON_LINES:
            with path.open(encoding="utf-8-sig") as text:
                yield _from_json(path, text)
        else:
            raise _unusable(path, "name a file that ends in .csv, .xlsx or .jsonl")
    except UnicodeDecodeError:
        raise _unusable(path, "it is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise _unusable(path, error.strerror or type(error).__name__) from None


def _unusable(path: Path, reason: str, line: int = 0) -> UnusableTableError:
    return UnusableTableError(path, Mistake(line, "", reason))


def _lines(path: Path, text: TextIO) -> Iterator[str]:
    for number, line in enumerate(iter(lambda: text.readline(LINE_LIMIT + 1), ""), 1):
        if len(line) > LINE_LIMIT:
            raise _unusable(path, f"has more than {LINE_LIMIT:,} characters", number)
        yield line


Cells = Iterator[tuple[int, list[str]]]
"""The lines of a table and their cells, the header first."""


def _csv_cells(path: Path, text: TextIO) -> Cells:
    lines = _lines(path, text)
    first = next(lines, "")
    before = csv.field_size_limit(CELL_LIMIT)
    try:
        reader = csv.reader(_again(first, lines), delimiter=delimiter_of(first), strict=True)
        line = 1
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise _unusable(path, str(error), reader.line_num) from None
    finally:
        csv.field_size_limit(before)


def delimiter_of(header: str) -> str:
    """Return what separates the cells of a CSV file: a comma, a semicolon or a tab."""
    return max(",;\t", key=header.count)


def _again(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


@contextmanager
def _workbook(path: Path) -> Iterator[Cells]:
    try:
        from openpyxl import load_workbook  # noqa: PLC0415  # only workbooks need it
        from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415
    except ImportError:
        raise _unusable(path, f"an Excel workbook {needs_extra('bulk')}; or save it as .csv") from None
    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, BadZipFile, KeyError, ValueError, OSError):
        raise _unusable(path, "it is no Excel workbook (.xlsx)") from None
    try:
        rows = book.worksheets[0].iter_rows(values_only=True)
        yield ((line, [_cell(value) for value in values]) for line, values in enumerate(rows, 1))
    finally:
        book.close()


def _cell(value: Any) -> str:
    """Write a cell as people see it: whole numbers without a fraction, dates as ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == datetime.min.time():
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else str(value)


def _from_cells(path: Path, cells: Cells) -> Iterator[Raw | Mistake]:
    _, header = next(cells, (1, []))
    names = [name.strip() for name in header]
    if len(names) > COLUMN_LIMIT:
        raise _unusable(path, f"has more than {COLUMN_LIMIT:,} columns", 1)
    _check_header(path, names)
    for line, values in cells:
        if not any(value.strip() for value in values):
            continue
        if len(values) != len(names) and any(value.strip() for value in values[len(names) :]):
            yield Mistake(line, "", f"has {len(values)} cells, the header has {len(names)}")
            continue
        cells_by_name = dict(zip(names, map(str.strip, values), strict=False))
        filled = [name for name in SOURCES if cells_by_name.get(name)]
        if len(filled) != 1:
            yield Mistake(
                line, ", ".join(filled or SOURCES), "fill one of these columns: the document to sign"
            )
            continue
        yield line, _draft(path, cells_by_name)


def _check_header(path: Path, names: list[str]) -> None:
    wrong = [
        Mistake(1, name, "is there twice") for name in dict.fromkeys(names) if name and names.count(name) > 1
    ]
    known = (*PLAIN, *SOURCES, *_PEOPLE, "signer_1_name", "signer_1_email", "signer_1_role", "signer_1_order")
    for name in names:
        if name in known or _SIGNER.fullmatch(name) or (name.startswith(_VARIABLE) and name != _VARIABLE):
            continue
        near = did_you_mean(name, known)
        wrong.append(Mistake(1, name or "a column without a name", f"no such column{near}"))
    needed = ("reference", "title", "signer_1_name", "signer_1_email")
    wrong += [Mistake(1, name, "the column is missing") for name in needed if name not in names]
    if not set(names) & SOURCES.keys():
        wrong.append(
            Mistake(1, "", f"one of the columns {', '.join(SOURCES)} is missing: the document to sign")
        )
    if wrong:
        raise UnusableTableError(path, *wrong)


def _draft(path: Path, cells: Mapping[str, str]) -> dict[str, Any]:
    filled = {name: value for name, value in cells.items() if value}
    draft: dict[str, Any] = {name: filled[name] for name in PLAIN if name in filled}
    if "cc" in filled:
        draft["cc"] = [address.strip() for address in re.split(r"[,;\s]+", filled["cc"]) if address]
    signers: dict[int, dict[str, str]] = {}
    for name, value in filled.items():
        if found := _SIGNER.fullmatch(name):
            signers.setdefault(int(found[1]), {})[found[2]] = value
    draft["signers"] = [signers[number] for number in sorted(signers)]
    with_roles = any("role" in signer for signer in signers.values())
    return draft | {"source": _source(path, filled, with_roles=with_roles)}


def _source(path: Path, filled: Mapping[str, str], *, with_roles: bool) -> dict[str, Any]:
    (kind,) = (name for name in SOURCES if name in filled)
    value = filled[kind]
    if kind == "file":
        return {"kind": kind, "path": str(path.parent / Path(value).expanduser())}
    source: dict[str, Any] = {"kind": kind, SOURCES[kind]: value}
    if kind == "template":
        variables = {
            name.removeprefix(_VARIABLE): text for name, text in filled.items() if name.startswith(_VARIABLE)
        }
        return source | ({"kind": "roles"} if with_roles else {"variables": variables})
    return source


def _from_json(path: Path, text: TextIO) -> Iterator[Raw | Mistake]:
    for line, written in enumerate(_lines(path, text), 1):
        if not written.strip():
            continue
        try:
            draft = json.loads(written, parse_int=Unquoted, parse_float=Unquoted, parse_constant=str)
        except (json.JSONDecodeError, RecursionError):
            yield Mistake(line, "", "is not JSON")
            continue
        if isinstance(draft, dict):
            yield line, draft
        else:
            yield Mistake(line, "", "is no agreement: write an object, as in an agreement file")


_PLACES: Final = (
    (re.compile(r"signer (\d+): (name|email|role|order)\b:?\s*(.*)"), r"signer_\1_\2", 3),
    (re.compile(r"signer (\d+): (is not an e-mail address)"), r"signer_\1_email", 2),
    (re.compile(r"source\.variables\.([^:]+?)(?:: | is )(.*)"), r"var.\1", 2),
    (re.compile(r"source\.template_id:?\s*(.*)"), "template", 1),
    (re.compile(r"source\.url:?\s*(.*)"), "link", 1),
    (re.compile(r"(?:source\.path|file [^:]+): (.*)"), "file", 1),
    (re.compile(rf"({'|'.join((*PLAIN, 'signers', 'source', 'cc'))})(?:: | is )(.*)"), r"\1", 2),
)
"""How a problem's sentence begins, the column that it is about, and the group with the reason."""


_NUMBERED: Final = re.compile(r"variable (\d+): (.*)")


def _variables(draft: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(draft["source"].get("variables", ()))


def _placed(line: int, sentence: str, variables: tuple[str, ...] | None) -> Mistake:
    """Find the column that a problem is about; JSON Lines have none."""
    if variables is None:
        return Mistake(line, "", sentence)
    if found := _NUMBERED.fullmatch(sentence):
        return Mistake(line, _VARIABLE + variables[int(found[1]) - 1], found[2])
    for pattern, column, reason in _PLACES:
        if found := pattern.fullmatch(sentence):
            return Mistake(line, found.expand(column), found[reason] or sentence)
    return Mistake(line, "", sentence)
