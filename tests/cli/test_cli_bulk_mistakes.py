"""Every mistake of a table is reported with its line, its column and its reason."""

import asyncio
import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pypdf
import pytest

from countersign.client.tables import Mistake, Row, check_table
from tests.cli.shell import Shell
from tests.workflows.office import TEMPLATE

HEADER: Final = (
    "reference",
    "title",
    "template",
    "file",
    "link",
    *(f"signer_{number}_{field}" for number in (1, 2) for field in ("name", "email", "role", "order")),
    "signer_4_name",
    "signer_4_email",
    "deadline",
    "description",
    "cc",
    "account",
    "initiated_by",
    "supersedes",
    "var.CustomerName",
    "var.Price",
    "metadata.order",
)
GOOD: Final = {
    "title": "Order",
    "template": TEMPLATE,
    "signer_1_name": "Ada Lovelace",
    "signer_1_email": "ada@example.com",
    "deadline": "30d",
    "var.CustomerName": "Example Ltd",
}
SECOND: Final = {"signer_2_name": "Grace Hopper", "signer_2_email": "grace@example.com"}
MOMENT: Final = "write 14d, 36h or a time with an offset from UTC, such as 2027-01-31T12:00:00Z"
REFERENCE: Final = "use 3 to 40 letters, digits, dots, dashes or underscores, starting with a letter or digit"


@dataclass(frozen=True)
class Kind:
    """A kind of mistake: how it changes a good row, and what is to be said about it."""

    cells: dict[str, str]
    column: str
    reason: str


def _document(**cells: str) -> dict[str, str]:
    return {"template": "", "var.CustomerName": "", **cells}


