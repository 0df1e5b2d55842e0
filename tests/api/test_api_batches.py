"""Batches over HTTP, on the real stack: checked, started once, followed, reported; each tenant its own."""

import asyncio
import csv
import io
import json
import tempfile
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from countersign.agreements.batches import BATCH_ID_PREFIX
from countersign.api.tokens import Scope
from countersign.client.agreements import agreement_input
from countersign.testing.office import eventually
from devstack.stack import Stack
from tests.api.api_caller import SIGNERS, Caller, make_token, problem, start_paused_batch
from tests.api.api_process import running_api
from tests.webhooks.webhook_wire import exchange, request, status
from tests.workflows.batch_memory import peak_megabytes
from tests.workflows.office import TEMPLATE, VARIABLES

BASE = "/v1/batches"
HEADER = ["reference", "title", "template", "signer_1_name", "signer_1_email", "deadline"]
HEADER += [f"var.{name}" for name in VARIABLES]


@pytest.fixture
def batch() -> str:
    """A name of the test's own, for a batch and as the beginning of its references."""
    return f"b{uuid.uuid4().hex[:10]}"


def _table(*rows: dict[str, str], header: list[str] = HEADER) -> str:
    """A table of rows that work, but for what they change."""
    usual = {"title": "Renewal", "template": TEMPLATE, "signer_1_name": "Ada Lovelace", "deadline": "30d"}
    usual |= {"signer_1_email": "ada@example.com"} | {
        f"var.{name}": value for name, value in VARIABLES.items()
    }
    text = io.StringIO()
    writer = csv.DictWriter(text, header, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(usual | row for row in rows)
    return text.getvalue()


def _rows(batch: str, count: int = 2) -> list[dict[str, str]]:
    return [{"reference": f"{batch}-{number}"} for number in range(count)]


async def _send(
    caller: Caller, batch: str, table: str | bytes, *, name: str = "table.csv", **params: Any
) -> httpx.Response:
    return await caller(
        "POST", BASE, data={"batch": batch}, files={"table": (name, table, "text/csv")}, params=params
    )


async def _until_started(caller: Caller, batch: str) -> dict[str, Any]:
    """Follow a batch by long polls until all rows are started and sent."""
    tag, path = "", f"{BASE}/{batch}"
    while True:
        params = {"wait": 30} if tag else {}
        response = await caller.get(path, params=params, headers={"If-None-Match": tag} if tag else {})
        assert response.status_code in {200, 304}, response.text
        if response.status_code == 200:
            view: dict[str, Any] = response.json()
            if not view["is_running"] and view["stages"].get("awaiting_signatures") == view["rows"]:
                return view
        tag = response.headers["etag"]


@pytest.mark.thorough
async def test_a_batch_is_started_once_followed_and_reported(
    api: Caller, temporal: Client, batch: str
) -> None:
    table = _table(*_rows(batch))
    started = await _send(api, batch, table)
    assert started.status_code == 202, started.text
    assert started.headers["location"] == f"{BASE}/{batch}"
    view = started.json()
    assert (view["batch"], view["rows"], view["is_running"]) == (batch, 2, True)
    view = await _until_started(api, batch)
    assert view["progress"] == {
        "started": 2,
        "existed": 0,
        "refused": 0,
        "paused": False,
        "cancelled": False,
    }
    assert view["links"]["pause"] is None, "it has ended"
    again = await _send(api, batch, table)
    assert (again.status_code, again.headers["location"]) == (202, f"{BASE}/{batch}")
    assert again.json()["progress"]["started"] == 2
    assert (await agreement_input(f"{batch}-0", client=temporal)).initiated_by == "local"
    listed = (await api.get(view["links"]["agreements"])).json()["agreements"]
    assert {item["reference"] for item in listed} == {f"{batch}-0", f"{batch}-1"}
    report = await api.get(view["links"]["report"])
    assert report.headers["content-type"].startswith("text/csv")
    rows = {row["reference"]: row["stage"] for row in csv.DictReader(io.StringIO(report.text))}
    assert rows == {f"{batch}-0": "awaiting_signatures", f"{batch}-1": "awaiting_signatures"}
    assert "Lovelace" not in report.text
    other = await _send(api, batch, _table(*_rows(batch, 3)))
    assert (other.status_code, problem(other)) == (409, "batch-taken")


@pytest.mark.thorough
async def test_a_row_with_a_taken_reference_is_in_the_report(api: Caller, batch: str) -> None:
    await _send(api, batch, _table(*_rows(batch)))
    await _until_started(api, batch)
    await _send(api, f"{batch}-x", _table({"reference": f"{batch}-0", "title": "Another"}))

    async def report() -> list[dict[str, str]]:
        text = (await api.get(f"{BASE}/{batch}-x/report")).text
        return list(csv.DictReader(io.StringIO(text)))

    (row,) = await eventually(report, bool)
    assert (row["reference"], row["stage"]) == (f"{batch}-0", "refused")
    assert "other content (title)" in row["refused"]


@pytest.mark.thorough
async def test_every_mistake_has_its_line_and_column_and_nothing_is_started(api: Caller, batch: str) -> None:
    table = _table(
        {"reference": f"{batch}-1"},
        {"reference": "x"},
        {"reference": f"{batch}-2", "signer_1_email": "ada.example.com", "deadline": "yesterday"},
        {"reference": f"{batch}-1"},
    )
    for dry_run in (False, True):
        response = await _send(api, batch, table, dry_run=dry_run)
        assert (response.status_code, problem(response)) == (422, "invalid-input")
        found = {(entry["line"], entry["column"]) for entry in response.json()["errors"]}
        assert found == {(3, "reference"), (4, "signer_1_email"), (4, "deadline"), (5, "reference")}
        assert "ada.example.com" not in response.text
    assert problem(await api.get(f"{BASE}/{batch}")) == "unknown-batch"
    assert problem(await api.get(f"/v1/agreements/{batch}-1")) == "unknown-agreement"


@pytest.mark.thorough
async def test_a_dry_run_asks_the_provider_and_starts_nothing(api: Caller, batch: str) -> None:
    checked = await _send(api, batch, _table(*_rows(batch)), dry_run=True)
    assert (checked.status_code, checked.json()["rows"]) == (200, 2)
    assert problem(await api.get(f"{BASE}/{batch}")) == "unknown-batch"
    wrong = _table(*_rows(batch), {"reference": f"{batch}-x", "template": TEMPLATE[:-4] + "dead"})
    response = await _send(api, batch, wrong, dry_run=True)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert (error["line"], error["column"]) == (4, "template")


def _line(reference: str, source: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"reference": reference, "title": "Renewal", "source": source, "signers": SIGNERS} | changes


_IMAGE = {"kind": "image", "path": "/etc/hostname"}
_KEY = {"kind": "image", "key": "x/logo.png", "sha256": "0" * 64}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"kind": "file", "path": "/etc/passwd"}, "source.path"),
        ({"kind": "file", "key": "x/signed.pdf", "file_name": "a.pdf", "sha256": "0" * 64}, "source.path"),
        ({"kind": "file", "file_name": "a.pdf", "content": "JVBERi0="}, "source.path"),
        ({"kind": "template", "template_id": TEMPLATE, "variables": {"A": _IMAGE}}, "source.variables.A"),
        (
            {
                "kind": "template",
                "template_id": TEMPLATE,
                "variables": {"A": {"kind": "list", "items": ["x", _KEY]}},
            },
            "source.variables.A",
        ),
    ],
)
async def test_a_row_cannot_read_files_of_the_server_or_of_others(
    api: Caller, batch: str, source: dict[str, Any], says: str
) -> None:
    line = json.dumps(_line(f"{batch}-1", source))
    for dry_run in (False, True):
        response = await _send(api, batch, line, name="table.jsonl", dry_run=dry_run)
        assert (response.status_code, problem(response)) == (422, "invalid-input"), response.text
        (error,) = response.json()["errors"]
        assert error["line"] == 1
        assert error["detail"].startswith(f"{says}: a table over HTTP has no ")


