"""Start many agreements from a table, follow them, pause, cancel and report."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from countersign.agreements import search_attributes
from countersign.agreements.batches import (
    BATCH_ID_PREFIX,
    BATCH_NAME,
    BULK_WORKFLOW,
    CHUNK_ROWS,
    BatchInput,
    BatchOwner,
    BatchProgress,
    RefusedRow,
)
from countersign.agreements.messages import AgreementInput, RolesSource, Stage, TemplateSource
from countersign.client.connections import explained, shared_client
from countersign.client.errors import (
    BadInputError,
    BatchEndedError,
    BatchTakenError,
    RefusedError,
    UnknownAgreementError,
    UnknownBatchError,
    UnreachableError,
    UnusableKeyError,
)
from countersign.client.files import store_file, why_unreadable
from countersign.client.listing import (
    agreement_query,
    count_agreements,
    count_by_stage,
    matching_agreements,
)
from countersign.client.settings import load_settings
from countersign.client.store import open_own_store
from countersign.client.tables import (
    Adapt,
    Mistake,
    Row,
    UnusableTableError,
    as_written,
    check_table,
)
from countersign.client.worker_calls import ask
from countersign.settings import CountersignSettings
from countersign.storage import StorageError, put

CALLS_PER_AGREEMENT: Final = {"template": 8, "roles": 5, "file": 5, "link": 5, "deliverable": 5}
"""Provider calls of an agreement from its start to its archive, without checks while it waits."""
_RPC_TIMEOUT: Final = timedelta(seconds=10)
_LOOK_EVERY: Final = 2.0
FAILED: Final = "failed"
"""Where agreements are counted that ended without an outcome, beside the stages."""
_NO_ROWS: Final = Mistake(0, "", "it has no rows")


@dataclass(slots=True)
class CheckedTable:
    """What `check_batch` found.

    Args:
        rows: How many rows can be started.
        mistakes: All mistakes, by line.
        calls: Provider calls that the rows need until they are archived, without checks while they wait.
    """

    rows: int = 0
    mistakes: list[Mistake] = field(default_factory=list)
    calls: int = 0


class BatchView(BaseModel):
    """How far a batch and its agreements have come.

    Args:
        batch: Its name.
        rows: How many rows it has.
        progress: What became of the rows so far.
        stages: How many of its agreements are at each stage, and how many are `failed`.
        is_running: Whether rows are still being started.
    """

    model_config = ConfigDict(frozen=True)

    batch: str
    rows: int
    progress: BatchProgress
    stages: dict[str, int]
    is_running: bool

    @classmethod
    def at_start(cls, batch: str, rows: int) -> Self:
        """Return the view of a batch that has just started, without asking its worker."""
        return cls(batch=batch, rows=rows, progress=BatchProgress(), stages={}, is_running=True)


async def check_batch(
    path: Path,
    *,
    ask_provider: bool = True,
    adapt: Adapt = as_written,
    most: int | None = None,
    on_row: Callable[[int], None] = lambda _: None,
) -> CheckedTable:
    """Check every row of a table, and each of its templates once with the provider; start nothing.

    Args:
        path: The table, see `countersign.client.tables`.
        ask_provider: Check templates, variables and roles with the provider, if its key is set.
        adapt: Completes and restricts a row before it is checked.
        most: Stop after so many mistakes.
        on_row: Called with the number of checked rows.

    Raises:
        BadInputError: The file cannot be read, its header has mistakes, or it has no rows.
        UnreachableError: The provider does not respond.
    """
    table = CheckedTable()
    asked: dict[object, str] = {}
    async with aclosing(check_table(path, adapt=adapt)) as rows:
        async for found in rows:
            if most is not None and len(table.mistakes) >= most:
                break
            if isinstance(found, Mistake):
                table.mistakes.append(found)
                continue
            mistake = await _at_provider(found.line, found.agreement, asked) if ask_provider else None
            if mistake:
                table.mistakes.append(mistake)
            else:
                table.rows += 1
            table.calls += CALLS_PER_AGREEMENT[found.agreement.source.kind]
            on_row(table.rows + len(table.mistakes))
    if not table.rows and not table.mistakes:
        raise UnusableTableError(path, _NO_ROWS)
    return table


async def _at_provider(line: int, agreement: AgreementInput, asked: dict[object, str]) -> Mistake | None:
    """Check a row with the provider, once for all rows that ask the same.

    Raises:
        UnusableKeyError: The account cannot be used, which is no row's mistake.
        UnreachableError: The provider does not respond.
    """
    source = agreement.source
    if not isinstance(source, TemplateSource | RolesSource):
        return None
    names = frozenset(source.variables) if isinstance(source, TemplateSource) else frozenset()
    roles = tuple(signer.role for signer in agreement.signers)
    key = (agreement.account, source.kind, source.template_id, names, roles)
    if key not in asked:
        from countersign.client import provider  # noqa: PLC0415  # as in `start`

        asked[key] = ""
        try:
            account = provider.find_account(agreement.account)
            if provider.has_key(account):
                await provider.check_at_provider(agreement, account)
        except UnusableKeyError:
            raise
        except BadInputError as error:
            asked[key] = str(error)
    if not asked[key]:
        return None
    account_problem = asked[key].removeprefix("account: ")
    if account_problem != asked[key]:
        return Mistake(line, "account", account_problem)
    return Mistake(line, "template", asked[key])


def check_batch_name(batch: str) -> str:
    """Check a batch's name and return it.

    Raises:
        BadInputError: It is malformed.
    """
    if re.fullmatch(BATCH_NAME, batch) is None:
        raise BadInputError("batch: use 3 to 40 lower-case letters, digits and dashes, no personal data")
    return batch


async def is_batch_of(
    path: Path, batch: str, *, owner: BatchOwner | None = None, client: Client | None = None
) -> bool:
    """Return whether a batch was started from this table, by this owner; False if there is no such batch.

    Raises:
        BatchTakenError: It was started from another table, or by somebody else.
        UnreachableError: Temporal does not respond.
    """
    try:
        existing = await batch_input(batch, client=client)
    except UnknownBatchError:
        return False
    if existing.table_sha256 != await asyncio.to_thread(_hash, path, owner):
        raise BatchTakenError(f"the batch {batch} was started from another table: choose another name")
    return True


async def start_batch(
    path: Path,
    batch: str,
    *,
    adapt: Adapt = as_written,
    owner: BatchOwner | None = None,
    client: Client | None = None,
    on_row: Callable[[int], None] = lambda _: None,
) -> bool:
    """Store the rows of a checked table and start its batch; the same table again joins it.

    Args:
        path: A table that `check_batch` found without mistakes.
        batch: The batch's name: 3 to 40 lower-case letters, digits and dashes.
        adapt: Completes and restricts a row before it is checked.
        owner: Whose batch it is; the same table of another owner is another table.
        client: A connection to use; by default a shared one.
        on_row: Called with the number of stored rows.

    Returns:
        Whether it was started now.

    Raises:
        BadInputError: The name is malformed; nothing was started.
        UnusableTableError: A row has a mistake, or there is none; nothing was started.
        BatchTakenError: The batch was started from another table.
        UnreachableError: Temporal or the store does not respond.
    """
    client = client or await shared_client()
    if await is_batch_of(path, check_batch_name(batch), owner=owner, client=client):
        return False
    sha256 = await asyncio.to_thread(_hash, path, owner)
    request = BatchInput(batch=batch, rows=1, table_sha256=sha256, owner=owner)
    rows = await _store_rows(client, path, request, adapt, on_row)
    request = request.model_copy(update={"rows": rows})
    settings = load_settings(CountersignSettings)
    async with explained(batch):
        try:
            await client.start_workflow(
                BULK_WORKFLOW,
                request,
                id=BATCH_ID_PREFIX + batch,
                task_queue=settings.task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary=f"{rows} agreements",
                rpc_timeout=_RPC_TIMEOUT,
            )
        except WorkflowAlreadyStartedError:  # meanwhile, by the same command or with another table
            return not await is_batch_of(path, batch, owner=owner, client=client)
    return True


async def _store_rows(
    client: Client, path: Path, request: BatchInput, adapt: Adapt, on_row: Callable[[int], None]
) -> int:
    """Put the rows into the store, chunk by chunk, and the files that they need.

    A chunk that is there stays: relative deadlines of the first attempt count.
    """
    store, keys = open_own_store(client)
    key = partial(keys.rows, request.batch, request.table_sha256)
    stored: set[str] = set()
    chunk: list[str] = []
    count = 0
    try:
        async for row in check_table(path, adapt=adapt):
            if isinstance(row, Mistake):
                raise UnusableTableError(path, row)
            for file in row.files:
                if file.key not in stored:
                    await store_file(file)
                    stored.add(file.key)
            chunk.append(_row_line(row))
            count += 1
            if len(chunk) == CHUNK_ROWS:
                await put(store, key(count // CHUNK_ROWS - 1), "".join(chunk).encode())
                chunk.clear()
                on_row(count)
        if chunk:
            await put(store, key(count // CHUNK_ROWS), "".join(chunk).encode())
    except StorageError as error:
        raise UnreachableError(f"{error}; run the same command again") from None
    on_row(count)
    if not count:
        raise UnusableTableError(path, _NO_ROWS)
    return count


def _row_line(row: Row) -> str:
    agreement = row.agreement.model_dump(mode="json", exclude_none=True)
    return json.dumps({"line": row.line, "agreement": agreement}) + "\n"


async def batch_status(batch: str, *, client: Client | None = None) -> BatchView:
    """Return how far a batch and its agreements have come; a worker is asked only while it runs.

    Raises:
        NoWorkerError: No worker responds.
        UnknownBatchError: There is no such batch.
        UnreachableError: Temporal does not respond, or the worker cannot.
    """
    client = client or await shared_client()
    handle = _handle(client, batch)
    recorded = await batch_input(batch, client=client)
    async with explained(batch):
        described = await handle.describe()
        if described.status is WorkflowExecutionStatus.COMPLETED:
            progress = await handle.result()
        else:
            progress = await ask(handle, batch, "progress", BatchProgress)
    counts = await count_by_stage(agreement_query(where=of_batch(batch), ended=True), client=client)
    failed = await count_agreements(agreement_query(where=of_batch(batch), failed=True), client=client)
    stages = {stage.value: count for stage, count in counts.items()} | {FAILED: failed}
    return BatchView(
        batch=batch,
        rows=recorded.rows,
        progress=progress,
        stages={stage: count for stage, count in stages.items() if count},
        is_running=described.close_time is None,
    )


async def follow_batch(batch: str, *, client: Client | None = None) -> AsyncIterator[BatchView]:
    """Yield the batch's view whenever it has changed, until every row is sent, refused or ended.

    Raises:
        UnknownBatchError: There is no such batch.
        UnreachableError: See `batch_status`.
    """
    last: BatchView | None = None
    while True:
        view = await batch_status(batch, client=client)
        if view != last:
            yield view
            last = view
        open_ = sum(view.stages.get(stage, 0) for stage in (Stage.GENERATING, Stage.SENDING))
        if not view.is_running and not open_:
            return
        await asyncio.sleep(_LOOK_EVERY)


async def pause_batch(batch: str, *, client: Client | None = None) -> None:
    """Start no further rows until `resume_batch`."""
    await _signal(batch, "pause", client)


async def resume_batch(batch: str, *, client: Client | None = None) -> None:
    """Go on after a pause."""
    await _signal(batch, "resume", client)


async def cancel_batch(batch: str, *, void: bool, client: Client | None = None) -> None:
    """Start no further rows; void the agreements that were started, or leave them."""
    await _signal(batch, "cancel", client, void)


async def _signal(batch: str, name: str, client: Client | None, *arguments: object) -> None:
    """Signal a batch.

    Raises:
        BatchEndedError: It starts no further rows.
        UnknownBatchError: There is no such batch.
        UnreachableError: Temporal does not respond.
    """
    client = client or await shared_client()
    try:
        async with explained(batch):
            await _handle(client, batch).signal(name, args=list(arguments), rpc_timeout=_RPC_TIMEOUT)
    except RefusedError:
        raise BatchEndedError(
            f"{batch}: has ended and starts no further rows; void its agreements with "
            f"`countersign void --where '{of_batch(batch)}' --reason …`"
        ) from None
    except UnknownAgreementError:
        raise _unknown(batch) from None


class ReportRow(BaseModel):
    """What became of a row of a batch.

    Args:
        reference: The agreement's reference.
        stage: Its stage, how it ended, `failed` or `refused`.
        waiting_for: Who or what it waits for.
        needs_attention: Whether a person must decide something.
        started_at: When it started.
        ended_at: When it ended.
        refused: Why the row could not be started.
    """

    model_config = ConfigDict(frozen=True)

    reference: str
    stage: str | None
    waiting_for: str | None = None
    needs_attention: bool = False
    started_at: datetime | None = None
    ended_at: datetime | None = None
    refused: str | None = None

    def cells(self) -> list[str]:
        """Return the cells of a table, in the order of `REPORT_HEADER`."""
        return [_cell(value) for value in dict(self).values()]


REPORT_HEADER: Final = tuple(ReportRow.model_fields)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return ("yes" if value else "") if isinstance(value, bool) else str(value or "")


async def batch_report(
    batch: str, *, where: str | None = None, client: Client | None = None
) -> AsyncIterator[ReportRow]:
    """Yield what became of the rows: the agreements that were started, the newest first, then refused rows.

    A row whose agreement existed before is left out: it belongs to the batch that started it.

    Args:
        batch: The batch.
        where: Only agreements that match this condition in Temporal's list filter language.
        client: A connection to use; by default a shared one.

    Raises:
        UnknownBatchError: There is no such batch.
        UnreachableError: Temporal or the store does not respond.
    """
    client = client or await shared_client()
    recorded = await batch_input(batch, client=client)
    condition = f"{of_batch(batch)} and ({where})" if where else of_batch(batch)
    async for found in matching_agreements(agreement_query(where=condition, ended=True), client=client):
        yield ReportRow(
            reference=found.reference,
            stage=FAILED if found.failed else found.stage,
            waiting_for=found.waiting_for,
            needs_attention=found.needs_attention,
            started_at=found.started_at,
            ended_at=found.ended_at,
        )
    async for row in _refused(client, recorded):
        yield ReportRow(reference=row.reference, stage="refused", refused=row.reason)


async def failed_references(batch: str, *, client: Client | None = None) -> set[str]:
    """Return the references of a batch's rows that were refused or whose agreement failed, in lower case.

    Raises:
        UnknownBatchError: There is no such batch.
        UnreachableError: Temporal or the store does not respond.
    """
    return {
        row.reference.lower()
        async for row in batch_report(batch, client=client)
        if row.stage in {FAILED, "refused"}
    }


async def _refused(client: Client, recorded: BatchInput) -> AsyncIterator[RefusedRow]:
    store, keys = open_own_store(client)
    try:
        for chunk in range(recorded.chunks):
            key = keys.refused_rows(recorded.batch, recorded.table_sha256, chunk)
            if await store.size(key) is not None:
                for line in (await store.read(key)).decode().splitlines():
                    yield RefusedRow.model_validate_json(line)
    except StorageError as error:
        raise UnreachableError(str(error)) from None


async def batch_input(batch: str, *, client: Client | None = None) -> BatchInput:
    """Return what a batch was started with.

    Raises:
        UnknownBatchError: There is no such batch.
        UnreachableError: Temporal does not respond.
    """
    client = client or await shared_client()
    try:
        async with explained(batch):
            first = await anext(_handle(client, batch).fetch_history_events(page_size=1))
            payloads = first.workflow_execution_started_event_attributes.input.payloads
            (value,) = await client.data_converter.decode(payloads, [BatchInput])
            return BatchInput.model_validate(value)
    except UnknownAgreementError:
        raise _unknown(batch) from None


def _unknown(batch: str) -> UnknownBatchError:
    return UnknownBatchError(f"{batch}: no such batch")


def _handle(client: Client, batch: str) -> WorkflowHandle[object, BatchProgress]:
    return client.get_workflow_handle(BATCH_ID_PREFIX + batch, result_type=BatchProgress)


def of_batch(batch: str) -> str:
    """Return the condition in Temporal's list filter language that selects the agreements of a batch."""
    return f'{search_attributes.BATCH.name} = "{batch}"'


def _hash(path: Path, owner: BatchOwner | None) -> str:
    """Return the hash of a table; rows of two owners differ, although their tables may not."""
    bounds = owner.model_dump_json().encode() if owner else b""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            digest.update(bounds)
            return digest.hexdigest()
    except OSError as error:
        raise BadInputError(f"{path}: {why_unreadable(error)}") from None
