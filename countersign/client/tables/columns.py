"""Columns of a table: their names, and the one that a problem of a row's draft is about."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from countersign.client.tables.mistakes import Mistake
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
COLUMN_LIMIT: Final = 1000
"""Columns of a header."""
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
SIGNER_FIELDS: Final = ("name", "email", "role", "order")
SIGNER: Final = re.compile(rf"signer_([1-9]\d?)_({'|'.join(SIGNER_FIELDS)})")
VARIABLE: Final = "var."
METADATA: Final = "metadata."
_VARIABLE_NAME: Final = re.compile(r"[^{}\s]{1,100}")
_METADATA_NAME_LIMIT: Final = 40
_METADATA_LIMIT: Final = 20
_NUMBER: Final = re.compile(r"signer_([1-9]\d?)_")


def header_mistakes(names: list[str]) -> Iterator[Mistake]:
    """Yield the mistakes of a table's header."""
    for name in dict.fromkeys(names):
        if name and names.count(name) > 1:
            yield Mistake(1, name, "is there twice")
    for name in names:
        if (problem := _name_problem(name)) is not None:
            yield Mistake(1, name or "a column without a name", problem)
    if sum(name.startswith(METADATA) for name in names) > _METADATA_LIMIT:
        yield Mistake(1, f"{METADATA}…", f"at most {_METADATA_LIMIT} columns")
    numbers = {1} | {int(found[1]) for name in names if (found := SIGNER.fullmatch(name))}
    people = [f"signer_{number}_{field}" for number in sorted(numbers) for field in ("name", "email")]
    for name in ("reference", "title", *people):
        if name not in names:
            yield Mistake(1, name, "the column is missing")
    if not set(names) & SOURCES.keys():
        yield Mistake(1, "", f"one of the columns {', '.join(SOURCES)} is missing: the document to sign")


def _name_problem(name: str) -> str | None:
    if name.startswith(VARIABLE):
        is_name = _VARIABLE_NAME.fullmatch(name.removeprefix(VARIABLE))
        return None if is_name else "name a variable of 1 to 100 characters without spaces and braces"
    if name.startswith(METADATA):
        is_short = 0 < len(name.removeprefix(METADATA)) <= _METADATA_NAME_LIMIT
        return None if is_short else f"use a name of 1 to {_METADATA_NAME_LIMIT} characters"
    known = (*PLAIN, *SOURCES, "cc")
    if name in known or SIGNER.fullmatch(name):
        return None
    number = found[1] if (found := _NUMBER.match(name)) else "1"
    return "no such column" + did_you_mean(
        name, (*known, *(f"signer_{number}_{field}" for field in SIGNER_FIELDS))
    )


@dataclass(frozen=True, slots=True)
class Filled:
    """The filled columns of a row.

    Args:
        cells: The cells by column.
        signers: The numbers of the signers in the draft's order: 1 and 3 if nobody is in 2.
        variables: The names of the draft's variables in its order.
        path: The draft's path of the file.
    """

    cells: Mapping[str, str]
    signers: tuple[int, ...] = ()
    variables: tuple[str, ...] = ()
    path: str = ""

    def place(self, sentence: str) -> tuple[str, str]:
        """Find the columns that a problem of the draft is about; returns them, and the rest of the sentence.

        Args:
            sentence: A problem that `check_draft` has found. It counts signers and variables as a draft does.
        """
        if self.path and sentence.startswith(beginning := f"file {self.path}: "):
            return "file", sentence.removeprefix(beginning)
        for pattern, describe in _PROBLEMS:
            if found := pattern.fullmatch(sentence):
                return describe(self, *found.groups())
        return "", sentence

    def signer(self, place: str, field: str) -> str:
        """Return the column of a field of the draft's nth signer."""
        return f"signer_{self.signers[int(place) - 1]}_{field}"

    def of_all_signers(self, field: str) -> str:
        """Return the filled columns of a field."""
        return ", ".join(name for name in self.cells if name.endswith(f"_{field}") and SIGNER.fullmatch(name))


_OF_SOURCE: Final = {"source.url": "link", "source.path": "file", "source.template_id": "template"}


def _of_field(row: Filled, field: str, reason: str) -> tuple[str, str]:
    if field == "reference" and not row.cells.get(field):
        return field, "is missing"
    return _OF_SOURCE.get(field, field), reason


def _of_same_address(row: Filled, first: str, second: str, reason: str) -> tuple[str, str]:
    other = row.signer(first, "email")
    return row.signer(second, "email"), f"is the address of {other} too; {reason}"


_PROBLEMS: Final[tuple[tuple[re.Pattern[str], Callable[..., tuple[str, str]]], ...]] = (
    (
        re.compile(rf"signer (\d+): (?:({'|'.join(SIGNER_FIELDS)})(?:: | (?=is )))?(.*)"),
        lambda row, place, field, reason: (row.signer(place, field or "email"), reason),
    ),
    (re.compile(r"signers (\d+) and (\d+) have the same e-mail address; (.*)"), _of_same_address),
    (
        re.compile(r"(signers): (.*)"),
        lambda *_: ("signer_1_name, signer_1_email", "fill them: there is no signer"),
    ),
    (re.compile(r"(order|role): (.*)"), lambda row, field, reason: (row.of_all_signers(field), reason)),
    (
        re.compile(r"variable (\d+): (.*)"),
        lambda row, place, reason: (VARIABLE + row.variables[int(place) - 1], reason),
    ),
    (re.compile(r"cc (\d+): (.*)"), lambda _, place, reason: ("cc", f"address {place} {reason}")),
    (
        re.compile(rf"({'|'.join(PLAIN)}|cc|file|source\.\w+|{re.escape(METADATA)}.+?)(?:: | (?=is ))(.*)"),
        _of_field,
    ),
)
"""How the sentence of a problem begins, and the column that it is about with the rest of the sentence."""