@pytest.mark.thorough
async def test_a_column_of_files_is_a_mistake_of_every_row_that_has_it(api: Caller, batch: str) -> None:
    header = [*HEADER, "file"]
    local = {"template": "", "file": "/etc/passwd"}
    local |= {name: "" for name in HEADER if name.startswith("var.")}
    rows = [{"reference": f"{batch}-1"}, {"reference": f"{batch}-2", **local, "title": ""}]
    response = await _send(api, batch, _table(*rows, header=header))
    found = {(entry["line"], entry["column"]) for entry in response.json()["errors"]}
    assert found == {(3, "file"), (3, "title")}, "the row's other mistakes are found too"
    assert "passwd" not in response.text


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "table", "place"),
    [
        ("table.csv", "reference,title,template,signer_1_name,signer_1_mail\n", (1, "did you mean")),
        ("table.csv", b"reference,\xe4\n", (None, "UTF-8")),
        ("table.csv", b"x" * 1_000_001, (1, "1,000,000 characters")),
        ("table.csv", "," * 1000, (1, "1,000 columns")),
        ("table.jsonl", b'{"a": "' + b"x" * 1_000_001, (1, "1,000,000 characters")),
        ("table.jsonl", "[]\n", (1, "is no agreement")),
        ("table.jsonl", "\n", (None, "it has no rows")),
        ("table.jsonl", "[" * 100_000, (1, "is not JSON")),
        ("table.xlsx", b"PK", (None, ".csv or .jsonl")),
        ("/etc/passwd", b"PK", (None, ".csv or .jsonl")),
    ],
)
async def test_a_table_that_cannot_be_read_is_a_problem_without_a_path(
    api: Caller, batch: str, name: str, table: str | bytes, place: tuple[int | None, str]
) -> None:
    line, says = place
    response = await _send(api, batch, table, name=name)
    assert (response.status_code, problem(response)) == (422, "invalid-input"), response.text
    dry_run = await _send(api, batch, table, name=name, dry_run=True)
    assert dry_run.json()["errors"] == response.json()["errors"]
    found = [error for error in response.json()["errors"] if says in error["detail"]]
    assert [error.get("line") for error in found] == [line], response.text
    assert tempfile.gettempdir() not in response.text


