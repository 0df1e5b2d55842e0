"""Copy the signed documents of many agreements, with their evidence, into a folder or a zip file.

<reference>/signed.pdf  audit-trail.json  timeline.json     of every completed agreement
SHA256SUMS                                                  for `sha256sum -c SHA256SUMS`
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Final
from zipfile import ZipFile

from temporalio.client import Client, WorkflowExecution
from temporalio.exceptions import ApplicationError

from countersign.agreements.messages import AgreementResult, Outcome, Stage, StoredDocument
from countersign.agreements.reference import WORKFLOW_ID_PREFIX, InvalidReferenceError, check_reference
from countersign.client.batches import check_batch_name, of_batch
from countersign.client.connections import explained, shared_client
from countersign.client.errors import BadInputError, UnreachableError
from countersign.client.listing import agreement_query, count_agreements
from countersign.client.progress import Report, ignore
from countersign.client.settings import load_settings
from countersign.configuration import SettingsError
from countersign.settings import CountersignSettings
from countersign.storage import StorageError, Store, UnusableStoreError, open_store
from countersign.storage.store import StoreKeys, check_key

SUMS: Final = "SHA256SUMS"
"""The name of the manifest."""
_AT_ONCE: Final = 8
"""Agreements that are copied at once, because a bucket takes some time for every file."""
_PAGE: Final = 1000
_AGAIN: Final = "run the same command again"


@dataclass(slots=True)
class Exported:
    """What an export has done.

    Args:
        agreements: How many agreements have all their files there.
        written: How many files were written.
        kept: How many files were there already, with the right hash.
        problems: How many files or agreements could not be exported.
    """

    agreements: int = 0
    written: int = 0
    kept: int = 0
    problems: int = 0


async def export_agreements(
    to: Path,
    *,
    account: str | None = None,
    batch: str | None = None,
    where: str | None = None,
    client: Client | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
    on_problem: Report = ignore,
) -> Exported:
    """Copy the archives of all completed agreements that match, and write a manifest of their hashes.

    Each file is checked against the hash that the agreement recorded when it was archived, and appears whole
    or not at all. In a folder, a file that is there with the right hash is kept, so that a repeated export
    continues. A zip file begins again, and replaces an earlier one at the end.

    Memory does not grow with the documents; that of a zip file grows by its table of contents, 1 kB a file.

    Args:
        to: A folder, which is made if missing, or a file whose name ends in `.zip`.
        account: Only agreements of this account.
        batch: Only agreements of this batch.
        where: Only agreements that match this condition in Temporal's list filter language.
        client: A connection to use; by default a shared one.
        on_progress: Called with the numbers of agreements that are done, and of all.
        on_problem: Called with a sentence about every file or agreement that cannot be exported.

    Raises:
        BadInputError: `to` cannot be written, a filter is invalid, or a result cannot be read.
        UnreachableError: Temporal or the store does not respond, or the disk is full.
    """
    conditions = [of_batch(check_batch_name(batch))] if batch else []
    conditions += [f"({where})"] if where else []
    query = agreement_query(account=account, stage=Stage.COMPLETED, where=" and ".join(conditions) or None)
    client = client or await shared_client()
    settings = load_settings(CountersignSettings)
    try:
        store = open_store(settings.store)
    except UnusableStoreError as error:
        raise BadInputError(str(error)) from None
    exported = Exported()
    if not (total := await count_agreements(query, client=client)):
        return exported
    try:
        with _opened(to) as target, _part(target.folder) as sums:
            keys = StoreKeys(settings.environment, client.namespace)
            export = _Export(client, store, keys, target, sums, exported, on_problem)
            await _copy_all(export, query, total, on_progress)
            sums.flush()
            target.place(Path(sums.name), SUMS)
    except OSError as error:
        raise BadInputError(f"{to}: {error.strerror}") from None
    return exported


async def _copy_all(
    export: "_Export", query: str, total: int, on_progress: Callable[[int, int], None]
) -> None:
    """Copy the archives of all agreements that match, some at once."""
    free = asyncio.Semaphore(_AT_ONCE)
    done = 0

    async def copy(execution: WorkflowExecution) -> None:
        nonlocal done
        try:
            await export.copy(execution)
        finally:
            free.release()
        done += 1
        on_progress(done, max(done, total))

    try:
        async with asyncio.TaskGroup() as group:
            async for execution in _executions(export.client, query):
                await free.acquire()
                group.create_task(copy(execution))
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None


async def _executions(client: Client, query: str) -> AsyncIterator[WorkflowExecution]:
    async with explained("list"):
        async for execution in client.list_workflows(query, page_size=_PAGE):
            yield execution


@dataclass(frozen=True, slots=True)
class _Export:
    """An export under way.

    Args:
        client: Knows the agreements' results.
        store: Holds the archive.
        keys: Where in the store.
        target: Takes the files.
        sums: The manifest.
        exported: What was done.
        on_problem: See `export_agreements`.
    """

    client: Client
    store: Store
    keys: StoreKeys
    target: "_Folder | _Zip"
    sums: IO[bytes]
    exported: Exported
    on_problem: Report

    async def copy(self, execution: WorkflowExecution) -> None:
        """Copy the archive of an agreement."""
        reference = execution.id.removeprefix(WORKFLOW_ID_PREFIX)
        try:
            check_reference(reference)
        except InvalidReferenceError:  # a workflow that another program named
            self._report(f"{execution.id!a}: is no agreement's workflow")
            return
        result = await self._result(execution)
        if result.outcome is not Outcome.COMPLETED:
            return
        if result.archive is None:
            self._report(f"{reference}: has no archive")
            return
        archive = result.archive
        files = (archive.document, archive.audit_trail, archive.timeline, *archive.attachments)
        complete = [await self._copied(reference, file) for file in files]
        self.exported.agreements += all(complete)

    async def _result(self, execution: WorkflowExecution) -> AgreementResult:
        handle = self.client.get_workflow_handle(
            execution.id, run_id=execution.run_id, result_type=AgreementResult
        )
        try:
            async with explained(execution.id):
                result: AgreementResult = await handle.result(follow_runs=False)
                return result
        except (ValueError, SettingsError, ApplicationError):  # the last two: the key is missing
            raise BadInputError(
                f"{execution.id}: this process cannot read the result: check COUNTERSIGN_ENCRYPTION_KEYS"
            ) from None

    async def _copied(self, reference: str, file: StoredDocument) -> bool:
        """Copy a file, unless it is there; return whether it is there now."""
        name = file.key.rpartition("/")[2]
        path = f"{reference}/{name}"
        if file.key != self.keys.attachment(reference, name):
            self._report(
                f"{path}: was archived under another environment or namespace: check COUNTERSIGN_ENVIRONMENT"
            )
            return False
        try:
            check_key(file.key)
            if await self.target.has(path, file):
                self.exported.kept += 1
            elif (size := await self.store.size(file.key)) is None:
                self._report(f"{path}: is not in the store")
                return False
            elif size != file.size or not await self._written(path, file):
                self._report(f"{path}: the store has other bytes than were archived")
                return False
        except StorageError as error:
            raise UnreachableError(f"{error}; {_AGAIN}") from None
        except OSError as error:
            raise UnreachableError(f"{path}: {error.strerror}; {_AGAIN}") from None
        self.sums.write(f"{file.sha256}  {path}\n".encode())
        return True

    async def _written(self, path: str, file: StoredDocument) -> bool:
        """Write a file; return False, and leave nothing, if its hash is not the recorded one."""
        digest = hashlib.sha256()
        with _part(self.target.folder) as part:
            async for chunk in self.store.stream(file.key, 0, file.size):
                part.write(chunk)
                digest.update(chunk)
            if digest.hexdigest() != file.sha256:
                return False
            part.flush()
            self.target.place(Path(part.name), path)
        self.exported.written += 1
        return True

    def _report(self, problem: str) -> None:
        self.exported.problems += 1
        self.on_problem(problem)


class _Folder:
    """A folder of files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def has(self, path: str, file: StoredDocument) -> bool:
        """Return whether a file is there, with the right hash."""
        try:
            return await asyncio.to_thread(_hash, self.folder / path) == file.sha256
        except FileNotFoundError:
            return False

    def place(self, part: Path, path: str) -> None:
        """Move a finished file to its place."""
        to = self.folder / path
        to.parent.mkdir(mode=0o700, exist_ok=True)
        part.replace(to)


class _Zip:
    """A zip file. Nothing is compressed: PDFs are already."""

    def __init__(self, folder: Path, archive: ZipFile) -> None:
        self.folder = folder
        self._archive = archive

    async def has(self, path: str, file: StoredDocument) -> bool:
        """Return False: a zip file begins again."""
        del path, file
        return False

    def place(self, part: Path, path: str) -> None:
        """Append a finished file."""
        self._archive.write(part, path)


@contextmanager
def _opened(to: Path) -> Iterator[_Folder | _Zip]:
    """Open the target. A zip file is there only once it is whole."""
    if to.suffix.lower() != ".zip":
        to.mkdir(mode=0o700, exist_ok=True)
        yield _Folder(to)
        return
    if to.is_dir():
        raise BadInputError(f"{to}: is a folder")
    with _part(to.parent) as file:
        with ZipFile(file, "w") as archive:
            yield _Zip(to.parent, archive)
        Path(file.name).replace(to)


@contextmanager
def _part(folder: Path) -> Iterator[IO[bytes]]:
    """Make a file that is gone at the end of the block, unless it got another name."""
    with NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as file:
        try:
            yield file
        finally:
            Path(file.name).unlink(missing_ok=True)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
