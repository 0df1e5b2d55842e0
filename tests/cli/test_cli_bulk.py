"""`bulk`: a table is checked whole, started once, followed, paused, cancelled and reported."""

import asyncio
import csv
import io
import json
import uuid
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError
from temporalio.testing import ActivityEnvironment

from activities.batches import BatchActivities
from countersign.agreements.batches import CHUNK_ROWS, ChunkRequest
from countersign.agreements.reference import workflow_id
from countersign.client import batches
from countersign.client.agreements import agreement_status
from countersign.client.errors import BatchTakenError
from countersign.client.start import start_agreement
from countersign.connection import connect
from countersign.storage import FolderStore, put
from countersign.storage.store import StoreKeys
from devstack.stack import Stack
from tests.cli.shell import Shell
from tests.workflows.office import SEND, TEMPLATE, an_agreement

HEADER = ["reference", "title", "template", "signer_1_name", "signer_1_email", "deadline"]
HEADER += ["var.CustomerName", "var.CompanyName", "var.Service", "var.Price", "var.StartDate"]
VALUES = ["Example Ltd", "Countersign", "Consulting", "1,000", "2026-01-01"]


def _row(key: str, **changes: str) -> list[str]:
    values = [key, "Order", TEMPLATE, "Ada Lovelace", "ada@example.com", "30d", *VALUES]
    return [changes.get(name.replace(".", "_"), value) for name, value in zip(HEADER, values, strict=True)]


def _agreement(reference: str) -> dict[str, Any]:
    """An agreement as a chunk of the store holds it."""
    agreement = an_agreement(reference=reference)
    return agreement.model_dump(mode="json", exclude_none=True)


def _write(path: Path, *rows: list[str], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file, delimiter=delimiter).writerows([HEADER, *rows])
    return path


def _report(shell: Shell, batch: str) -> dict[str, dict[str, str]]:
    ran = shell("bulk", "report", batch)
    assert ran.code == 0, ran.err
    return {row["reference"]: row for row in csv.DictReader(io.StringIO(ran.out))}


def test_a_table_is_started_once_and_the_same_table_joins_it(shell: Shell) -> None:
    name = shell.folder.name.replace("_", "-")[-30:].strip("-")
    references = [f"{name}-{number}" for number in range(3)]
    table = _write(shell.folder / "table.csv", *map(_row, references), delimiter=";")
    ran = shell("bulk", "start", str(table), "--batch", name, "--yes")
    assert ran.code == 0, ran.out + ran.err
    assert "3 of 3 started, 3 awaiting signatures" in ran.out
    again = shell("bulk", "start", str(table), "--batch", name, "--yes")
    assert again.code == 0
    assert "was started before" in again.out
    report = _report(shell, name)
    assert {row["stage"] for row in report.values()} == {"awaiting_signatures"}
    assert sorted(report) == sorted(references)
    other = shell("bulk", "start", str(table), "--batch", f"{name}-b", "--yes")
    assert other.code == 0, "rows that are there already are no failure"
    assert "0 of 3 started, 3 existed before" in other.out
    status = json.loads(shell("bulk", "status", f"{name}-b", "--json").out)
    assert (status["progress"]["started"], status["progress"]["existed"]) == (0, 3)


@pytest.mark.thorough
def test_a_changed_row_is_refused_by_name_and_can_be_corrected(shell: Shell) -> None:
    name = shell.folder.name.replace("_", "-")[-28:].strip("-")
    first = _write(shell.folder / "first.csv", _row(f"{name}-1"))
    assert shell("bulk", "start", str(first), "--batch", name, "--yes").code == 0
    second = _write(shell.folder / "second.csv", _row(f"{name}-1", title="Another"), _row(f"{name}-2"))
    refused = shell("bulk", "start", str(second), "--batch", name, "--yes")
    assert refused.code == 9
    assert "from another table" in refused.err
    ran = shell("bulk", "start", str(second), "--batch", f"{name}-b", "--yes")
    assert ran.code == 6
    assert "1 row refused: `countersign bulk report" in ran.out
    assert "other content (title)" in _report(shell, f"{name}-b")[f"{name}-1"]["refused"]
    failed = shell("bulk", "failed", f"{name}-b", str(second))
    assert [row["title"] for row in csv.DictReader(io.StringIO(failed.out))] == ["Another"]