KINDS: Final = {
    "no reference": Kind({"reference": ""}, "reference", "is missing"),
    "a malformed reference": Kind({"reference": "order 7"}, "reference", REFERENCE),
    "a reference twice": Kind({"reference": "GOOD-1"}, "reference", "line 2 has the same reference"),
    "no title": Kind({"title": ""}, "title", "is missing"),
    "a long title": Kind({"title": "x" * 201}, "title", "must have at most 200 characters"),
    "an invisible character": Kind(
        {"title": "Or\u200bder"}, "title", "has the invisible character U+200B; delete it"
    ),
    "a damaged character": Kind(
        {"signer_1_name": "Bj\ufffdrn"},
        "signer_1_name",
        "has U+FFFD in place of a character; save the table as UTF-8 again",
    ),
    "an error of the spreadsheet": Kind(
        {"var.Price": "#REF!"}, "var.Price", "has the spreadsheet's error #REF!; correct its formula"
    ),
    "a narrow column": Kind(
        {"deadline": "########"},
        "deadline",
        "was too narrow when it was saved; widen the column and save the table again",
    ),
    "no document": Kind(
        {"template": ""}, "template, file, link", "fill one of these columns: the document to sign"
    ),
    "two documents": Kind(
        {"link": "https://example.com/a.pdf"},
        "template, link",
        "fill one of these columns: the document to sign",
    ),
    "no signer": Kind(
        {"signer_1_name": "", "signer_1_email": ""},
        "signer_1_name, signer_1_email",
        "fill them: there is no signer",
    ),
    "no name": Kind({"signer_1_name": ""}, "signer_1_name", "is missing"),
    "a long name": Kind({"signer_1_name": "x" * 256}, "signer_1_name", "must have at most 255 characters"),
    "no address": Kind({"signer_4_name": "Alan Turing"}, "signer_4_email", "is missing"),
    "a malformed address": Kind(
        {"signer_4_name": "Alan Turing", "signer_4_email": "alan.example.com"},
        "signer_4_email",
        "is not an e-mail address",
    ),
    "an address twice": Kind(
        SECOND | {"signer_2_email": "ADA@example.com"},
        "signer_2_email",
        "is the address of signer_1_email too; give every signer another one",
    ),
    "an order that is no number": Kind({"signer_1_order": "first"}, "signer_1_order", "write a whole number"),
    "an order below 1": Kind({"signer_1_order": "0"}, "signer_1_order", "must be at least 1"),
    "an order for one of two": Kind(
        SECOND | {"signer_2_order": "1"}, "signer_2_order", "set it for every signer or for none"
    ),
    "a gap in the order": Kind(
        SECOND | {"signer_1_order": "1", "signer_2_order": "3"},
        "signer_1_order, signer_2_order",
        "no signer has 2; number the signers from 1 without gaps",
    ),
    "a role for one of two": Kind(
        SECOND | {"signer_2_role": "client", "var.CustomerName": ""},
        "signer_2_role",
        "set it for every signer of a template with roles",
    ),
    "a role for a link": Kind(
        _document(link="https://example.com/a.pdf", signer_1_role="client"),
        "signer_1_role",
        "remove it; only signers of a template with roles have roles",
    ),
    "an order beside roles": Kind(
        {"signer_1_role": "client", "signer_1_order": "1", "var.CustomerName": ""},
        "signer_1_order",
        "remove it; a template with roles defines the order",
    ),
    "a variable for a link": Kind(
        _document(link="https://example.com/a.pdf") | {"var.Price": "1,000"},
        "var.Price",
        "leave it empty: only a template without roles has variables",
    ),
    "a control character": Kind(
        {"var.Price": "1\x07000"}, "var.Price", "has the invisible character U+0007; delete it"
    ),
    "a deadline without unit": Kind({"deadline": "30"}, "deadline", MOMENT),
    "a deadline without offset": Kind(
        {"deadline": "2027-01-31T12:00"},
        "deadline",
        "add the offset from UTC, for example 2027-01-31T12:00:00Z",
    ),
    "a past deadline": Kind({"deadline": "2020-01-31T12:00:00Z"}, "deadline", "has passed"),
    "a far deadline": Kind(
        {"deadline": "1000d"}, "deadline", "must be at most 999 days from now, the provider's limit"
    ),
    "a long message": Kind({"description": "x" * 1001}, "description", "must have at most 1000 characters"),
    "a malformed copy": Kind({"cc": "alan@example.com; grace"}, "cc", "address 2 is not an e-mail address"),
    "a malformed account": Kind(
        {"account": "New York"},
        "account",
        "write the name of an account: lower-case letters, digits and dashes",
    ),
    "an unknown account": Kind(
        {"account": "elsewhere"},
        "account",
        "there is no account elsewhere; COUNTERSIGN_ACCOUNTS names turbodocx",
    ),
    "a person as initiator": Kind(
        {"initiated_by": "Ada Lovelace"},
        "initiated_by",
        "write an opaque id of up to 64 letters, digits and ._:-, never a name or an address",
    ),
    "a malformed predecessor": Kind({"supersedes": "no 7"}, "supersedes", REFERENCE),
    "its own predecessor": Kind(
        {"reference": "same-{row}", "supersedes": "SAME-{row}"},
        "supersedes",
        "an agreement cannot replace itself; give the new agreement another reference",
    ),
    "long metadata": Kind(
        {"metadata.order": "x" * 501}, "metadata.order", "must have at most 500 characters"
    ),
    "a link without encryption": Kind(
        _document(link="http://example.com/a.pdf"), "link", "must begin with https://"
    ),
    "a link with a password": Kind(
        _document(link="https://ada:secret@example.com/a.pdf"),
        "link",
        "must not contain a user name or a password, because its readers could use them",
    ),
    "a private link": Kind(
        _document(link="https://10.0.0.1/a.pdf"), "link", "the provider cannot reach a private address"
    ),
    "a link within an office": Kind(
        _document(link="https://files/a.pdf"), "link", "the provider cannot reach this host"
    ),
    "a broken link": Kind(_document(link="https://exam ple.com/a.pdf"), "link", "is not a link"),
    "a file that is not there": Kind(_document(file="gone.pdf"), "file", "No such file or directory"),
    "an empty file": Kind(_document(file="empty.pdf"), "file", "is empty"),
    "a file of another type": Kind(
        _document(file="notes.txt"), "file", "the provider accepts .pdf, .docx, .pptx"
    ),
    "a file with other content": Kind(_document(file="word.pdf"), "file", "the content is not a .pdf file"),
    "a web page": Kind(
        _document(file="page.pdf"), "file", "is a web page, not a document: download the document itself"
    ),
    "half a file": Kind(_document(file="half.pdf"), "file", "is truncated: the end of the PDF is missing"),
    "a file with a password": Kind(
        _document(file="locked.pdf"), "file", "is protected with a password: save it without a password"
    ),
    "a folder": Kind(_document(file="folder.pdf"), "file", "is not a regular file"),
    "a large file": Kind(_document(file="large.pdf"), "file", "is over 10 MB, the provider's limit"),
}
"""Mistakes in the cells of a row."""
LINES: Final[dict[str, tuple[list[str] | str, str]]] = {
    "too many cells": (
        ["a"] * (len(HEADER) + 2),
        f"has {len(HEADER) + 2} cells, and the header has {len(HEADER)}",
    ),
    "too few cells": (["bad-1", "Order"], f"has 2 cells, and the header has {len(HEADER)}"),
    "an open quote": (
        'bad-2,"Or"der',
        'has text after a closing quote; write a quote within a cell twice: ""',
    ),
    "a huge cell": (["bad-3", "x" * 100_001], "has a cell of more than 100000 characters"),
}
"""Mistakes of a line, which has no columns."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the rows name, and no settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("TURBODOCX_API_KEY", "COUNTERSIGN_ACCOUNTS"):
        monkeypatch.delenv(name, raising=False)
    locked = pypdf.PdfWriter()
    locked.add_blank_page(595, 842)
    locked.encrypt("secret", algorithm="RC4-128")
    locked.write(tmp_path / "locked.pdf")
    locked.close()
    for name, content in {
        "empty.pdf": b"",
        "notes.txt": b"notes",
        "word.pdf": b"PK\3\4",
        "page.pdf": b"<!doctype html>",
        "half.pdf": b"%PDF-1.7",
    }.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.pdf").mkdir()
    with (tmp_path / "large.pdf").open("wb") as large:
        large.truncate(10 * 1024**2 + 1)
    return tmp_path


class _Writer:
    """A table under construction, with the mistakes that are to be found in it."""

    def __init__(self) -> None:
        self.text = io.StringIO()
        self.mistakes: list[Mistake] = []
        self._line = 1
        self.write(list(HEADER))

    def write(self, cells: list[str] | str) -> None:
        """Write a line."""
        if isinstance(cells, str):
            self.text.write(f"{cells}\n")
        else:
            csv.writer(self.text, lineterminator="\n").writerow(cells)
        self._line = self.text.getvalue().count("\n") + 1

    def write_bad(self, cells: list[str] | str, column: str, reason: str) -> None:
        """Write a line with a mistake."""
        self.mistakes.append(Mistake(self._line, column, reason))
        self.write(cells)


def _cells(number: int, changes: dict[str, str]) -> list[str]:
    row = {**GOOD, "reference": f"row-{number}", **changes}
    return [row.get(name, "").replace("{row}", str(number)) for name in HEADER]


def test_two_hundred_bad_rows_of_forty_kinds_are_all_reported(folder: Path) -> None:
    table = _Writer()
    table.write(_cells(0, {"reference": "good-1", "description": "Dear Ada,\nplease sign"}))
    good = 1
    for number, kind in enumerate((*KINDS.values(),) * 4, 1):
        table.write_bad(_cells(number, kind.cells), kind.column, kind.reason)
        if number % 10 == 0:
            table.write(_cells(number, {"reference": f"good-{number}"}))
            good += 1
    for cells, reason in LINES.values():
        table.write_bad(cells, "", reason)
    (folder / "table.csv").write_text(table.text.getvalue(), encoding="utf-8")
    kinds = {(mistake.column, mistake.reason) for mistake in table.mistakes}
    assert len(kinds) == len(KINDS) + len(LINES), "no kind is reported as another one is"
    assert len(kinds) >= 40
    assert len(table.mistakes) >= 200

    ran = Shell(folder)("bulk", "check", "--json", "table.csv")
    assert ran.code == 2, ran.err
    found = json.loads(ran.out)
    assert [Mistake(**entry) for entry in found["mistakes"]] == table.mistakes
    assert found["rows"] == good
    shown = Shell(folder)("bulk", "check", "table.csv").out
    assert f"{good} rows can be started, {len(table.mistakes)} mistakes" in shown
    shown_lines = [line.split()[0] for line in shown.splitlines() if line[:1].isdigit()]
    assert shown_lines == [str(mistake.line) for mistake in table.mistakes]


def test_all_mistakes_of_a_row_are_reported(folder: Path) -> None:
    table = _Writer()
    cells = {"reference": "", "template": "", "signer_1_email": "ada", "deadline": "30", "var.Price": "#N/A"}
    table.write(_cells(1, cells))
    (folder / "table.csv").write_text(table.text.getvalue(), encoding="utf-8")
    ran = Shell(folder)("bulk", "check", "--json", "table.csv")
    places = [entry["column"] for entry in json.loads(ran.out)["mistakes"]]
    assert sorted(places) == sorted(
        ["reference", "template, file, link", "signer_1_email", "deadline", "var.Price"]
    )


def test_a_quote_that_is_never_closed_is_reported_where_it_opens(folder: Path) -> None:
    table = _Writer()
    table.write(_cells(1, {"title": ""}))
    table.write('bad-1,"Order')
    table.write(_cells(2, {}))
    (folder / "table.csv").write_text(table.text.getvalue(), encoding="utf-8")
    ran = Shell(folder)("bulk", "check", "--json", "table.csv")
    assert [(entry["line"], entry["reason"]) for entry in json.loads(ran.out)["mistakes"]] == [
        (2, "is missing"),
        (3, "a quote that opens here is never closed"),
    ]


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ("signer_2_mail", "signer_2_mail: no such column (did you mean signer_2_email?)"),
        ("signer_2_name", "signer_2_email: the column is missing"),
        ("Deadline", "Deadline: no such column (did you mean deadline?)"),
        ("var.", "var.: name a variable"),
        ("var.Customer Name", "var.Customer Name: name a variable of 1 to 100 characters without spaces"),
        ("metadata.", "metadata.: use a name"),
        (",".join(f"metadata.{number}" for number in range(21)), "metadata.…: at most 20 columns"),
    ],
)
def test_a_wrong_column_is_one_sentence(folder: Path, column: str, says: str) -> None:
    (folder / "table.csv").write_text(f"reference,title,template,signer_1_name,signer_1_email,{column},,\n")
    ran = Shell(folder)("bulk", "check", "table.csv")
    assert ran.code == 2
    assert says in ran.err
    assert "without a name" not in ran.err, "empty columns at the end are no mistake"


def test_metadata_comes_from_its_columns(folder: Path) -> None:
    table = _Writer()
    table.write(_cells(1, {"metadata.order": "00123"}))
    (folder / "table.csv").write_text(table.text.getvalue(), encoding="utf-8")

    async def read() -> list[Row | Mistake]:
        return [row async for row in check_table(folder / "table.csv")]

    (row,) = asyncio.run(read())
    assert isinstance(row, Row)
    assert row.agreement.metadata == {"order": "00123"}
