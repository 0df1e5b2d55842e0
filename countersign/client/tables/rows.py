"""Rows of a table, checked one by one."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TextIO

from countersign.agreements.messages import AgreementInput
from countersign.agreements.reference import InvalidReferenceError, check_reference
from countersign.client.drafts import Unquoted, check_draft
from countersign.client.errors import BadInputError
from countersign.client.files import LocalFile
from countersign.client.tables.cells import Cells, csv_cells, damage, lines_of, workbook
from countersign.client.tables.columns import (
    COLUMN_LIMIT,
    METADATA,
    PLAIN,
    SIGNER,
    SOURCES,
    VARIABLE,
    Filled,
    header_mistakes,
)
from countersign.client.tables.mistakes import Mistake, UnusableTableError, unusable


@dataclass(frozen=True, slots=True)
class Row:
    """A checked row: its line, its agreement, and the files that must be in the store before it starts."""

    line: int
    agreement: AgreementInput
    files: tuple[LocalFile, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A row that was read.

    Args:
        line: Its line.
        draft: Its content as `check_draft` takes it; None if there is none.
        filled: Its columns; None for JSON Lines.
        mistakes: What is wrong with its cells, by column.
    """

    line: int
    draft: Mapping[str, Any] | None
    filled: Filled | None = None
    mistakes: tuple[tuple[str, str], ...] = ()


_JSON_LINES: Final = (".jsonl", ".ndjson")
_ANY_SOURCE: Final = {"kind": "link", "url": "https://example.com"}
"""The document of a row that names none, so that its other columns are checked."""
_ROWS_AT_ONCE: Final = 20
"""Rows that are checked before other tasks of the process have their turn: some milliseconds."""

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
    with _drafts(path) as rows:
        for number, row in enumerate(rows):
            if number % _ROWS_AT_ONCE == 0:
                await asyncio.sleep(0)
            wrong = list(row.mistakes)
            checked = await _check(row, adapt, wrong)
            if (key := _reference(row)) and (first := first_line.setdefault(key, row.line)) != row.line:
                wrong.append(("reference", f"line {first} has the same reference"))
            shown: set[str] = set()
            for column, reason in wrong:
                if not column or column not in shown:  # one correction of a column at a time
                    yield Mistake(row.line, column, reason)
                    shown.add(column)
            if checked is not None and not wrong:
                yield Row(row.line, *checked)


async def _check(
    row: _Draft, adapt: Adapt, wrong: list[tuple[str, str]]
) -> tuple[AgreementInput, tuple[LocalFile, ...]] | None:
    """Check a row; append its mistakes to `wrong`."""
    if row.draft is None:
        return None
    draft, sentences = adapt({"reference": "", **row.draft})
    checked = None
    try:
        checked = await check_draft(draft)
    except BadInputError as error:
        sentences = (*sentences, *error.problems)
    wrong += [row.filled.place(sentence) if row.filled else ("", sentence) for sentence in sentences]
    return checked


def _reference(row: _Draft) -> str | None:
    try:
        return check_reference(str((row.draft or {}).get("reference", ""))).lower()
    except InvalidReferenceError:
        return None


