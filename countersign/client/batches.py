"""Start many agreements from a table, follow them, pause, cancel and report."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from countersign.agreements import search_attributes
from countersign.agreements.batches import (
    BATCH_ID_PREFIX,
    BULK_WORKFLOW,
    CHUNK_ROWS,
    BatchInput,
    BatchProgress,
    RefusedRow,
)
from countersign.agreements.messages import AgreementInput, RolesSource, Stage, TemplateSource
from countersign.client.connections import explained, shared_client
from countersign.client.errors import (
    BadInputError,
    ReferenceTakenError,
    UnknownAgreementError,
    UnreachableError,
)
from countersign.client.files import store_file
from countersign.client.listing import ListedAgreement, agreement_query, count_by_stage, list_agreements
from countersign.client.settings import load_settings
from countersign.client.tables import Mistake, Row, check_table
from countersign.connection import namespace
from countersign.settings import CountersignSettings
from countersign.storage import StorageError, Store, UnusableStoreError, open_store, put
from countersign.storage.store import StoreKeys

CALLS_PER_AGREEMENT: Final = {"template": 8, "roles": 5, "file": 5, "link": 5, "deliverable": 5}
"""Provider calls of an agreement from its start to its archive, without checks while it waits."""
_RPC_TIMEOUT: Final = timedelta(seconds=10)
_LOOK_EVERY: Final = 2.0


@dataclass(slots=True)
class CheckedTable:
    """What `check_batch` found.

    Args:
        rows: How many rows can be started.
        mistakes: All mistakes, by line.
        calls: Provider calls that the rows need until they are archived, without checks while they wait.
        sha256: The hash of the file.
    """

    rows: int = 0
    mistakes: list[Mistake] = field(default_factory=list)
    calls: int = 0
    sha256: str = ""


class BatchView(BaseModel):
    """How far a batch and its agreements have come.

    Args:
        batch: Its name.
        rows: How many rows it has.
        progress: What became of the rows so far.
        stages: How many of its agreements are at each stage; those without a stage failed.
        is_running: Whether rows are still being started.
    """

    model_config = ConfigDict(frozen=True)

    batch: str
    rows: int
    progress: BatchProgress
    stages: dict[str, int]
    is_running: bool


async def check_batch(
    path: Path, *, ask_provider: bool = True, on_row: Callable[[int], None] = lambda _: None
) -> CheckedTable:
    """Check every row of a table, and each of its templates once with the provider; start nothing.

    Args:
        path: The table, see `countersign.client.tables`.
        ask_provider: Check templates, variables and roles with the provider, if its key is set.
        on_row: Called with the number of checked rows.

    Raises:
        BadInputError: The file cannot be read, or its header has mistakes.
        UnreachableError: The provider does not respond.
    """
    table = CheckedTable(sha256=await asyncio.to_thread(_hash, path))
    asked: dict[object, tuple[str, ...]] = {}
    async for found in check_table(path):
        if isinstance(found, Mistake):
            table.mistakes.append(found)
            continue
        problems = await _provider_problems(found.agreement, asked) if ask_provider else ()
        table.mistakes += [Mistake(found.line, "template", problem) for problem in problems]
        table.rows += not problems
        table.calls += CALLS_PER_AGREEMENT[found.agreement.source.kind]
        on_row(table.rows + len(table.mistakes))
    return table


async def _provider_problems(
    agreement: AgreementInput, asked: dict[object, tuple[str, ...]]
) -> tuple[str, ...]:
    source = agreement.source
    if not isinstance(source, TemplateSource | RolesSource):
        return ()
    names = frozenset(source.variables) if isinstance(source, TemplateSource) else frozenset()
    roles = tuple(signer.role for signer in agreement.signers)
    key = (agreement.account, source.kind, source.template_id, names, roles)
    if key not in asked:
        from countersign.client import provider  # noqa: PLC0415  # as in `start`

        account = provider.find_account(agreement.account)
        if not provider.has_key(account):
            asked[key] = ()
        else:
            try:
                await provider.check_at_provider(agreement, account)
                asked[key] = ()
            except BadInputError as error:
                asked[key] = (str(error),)
    return asked[key]


async def start_batch(
    path: Path,
    batch: str,
    *,
    client: Client | None = None,
    on_row: Callable[[int], None] = lambda _: None,
) -> bool:
    """Store the rows of a checked table and start its batch; the same table again joins it.

    Args:
        path: A table that `check_batch` found without mistakes.
        batch: The batch's name: 3 to 40 lower-case letters, digits and dashes.
        client: A connection to use; by default a shared one.
        on_row: Called with the number of stored rows.

    Returns:
        Whether it was started now.

    Raises:
        BadInputError: The name is malformed, or a row has a mistake; nothing was started.
        ReferenceTakenError: The batch was started from another table.
        UnreachableError: Temporal or the store does not respond.
    """
    sha256 = await asyncio.to_thread(_hash, path)
    client = client or await shared_client()
    try:
        request = BatchInput(batch=batch, rows=1, table_sha256=sha256)
    except ValidationError:
        raise BadInputError(
            "--batch: use 3 to 40 lower-case letters, digits and dashes, no personal data"
        ) from None
    if (existing := await _recorded(client, batch)) is not None:
        if existing.table_sha256 != sha256:
            raise ReferenceTakenError(
                f"the batch {batch} was started from another table: choose another --batch"
            )
        return False
    rows = await _store_rows(path, request, on_row)
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
        except WorkflowAlreadyStartedError:  # by the same command, elsewhere
            return False
    return True


async def _store_rows(path: Path, request: BatchInput, on_row: Callable[[int], None]) -> int:
    """Put the rows into the store, chunk by chunk, and the files that they need.

    A chunk that is there stays: relative deadlines of the first attempt count.
    """
    store, keys = _store()
    key = partial(keys.rows, request.batch, request.table_sha256)
    stored: set[str] = set()
    chunk: list[str] = []
    count = 0
    try:
        async for row in check_table(path):
            if isinstance(row, Mistake):
                raise BadInputError(
                    f"{path}, line {row.line}: {row.column} {row.reason}; `bulk check` shows all"
                )
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
        raise BadInputError(f"{path}: it has no rows")
    return count


def _row_line(row: Row) -> str:
    agreement = row.agreement.model_dump(mode="json", exclude_none=True)
    return json.dumps({"line": row.line, "agreement": agreement}) + "\n"


async def batch_status(batch: str, *, client: Client | None = None) -> BatchView:
    """Return how far a batch and its agreements have come.

    Raises:
        UnknownAgreementError: There is no such batch.
        UnreachableError: Temporal or every worker does not respond.
    """
    client = client or await shared_client()
    handle = _handle(client, batch)
    recorded = await _recorded(client, batch)
    if recorded is None:
        raise UnknownAgreementError(f"{batch}: no such batch")
    async with explained(batch):
        described = await handle.describe()
        progress = await handle.query("progress", result_type=BatchProgress, rpc_timeout=_RPC_TIMEOUT)
    counts = await count_by_stage(agreement_query(where=_of(batch), ended=True), client=client)
    stages = {stage.value: count for stage, count in counts.items() if count}
    return BatchView(
        batch=batch,
        rows=recorded.rows,
        progress=progress,
        stages=stages,
        is_running=described.close_time is None,
    )


async def follow_batch(batch: str, *, client: Client | None = None) -> AsyncIterator[BatchView]:
    """Yield the batch's view whenever it has changed, until every row is sent, refused or ended.

    Raises:
        UnknownAgreementError: There is no such batch.
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
        RefusedError: All its rows are started.
        UnknownAgreementError: There is no such batch.
        UnreachableError: Temporal does not respond.
    """
    client = client or await shared_client()
    async with explained(batch):
        await _handle(client, batch).signal(name, args=list(arguments), rpc_timeout=_RPC_TIMEOUT)


async def batch_agreements(batch: str, *, client: Client | None = None) -> list[ListedAgreement]:
    """Return all agreements that a batch has started, the oldest first."""
    return await list_agreements(where=_of(batch), ended=True, limit=1_000_000, client=client)


async def refused_rows(batch: str, *, client: Client | None = None) -> list[RefusedRow]:
    """Return the rows of a batch that could not be started, by line.

    Raises:
        UnknownAgreementError: There is no such batch.
        UnreachableError: Temporal or the store does not respond.
    """
    client = client or await shared_client()
    recorded = await _recorded(client, batch)
    if recorded is None:
        raise UnknownAgreementError(f"{batch}: no such batch")
    store, keys = _store()
    found: list[RefusedRow] = []
    try:
        for chunk in range(recorded.chunks):
            key = keys.refused_rows(batch, recorded.table_sha256, chunk)
            if await store.find(key) is not None:
                text = (await store.read(key)).decode()
                found += map(RefusedRow.model_validate_json, text.splitlines())
    except StorageError as error:
        raise UnreachableError(str(error)) from None
    return found


async def _recorded(client: Client, batch: str) -> BatchInput | None:
    """Return the input of the batch's first run; None if there is no such batch."""
    try:
        async with explained(batch):
            async for event in _handle(client, batch).fetch_history_events(page_size=1):
                payloads = event.workflow_execution_started_event_attributes.input.payloads
                (value,) = await client.data_converter.decode(payloads, [BatchInput])
                return value if isinstance(value, BatchInput) else None
    except UnknownAgreementError:
        return None
    return None


def _handle(client: Client, batch: str) -> WorkflowHandle[object, BatchProgress]:
    return client.get_workflow_handle(BATCH_ID_PREFIX + batch)


def _of(batch: str) -> str:
    return f'{search_attributes.BATCH.name} = "{batch}"'


def _store() -> tuple[Store, StoreKeys]:
    settings = load_settings(CountersignSettings)
    try:
        return open_store(settings.store), StoreKeys(settings.environment, namespace())
    except UnusableStoreError as error:
        raise BadInputError(str(error)) from None


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror}") from None