@pytest.mark.thorough
async def test_an_endless_list_of_mistakes_is_cut(api: Caller, batch: str) -> None:
    response = await _send(api, batch, "x\n" * 20_000, name="table.jsonl")
    assert len(response.json()["errors"]) == 10_000
    assert response.json()["detail"] == "mistakes in the table: 10000, and maybe more after them"


@pytest.mark.thorough
async def test_other_bodies_are_problems(api: Caller, stack: Stack, batch: str) -> None:
    file = ("table.csv", _table(*_rows(batch)))
    for parts in ({"data": {"batch": batch}, "files": {"other": file}}, {"files": {"table": file}}):
        response = await api("POST", BASE, **parts)
        assert (response.status_code, problem(response)) == (400, "malformed-request")
    text = await api("POST", BASE, files={"batch": (None, batch), "table": (None, "x")})
    assert text.status_code == 400, "two texts"
    assert (await api.post(BASE, {"batch": batch})).status_code == 415
    for name in ("A", "No-Capitals", "a" * 41, "x'; --"):
        response = await _send(api, name, file[1])
        assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/batch")
    form = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": "34000000"}
    headers = {"Authorization": f"Bearer {api.token}", **form}
    assert status(await exchange(stack.api_url, request(headers, path=BASE))) == 413


async def test_a_batch_is_paused_resumed_and_cancelled(api: Caller, temporal: Client, batch: str) -> None:
    await start_paused_batch(temporal, batch)
    path = f"{BASE}/{batch}"
    tag = (await api.get(path)).headers["etag"]
    assert (await api.post(f"{path}/resume", {"x": 1})).status_code == 422
    for wrong in ({}, {"void": "yes"}, {"void": False, "x": 1}):
        response = await api.post(f"{path}/cancel", wrong)
        assert (response.status_code, problem(response)) == (422, "invalid-input"), wrong
    assert (await api.get(path, headers={"If-None-Match": tag})).status_code == 304, "nothing was done"
    assert (await api.get(path)).json()["progress"]["paused"]
    poll = asyncio.create_task(api.get(path, params={"wait": 60}, headers={"If-None-Match": tag}))
    for _ in range(2):  # as long as a response without a wait takes, and longer
        await api.get(path)
    assert not poll.done()
    body: dict[str, bool] | None
    for verb, body in (("pause", None), ("cancel", {"void": False})):
        response = await api.post(f"{path}/{verb}", body)
        assert (response.status_code, response.headers["location"]) == (202, path), response.text
    handle = temporal.get_workflow_handle(BATCH_ID_PREFIX + batch)
    assert (await handle.result())["cancelled"]
    changed = await poll
    assert (changed.status_code, changed.json()["progress"]["cancelled"]) == (200, True)
    for verb, body in (("pause", None), ("resume", None), ("cancel", {"void": True})):
        response = await api.post(f"{path}/{verb}", body)
        assert (response.status_code, problem(response)) == (409, "batch-ended")
        assert "`" not in response.text, "no advice about a command line"


@pytest.mark.thorough
async def test_a_resumed_batch_starts_its_rows(api: Caller, temporal: Client, batch: str) -> None:
    await start_paused_batch(temporal, batch)
    assert (await api.post(f"{BASE}/{batch}/resume")).status_code == 202
    handle = temporal.get_workflow_handle(BATCH_ID_PREFIX + batch)

    async def pending() -> int:
        return len((await handle.describe()).raw_description.pending_activities)

    await eventually(pending, bool)
    await handle.terminate()
    assert (await handle.describe()).status is WorkflowExecutionStatus.TERMINATED