@contextmanager
def _drafts(path: Path) -> Iterator[Iterable[_Draft]]:
    kind = path.suffix.lower()
    try:
        if kind == ".xlsx":
            with workbook(path) as cells:
                yield _from_cells(path, cells)
        elif kind in {".csv", ".tsv", ".txt"}:
            with path.open(encoding="utf-8-sig", newline="") as text:
                yield _from_cells(path, csv_cells(path, text))
        elif kind in _JSON_LINES:
            with path.open(encoding="utf-8-sig") as text:
                yield _from_json(path, text)
        else:
            raise unusable(path, "name a file that ends in .csv, .xlsx or .jsonl")
    except UnicodeDecodeError:
        raise unusable(path, "it is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise unusable(path, error.strerror or type(error).__name__) from None


def _from_cells(path: Path, lines: Cells) -> Iterator[_Draft]:
    header = next(lines, (1, []))
    if isinstance(header, Mistake):
        raise UnusableTableError(path, header)
    names = [name.strip() for name in header[1]]
    if len(names) > COLUMN_LIMIT:
        raise unusable(path, f"has more than {COLUMN_LIMIT:,} columns", 1)
    while names and not names[-1]:  # spreadsheets keep empty columns at the end
        names.pop()
    if wrong := list(header_mistakes(names)):
        raise UnusableTableError(path, *wrong)
    for found in lines:
        if isinstance(found, Mistake):
            yield _Draft(found.line, None, mistakes=((found.column, found.reason),))
            continue
        line, cells = found[0], [cell.strip() for cell in found[1]]
        if not any(cells):
            continue
        if len(cells) < len(names) or any(cells[len(names) :]):
            reason = f"has {len(cells)} cells, and the header has {len(names)}"
            yield _Draft(line, None, mistakes=(("", reason),))
            continue
        yield _from_row(path, line, {name: cell for name, cell in zip(names, cells, strict=False) if cell})


def _from_row(path: Path, line: int, cells: Mapping[str, str]) -> _Draft:
    wrong = [(name, reason) for name, cell in cells.items() if (reason := damage(cell))]
    draft: dict[str, Any] = {name: cells[name] for name in PLAIN if name in cells}
    if "cc" in cells:
        draft["cc"] = [address for address in re.split(r"[,;\s]+", cells["cc"]) if address]
    if metadata := _named(cells, METADATA):
        draft["metadata"] = metadata
    signers: dict[int, dict[str, str]] = {}
    for name, cell in cells.items():
        if found := SIGNER.fullmatch(name):
            signers.setdefault(int(found[1]), {})[found[2]] = cell
    numbers = tuple(sorted(signers))
    draft["signers"] = [signers[number] for number in numbers]
    filled = Filled(cells, signers=numbers)
    sources = [name for name in SOURCES if name in cells]
    if len(sources) != 1:
        wrong.append((", ".join(sources or SOURCES), "fill one of these columns: the document to sign"))
        draft["signers"] = [_without_role(signer) for signer in draft["signers"]]
        return _Draft(line, draft | {"source": _ANY_SOURCE}, filled, tuple(wrong))
    (kind,) = sources
    source = {"kind": kind, SOURCES[kind]: cells[kind]}
    variables = _named(cells, VARIABLE)
    if kind == "file":
        source["path"] = str(path.parent / Path(cells[kind]).expanduser())
        filled = replace(filled, path=source["path"])
    elif kind == "template" and any("role" in signer for signer in signers.values()):
        source["kind"] = "roles"
    if source["kind"] == "template":
        draft["source"] = source | {"variables": variables}
        filled = replace(filled, variables=tuple(variables))
    else:
        draft["source"] = source
        reason = "leave it empty: only a template without roles has variables"
        wrong += [(VARIABLE + name, reason) for name in variables]
    return _Draft(line, draft, filled, tuple(wrong))


def _named(cells: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): cell for name, cell in cells.items() if name.startswith(prefix)}


def _without_role(signer: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in signer.items() if name != "role"}


def _from_json(path: Path, text: TextIO) -> Iterator[_Draft]:
    for line, written in enumerate(lines_of(path, text), 1):
        if not written.strip():
            continue
        try:
            draft = json.loads(written, parse_int=Unquoted, parse_float=Unquoted, parse_constant=str)
        except (json.JSONDecodeError, RecursionError):
            yield _Draft(line, None, mistakes=(("", "is not JSON"),))
            continue
        if isinstance(draft, dict):
            yield _Draft(line, draft)
        else:
            reason = "is no agreement: write an object, as in an agreement file"
            yield _Draft(line, None, mistakes=(("", reason),))
