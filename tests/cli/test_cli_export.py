"""`export`: signed documents as files, checked, continued, and never half there."""

import asyncio
import subprocess
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from countersign.agreements import search_attributes
from countersign.agreements.messages import AgreementResult, Archive, Outcome, Stage, StoredDocument
from countersign.agreements.names import WORKFLOW_NAME
from countersign.agreements.reference import WORKFLOW_ID_PREFIX
from countersign.client import export
from countersign.client.agreements import agreement_result
from countersign.client.export import export_agreements
from countersign.client.follow import follow_agreement
from countersign.client.listing import agreement_query, count_agreements
from countersign.client.start import start_once
from countersign.connection import connect
from countersign.storage import FolderStore
from countersign.testing.office import eventually
from devstack.site import ENVIRONMENT
from devstack.stack import Stack
from tests.cli.shell import Shell
from tests.conftest import tool
from tests.workflows.office import an_agreement

FILES = {"audit-trail.json", "signed.pdf", "timeline.json"}


async def _start(stack: Stack, batch: str, *references: str) -> None:
    """Have agreements of a batch signed, and start one that waits."""
    client = await connect(environment=stack.env)
    for reference in (*references, f"{batch}-waits"):
        await start_once(client, an_agreement(reference=reference), "countersign", batch=batch)
    for reference in references:
        async for view in follow_agreement(reference, client=client):
            if view.stage == Stage.AWAITING_SIGNATURES:
                await stack.sandbox.complete(view.document_id or "")
                break
        await agreement_result(reference, client=client)
    query = agreement_query(stage=Stage.COMPLETED, where=f'AgreementBatch = "{batch}"')
    await eventually(lambda: count_agreements(query, client=client), lambda count: count == len(references))


@pytest.fixture
def batch(shell: Shell, stack: Stack) -> str:
    """A batch with two signed agreements, `…-1` and `…-2`, and one that waits."""
    del shell
    name = f"e{uuid.uuid4().hex[:10]}"
    asyncio.run(_start(stack, name, f"{name}-1", f"{name}-2"))
    return name


def _archive(stack: Stack, reference: str) -> Path:
    return stack.store / ENVIRONMENT / "default" / reference