@pytest.mark.thorough
async def test_unknown_batches_are_404(api: Caller) -> None:
    for method, path in (("GET", ""), ("GET", "/report"), ("POST", "/pause"), ("POST", "/cancel")):
        response = await api(method, f"{BASE}/no-such-batch{path}")
        assert (response.status_code, problem(response)) == (404, "unknown-batch"), path
    assert (await api.get(f"{BASE}/No_Such")).status_code == 422


@pytest.mark.thorough
async def test_a_tenants_batch_is_unknown_to_others(
    api: Caller, stack: Stack, temporal: Client, batch: str
) -> None:
    tenant = api.with_token(await make_token(stack, *Scope, prefix=f"{batch}_A"))
    nested = api.with_token(await make_token(stack, *Scope, prefix=f"{batch}_A_b"))
    account = api.with_token(await make_token(stack, *Scope, account="turbodocx"))
    name, rows = f"{batch}-a-1", [{"reference": f"{batch}_a_{number}"} for number in range(2)]
    refused = await _send(tenant, f"x{name}", _table(*rows))
    assert refused.json()["errors"][0]["pointer"] == "/batch", "names begin as the tenant's references"
    foreign = {"reference": f"x{batch}", "supersedes": f"x{batch}-2", "initiated_by": "boss"}
    header = [*HEADER, "supersedes", "initiated_by"]
    mixed = await _send(tenant, name, _table(*rows, foreign, header=header))
    found = {(entry["line"], entry["column"]) for entry in mixed.json()["errors"]}
    assert found >= {(4, "reference"), (4, "supersedes"), (4, "initiated_by")}
    table = _table(*rows)
    assert (await _send(tenant, name, table)).status_code == 202
    await _until_started(tenant, name)
    assert (await api.get(f"{BASE}/{name}")).status_code == 200, "a token without bounds sees all"
    for other in (nested, account):
        for method, path in (
            ("GET", ""),
            ("GET", "/report"),
            ("POST", "/pause"),
            ("POST", "/resume"),
            ("POST", "/cancel"),
        ):
            response = await other(method, f"{BASE}/{name}{path}")
            assert (response.status_code, problem(response)) == (404, "unknown-batch"), path
    joined = await _send(account, name, table)
    assert (joined.status_code, problem(joined)) == (409, "batch-taken"), "the same table of another tenant"
    operators = f"{name}-x"
    await start_paused_batch(temporal, operators)
    assert problem(await tenant.get(f"{BASE}/{operators}")) == "unknown-batch"
    await api.post(f"{BASE}/{operators}/cancel", {"void": False})


@pytest.mark.thorough
async def test_rows_belong_to_the_tokens_account(
    api: Caller, stack: Stack, temporal: Client, batch: str
) -> None:
    own = api.with_token(await make_token(stack, *Scope, account="turbodocx", name="crm-7"))
    wider = await _send(
        own, batch, _table({"reference": f"{batch}-0", "account": "documenso"}, header=[*HEADER, "account"])
    )
    assert [(entry["line"], entry["column"]) for entry in wider.json()["errors"]] == [(2, "account")]
    assert (await _send(own, batch, _table(*_rows(batch, 1)))).status_code == 202
    await _until_started(own, batch)
    started = await agreement_input(f"{batch}-0", client=temporal)
    assert (started.account, started.initiated_by) == ("turbodocx", "crm-7")


@pytest.mark.thorough
async def test_a_number_is_no_way_around_a_tokens_prefix(api: Caller, stack: Stack, batch: str) -> None:
    tenant = api.with_token(await make_token(stack, *Scope, prefix=f"{batch}-"))
    number = int(uuid.uuid4().int % 10**12)
    source = {"kind": "template", "template_id": TEMPLATE, "variables": dict(VARIABLES)}
    response = await tenant.start(_line("x", source) | {"reference": number})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/reference")
    line = json.dumps(_line("x", source) | {"reference": number})
    response = await _send(tenant, f"{batch}-n", line, name="table.jsonl")
    assert "the token is bound to references" in response.json()["errors"][0]["detail"]


@pytest.mark.heavy
@pytest.mark.timeout(600)
async def test_a_table_of_ten_times_the_rows_takes_no_more_memory(
    stack: Stack, tmp_path: Path, batch: str
) -> None:
    """What keeps the rows has five times the memory."""
    peaks = []
    async with running_api(stack, tmp_path) as process:
        process.call.http.timeout = httpx.Timeout(300)
        for count in (10_000, 100_000):
            rows = [
                {"reference": f"{batch}-{row:06}", "signer_1_email": f"{row}@example.com"}
                for row in range(count)
            ]
            checked = await _send(process.call, batch, _table(*rows), dry_run=True)
            assert checked.json()["rows"] == count, checked.text
            peaks.append(peak_megabytes(process.supervisor.pid("api")))
    assert peaks[1] < peaks[0] * 1.5, peaks