@pytest.mark.thorough
async def test_a_table_that_comes_second_is_refused_although_it_was_first_to_look(
    shell: Shell, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another table takes the name while this one's rows are stored."""
    name = shell.folder.name.replace("_", "-")[-28:].strip("-")
    first = _write(shell.folder / "first.csv", _row(f"{name}-1"))
    second = _write(shell.folder / "second.csv", _row(f"{name}-2"))
    client, store_rows = await connect(environment=stack.env), batches._store_rows

    async def overtaken(*given: Any) -> int:
        monkeypatch.setattr(batches, "_store_rows", store_rows)
        assert await batches.start_batch(first, name, client=client)
        return await store_rows(*given)

    monkeypatch.setattr(batches, "_store_rows", overtaken)
    with pytest.raises(BatchTakenError):
        await batches.start_batch(second, name, client=client)


def test_a_batch_with_a_failed_agreement_is_followed_to_its_end(shell: Shell, stack: Stack) -> None:
    name = shell.folder.name.replace("_", "-")[-28:].strip("-")
    table = _write(shell.folder / "table.csv", _row(f"{name}-1"))
    body = {"message": "The sender is not allowed", "code": "SENDER"}
    fault = {"path": SEND, "do": "status", "status": 422, "body": body, "times": None}
    asyncio.run(stack.sandbox.call("PUT", "/_sandbox/faults", {"api": [fault]}))
    try:
        ran = shell("bulk", "start", str(table), "--batch", name, "--yes")
    finally:
        asyncio.run(stack.sandbox.call("DELETE", "/_sandbox/faults"))
    assert (ran.code, ran.out.splitlines()[-1]) == (6, "1 of 1 started, 1 failed")
    assert json.loads(shell("bulk", "status", name, "--json").out)["stages"] == {"failed": 1}
    assert _report(shell, name)[f"{name}-1"]["stage"] == "failed"


@pytest.mark.thorough
def test_nothing_is_started_without_a_yes(shell: Shell) -> None:
    name = shell.folder.name.replace("_", "-")[-28:].strip("-")
    table = _write(shell.folder / "table.csv", _row(f"{name}-1"))
    ran = shell("bulk", "start", str(table), "--batch", name)
    assert (ran.code, ran.out.strip()) == (10, "nothing was started (--yes says yes)")
    assert shell("bulk", "status", name).code == 3


@pytest.mark.thorough
def test_a_paused_batch_starts_no_further_rows_until_it_is_resumed(shell: Shell, stack: Stack) -> None:
    name = shell.folder.name.replace("_", "-")[-28:].strip("-")
    table = _write(
        shell.folder / "table.csv", *(_row(f"{name}-{number}") for number in range(CHUNK_ROWS + 5))
    )
    stack.supervisor.pause("worker")
    try:
        assert shell("bulk", "start", str(table), "--batch", name, "--yes", "--no-watch").code == 0
        assert shell("bulk", "pause", name).code == 0
    finally:
        stack.supervisor.resume("worker")
    paused = json.loads(shell("bulk", "status", name, "--json").out)
    assert paused["progress"]["paused"]
    assert paused["progress"]["started"] <= CHUNK_ROWS, "the worker may have been starting the first rows"
    assert shell("bulk", "resume", name).code == 0
    ran = shell("bulk", "watch", name)
    assert ran.code == 0
    assert "30 of 30 started, 30 awaiting signatures" in ran.out


@pytest.mark.thorough
def test_a_batch_that_has_ended_cannot_be_changed_and_says_what_to_do(shell: Shell, stack: Stack) -> None:
    name = shell.folder.name.replace("_", "-")[-28:].strip("-")
    table = _write(shell.folder / "table.csv", _row(f"{name}-1"))
    assert shell("bulk", "start", str(table), "--batch", name, "--yes").code == 0
    condition = f'AgreementBatch = "{name}"'
    for command in (("pause",), ("resume",), ("cancel", "--leave", "--yes")):
        ran = shell("bulk", command[0], name, *command[1:])
        assert ran.code == 4
        assert ran.err == (
            f"{name}: has ended and starts no further rows; void its agreements with "
            f"`countersign void --where '{condition}' --reason …`\n"
        )
    stack.supervisor.pause("worker")
    try:
        assert shell("bulk", "status", name).out == "1 of 1 started, 1 awaiting signatures\n", (
            "no worker is asked"
        )
    finally:
        stack.supervisor.resume("worker")
    voided = shell("void", "--where", condition, "--reason", "Off.", "--yes")
    assert f"{name}-1: will be voided" in voided.out


@pytest.mark.thorough
def test_an_unknown_batch_is_named(shell: Shell) -> None:
    for command in (("status",), ("watch",), ("report",), ("pause",), ("cancel", "--void", "--yes")):
        ran = shell("bulk", command[0], "no-such-batch", *command[1:])
        assert (ran.code, ran.out) == (3, "")
        assert ran.err.startswith("no-such-batch: no such batch (asked ")


@pytest.mark.usefixtures("shell")
async def test_a_cancelled_batch_voids_what_it_started_and_nothing_else(stack: Stack, tmp_path: Path) -> None:
    client = await connect(environment=stack.env)
    store, keys = FolderStore(tmp_path / "rows"), StoreKeys("local", client.namespace)
    batch = f"void-{uuid.uuid4().hex[:8]}"
    own, foreign = f"{batch}-own", f"{batch}-foreign"
    chunk = ChunkRequest(batch=batch, table_sha256="t", chunk=0)
    rows = [{"line": 2, "agreement": _agreement(own)}, {"line": 3, "agreement": _agreement(foreign)}]
    await put(store, keys.rows(batch, "t", 0), "\n".join(map(json.dumps, rows)).encode())
    await start_agreement(_agreement(foreign) | {"title": "Another"}, client=client, ask_provider=False)
    activities = BatchActivities(client, store, keys, task_queue="countersign")
    result = await ActivityEnvironment().run(activities.start_chunk, chunk)
    assert (result.started, result.refused) == (1, 1)
    await ActivityEnvironment().run(activities.void_chunk, chunk)
    with pytest.raises(WorkflowFailureError) as ended:
        await client.get_workflow_handle(workflow_id(own)).result()
    assert isinstance(ended.value.cause, CancelledError), "voided, as it was cancelled"
    assert (await agreement_status(foreign, client=client)).result is None


@pytest.mark.parametrize(
    ("changes", "column", "says"),
    [
        ({"reference": "x"}, "reference", "3 to 40"),
        ({"title": ""}, "title", "missing"),
        ({"signer_1_email": "ada.example.com"}, "signer_1_email", "e-mail"),
        ({"deadline": "yesterday"}, "deadline", "14d"),
        ({"template": ""}, "template, file, link", "fill one"),
        ({"var_CustomerName": "a\u0007b"}, "var.CustomerName", "U+0007"),
    ],
)
def test_a_mistake_has_its_line_and_column(
    shell: Shell, changes: dict[str, str], column: str, says: str
) -> None:
    table = _write(shell.folder / "table.csv", _row("good-row"), _row("bad-row", **changes), _row("GOOD-row"))
    ran = shell("bulk", "check", "--json", "--no-ask-provider", str(table))
    assert ran.code == 2
    found = json.loads(ran.out)
    places = {(entry["line"], entry["column"]): entry["reason"] for entry in found["mistakes"]}
    assert says in places[3, column]
    assert places[4, "reference"] == "line 2 has the same reference"
    assert found["rows"] == 1


@pytest.mark.thorough
def test_a_template_is_asked_for_once_and_its_mistakes_are_shown(shell: Shell) -> None:
    wrong = "00000000-0000-4000-8000-00000000dead"
    rows = [_row(f"row-{number}", template=wrong) for number in range(40)]
    table = _write(shell.folder / "table.csv", *rows)
    ran = shell("bulk", "check", str(table))
    assert ran.code == 2
    assert ran.out.count(wrong) == 40
    assert "0 rows can be started, 40 mistakes" in ran.out


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("reference,title,template,signer_1_name,signer_1_mail", "signer_1_mail: no such column"),
        ("reference,reference,title,template,signer_1_name,signer_1_email", "is there twice"),
        ("title,template,signer_1_name,signer_1_email", "reference: the column is missing"),
        ("reference,title,signer_1_name,signer_1_email", "the document to sign"),
    ],
)
def test_a_wrong_header_is_one_sentence(shell: Shell, header: str, says: str) -> None:
    table = shell.folder / "table.csv"
    table.write_text(header + "\n")
    ran = shell("bulk", "check", str(table))
    assert ran.code == 2
    assert says in ran.err


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("table.pdf", b"%PDF", "ends in .csv, .xlsx or .jsonl"),
        ("table.csv", (",".join(HEADER) + "\nä").encode("latin-1"), "not UTF-8"),
        ("table.xlsx", b"no workbook", "no Excel workbook"),
        ("table.csv", b'reference,"title', "line 1"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(
    shell: Shell, name: str, content: bytes, says: str
) -> None:
    (shell.folder / name).write_bytes(content)
    ran = shell("bulk", "check", str(shell.folder / name))
    assert ran.code == 2
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_workbooks_and_json_lines_are_read_alike(shell: Shell) -> None:
    book = openpyxl.Workbook()
    sheet = book.create_sheet(index=0)
    for row in (HEADER, _row("00123"), _row("124x")):
        sheet.append(row)
    book.save(shell.folder / "table.xlsx")
    lines = [
        json.dumps(
            {
                "reference": reference,
                "title": "Order",
                "source": {"kind": "template", "template_id": TEMPLATE},
                "signers": ["Ada Lovelace <ada@example.com>"],
            }
        )
        for reference in ("00123", "124x")
    ]
    (shell.folder / "table.jsonl").write_text("\n".join(lines))
    for name in ("table.xlsx", "table.jsonl"):
        ran = shell("bulk", "check", "--no-ask-provider", str(shell.folder / name))
        assert ran.code == 0, ran.out + ran.err
        assert "2 rows can be started, 0 mistakes" in ran.out


@pytest.mark.thorough
def test_the_header_of_an_empty_table(shell: Shell) -> None:
    ran = shell("bulk", "check", "--print-header")
    (shell.folder / "table.csv").write_text(ran.out)
    ran = shell("bulk", "check", str(shell.folder / "table.csv"))
    assert (ran.code, ran.err) == (2, f"{shell.folder / 'table.csv'}: it has no rows\n")