def _check(folder: Path) -> int:
    """Check a folder by its manifest; return how many files that lists."""
    done = subprocess.run(
        [tool("sha256sum"), "--check", "--strict", "SHA256SUMS"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.count(": OK\n")


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_folder_has_all_signed_documents_and_is_continued(shell: Shell, stack: Stack, batch: str) -> None:
    ran = shell("export", "--batch", batch, "--to", "signed")
    assert (ran.code, ran.out, ran.err) == (0, "signed: 2 agreements, 6 files written\n", "")
    folder = shell.folder / "signed"
    expected = {f"{batch}-{number}/{name}" for number in (1, 2) for name in FILES}
    assert _files(folder) == expected | {"SHA256SUMS"}
    assert _check(folder) == 6
    for path in expected:
        assert (folder / path).read_bytes() == (
            _archive(stack, path.partition("/")[0]) / Path(path).name
        ).read_bytes()
    lost, damaged, kept = (folder / f"{batch}-1" / name for name in sorted(FILES))
    lost.unlink()
    damaged.write_bytes(b"%PDF-")
    before = kept.stat().st_mtime_ns
    again = shell("export", "--where", f'AgreementBatch = "{batch}"', "--to", "signed")
    assert (again.code, again.out) == (0, "signed: 2 agreements, 2 files written, 4 were there\n")
    assert kept.stat().st_mtime_ns == before
    assert _check(folder) == 6
    assert _files(folder) == expected | {"SHA256SUMS"}


@pytest.mark.thorough
def test_a_zip_file_has_the_same_files(shell: Shell, batch: str) -> None:
    (shell.folder / "signed.zip").write_bytes(b"an earlier one")
    ran = shell("export", "--batch", batch, "--to", "signed.zip")
    assert (ran.code, ran.out) == (0, "signed.zip: 2 agreements, 6 files written\n")
    with ZipFile(shell.folder / "signed.zip") as archive:
        archive.extractall(shell.folder / "unpacked")
    assert _check(shell.folder / "unpacked") == 6
    assert len(_files(shell.folder / "unpacked")) == 7
    assert list(shell.folder.glob("*.part")) == []


@pytest.mark.thorough
@pytest.mark.parametrize("to", ["signed", "signed.zip"])
def test_what_the_store_lost_or_changed_is_named_and_the_rest_is_there(
    shell: Shell, stack: Stack, batch: str, to: str
) -> None:
    one, two = (_archive(stack, f"{batch}-{number}") for number in (1, 2))
    pdf = one / "signed.pdf"
    pdf.write_bytes(pdf.read_bytes()[:-1] + b"!")
    (two / "audit-trail.json").unlink()
    (two / "timeline.json").write_bytes(b"{}")
    ran = shell("export", "--batch", batch, "--to", to)
    assert ran.code == 6
    assert ran.out == f"{to}: 0 agreements, 3 files written\n"
    assert sorted(ran.err.splitlines()) == [
        f"{batch}-1/signed.pdf: the store has other bytes than were archived",
        f"{batch}-2/audit-trail.json: is not in the store",
        f"{batch}-2/timeline.json: the store has other bytes than were archived",
    ]
    folder = shell.folder / "signed"
    if to.endswith(".zip"):
        with ZipFile(shell.folder / to) as archive:
            archive.extractall(folder)
    assert _check(folder) == 3
    assert len(_files(folder)) == 4


class _StuckStore(FolderStore):
    """A store that stops in the middle of every file."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.stuck = asyncio.Event()

    async def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        async for chunk in super().stream(key, start, end - 1):
            yield chunk
        self.stuck.set()
        await asyncio.Event().wait()


@pytest.mark.thorough
@pytest.mark.parametrize("to", ["signed", "signed.zip"])
def test_an_interrupted_export_leaves_no_half_file(
    stack: Stack, batch: str, tmp_path: Path, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _StuckStore(stack.store)
    monkeypatch.setattr(export, "open_store", lambda _url: store)

    async def interrupt() -> None:
        client = await connect(environment=stack.env)
        task = asyncio.create_task(export_agreements(tmp_path / to, batch=batch, client=client))
        await store.stuck.wait()
        assert len(_files(tmp_path)) > 1, "unfinished ones"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(interrupt())
    assert _files(tmp_path) == set()


@workflow.defn(name=WORKFLOW_NAME)
class _Forged:
    """A workflow of an agreement's type that names files of its own choice as its archive."""

    @workflow.run
    async def run(self, key: str) -> AgreementResult:
        file = StoredDocument(key=key, size=1, sha256="0" * 64, url="")
        archive = Archive(document=file, audit_trail=file, timeline=file)
        return AgreementResult(
            reference="x-1", outcome=Outcome.COMPLETED, resolved_by="webhook", archive=archive
        )


@pytest.mark.parametrize(
    ("name", "forged"),
    [
        ("../outside", ("{name}/signed.pdf", "is no agreement's workflow")),
        ("forged", ("api-tokens/local/cst.json", "another environment or namespace")),
        ("forged", ("local/default/{name}/../../x", "another environment or namespace")),
    ],
)
async def test_a_forged_result_reads_and_writes_nothing_elsewhere(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, forged: tuple[str, str]
) -> None:
    key, says = forged
    for variable, value in stack.settings().items():
        monkeypatch.setenv(variable, value)
    client = await connect(environment=stack.env)
    queue, reference = uuid.uuid4().hex, f"{name}-{uuid.uuid4().hex[:8]}"
    stage = TypedSearchAttributes([SearchAttributePair(search_attributes.STAGE, Stage.ARCHIVING)])
    runner = UnsandboxedWorkflowRunner()
    async with Worker(client, task_queue=queue, workflows=[_Forged], workflow_runner=runner):
        await client.execute_workflow(
            WORKFLOW_NAME,
            key.format(name=reference),
            id=WORKFLOW_ID_PREFIX + reference,
            task_queue=queue,
            search_attributes=stage,
        )
    where = f'WorkflowId = "{WORKFLOW_ID_PREFIX}{reference}"'
    query = agreement_query(stage=Stage.COMPLETED, where=where)
    await eventually(lambda: count_agreements(query, client=client), bool)
    problems: list[str] = []
    folder = tmp_path / "inner" / "signed"
    folder.parent.mkdir()
    done = await export_agreements(folder, where=where, client=client, on_problem=problems.append)
    assert (done.agreements, done.written) == (0, 0)
    assert all(says in problem for problem in problems)
    assert problems
    assert _files(tmp_path) == {"inner/signed/SHA256SUMS"}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--to", "no/such/folder"), "No such file or directory"),
        (("--to", "file"), "File exists"),
        (("--to", "folder.zip"), "is a folder"),
        (("--to", "no/such.zip"), "No such file or directory"),
        (("--to", "signed", "--where", "nonsense ="), "Temporal rejects the request"),
        (("--to", "signed", "--batch", 'x" or "1"="1'), "lower-case letters"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    shell: Shell, batch: str, arguments: tuple[str, ...], says: str
) -> None:
    del batch  # with nothing to export, no folder is opened
    (shell.folder / "file").touch()
    (shell.folder / "folder.zip").mkdir()
    ran = shell("export", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.thorough
def test_a_terminal_shows_the_progress(shell: Shell, batch: str) -> None:
    shown, code = shell.at_a_terminal("export", "--batch", batch, "--to", "signed")
    assert code == 0
    assert b"2/2" in shown
    assert b"6 files written" in shown


@pytest.mark.thorough
def test_an_export_of_nothing_writes_nothing(shell: Shell) -> None:
    ran = shell("export", "--batch", "no-such-batch", "--to", "signed")
    assert ran.code == 0
    assert ran.out.startswith("no completed agreements (asked ")
    assert _files(shell.folder) == set()
