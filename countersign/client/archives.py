"""Archives that the store has lost: fetch them again from the provider, and compare them with the results."""

import hashlib
import json
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict
from temporalio.client import Client, WorkflowExecutionDescription

from countersign.agreements import search_attributes
from countersign.agreements.messages import AgreementStatus, Archive, Outcome, StoredDocument, TimelineEntry
from countersign.agreements.names import DEFAULT_ACCOUNT
from countersign.agreements.reference import InvalidReferenceError, workflow_id
from countersign.client.connections import explained, shared_client
from countersign.client.errors import BadInputError, RefusedError, UnreachableError
from countersign.client.provider import find_account, open_provider
from countersign.client.store import open_own_store
from countersign.client.worker_calls import ask, ask_status
from countersign.evidence import LARGEST_DOCUMENT, evidence_bytes, timeline_content
from countersign.providers.port import SignatureProvider
from countersign.storage import StorageError, Store, put
from countersign.storage.store import StoreKeys


class ArchivedAgain(BaseModel):
    """What the store holds again of one agreement.

    Args:
        reference: The agreement's reference.
        restored: The names of the files that were missing.
        differs: The names of evidence that was missing and whose SHA-256 is not the result's: the provider
            writes it anew, or has it no more.
    """

    model_config = ConfigDict(frozen=True)

    reference: str
    restored: tuple[str, ...]
    differs: tuple[str, ...]


async def archive_again(reference: str, *, client: Client | None = None) -> ArchivedAgain:
    """Put the files of a completed agreement that the store lacks there again, and its claim.

    The signed PDF is stored only if its SHA-256 is the one in the agreement's result. Files that are there
    stay.

    Args:
        reference: The agreement's reference.
        client: A connection to use; by default a shared one.

    Raises:
        BadInputError: The reference or a setting is invalid.
        RefusedError: The agreement has no archive, or a file is not the one of its result.
        UnknownAgreementError: Temporal has no such agreement.
        UnreachableError: Temporal, its worker, the provider or the store does not respond.
    """
    client = client or await shared_client()
    store, keys = open_own_store(client)
    try:
        handle = client.get_workflow_handle(workflow_id(reference))
    except InvalidReferenceError as error:
        raise BadInputError(str(error)) from None
    status = await ask_status(handle, reference)
    archive = status.result.archive if status.result else None
    if archive is None:
        raise RefusedError(f"{reference} has no archive: it is {status.stage.replace('_', ' ')}")
    async with explained(reference):
        described = await handle.describe()
        timeline = await ask(handle, reference, "timeline", list[TimelineEntry])
    try:
        missing = [file for file in _files(archive) if not await _is_there(store, file)]
        differs: list[str] = []
        if missing:
            account = find_account(described.typed_search_attributes.get(search_attributes.ACCOUNT))
            async with open_provider(account) as provider:
                differs = await _restore(store, provider, status, timeline, missing)
        await _claim_again(store, keys, status, described)
        restored = [_name(file) for file in missing if await store.size(file.key) is not None]
    except StorageError as error:
        raise UnreachableError(f"{reference}: {error}; retrying is safe") from None
    return ArchivedAgain(reference=reference, restored=tuple(restored), differs=tuple(differs))


async def _restore(
    store: Store,
    provider: SignatureProvider,
    status: AgreementStatus,
    timeline: Sequence[TimelineEntry],
    missing: Sequence[StoredDocument],
) -> list[str]:
    """Store what is missing; return the names of the files that differ from the result's."""
    if status.result is None or status.result.archive is None or status.document_id is None:
        return []
    archive, document_id = status.result.archive, status.document_id
    contents: dict[str, bytes] = {}
    if archive.document in missing:
        await _restore_document(store, provider, document_id, archive.document)
    if archive.audit_trail in missing:
        contents[archive.audit_trail.key] = evidence_bytes(await provider.audit_trail(document_id))
    if archive.timeline in missing:
        signers = len((await provider.document(document_id)).recipients)
        contents[archive.timeline.key] = _timeline(status.reference, document_id, archive, timeline, signers)
    if set(archive.attachments) & set(missing):
        found = await provider.attachments(document_id, heartbeat=lambda _: None)
        contents |= {
            file.key: evidence.content
            for file in archive.attachments
            for evidence in found
            if _name(file) == evidence.name
        }
    for file in missing:
        if file.key in contents:
            await put(store, file.key, contents[file.key])
    return [
        _name(file)
        for file in missing
        if file is not archive.document and _sha256(contents.get(file.key, b"")) != file.sha256
    ]


async def _restore_document(
    store: Store, provider: SignatureProvider, document_id: str, file: StoredDocument
) -> None:
    with store.draft() as draft:
        await provider.signed_pdf(document_id, draft, max_bytes=LARGEST_DOCUMENT, heartbeat=_no_heartbeat)
        if draft.sha256 != file.sha256:
            raise RefusedError(
                f"the provider's signed PDF of document {document_id} has the SHA-256 {draft.sha256}, not "
                f"{file.sha256} as in the agreement's result: it was not stored; ask the provider for it"
            )
        await store.publish(file.key, draft)


def _timeline(
    reference: str, document_id: str, archive: Archive, timeline: Sequence[TimelineEntry], signers: int
) -> bytes:
    """Write the timeline as it was when it was archived: entries were only added since."""
    content = b""
    for length in range(len(timeline) + 1):
        content = evidence_bytes(
            timeline_content(
                timeline[:length],
                reference=reference,
                document_id=document_id,
                sha256=archive.document.sha256,
                signers=signers,
            )
        )
        if _sha256(content) == archive.timeline.sha256:
            break
    return content


async def _claim_again(
    store: Store, keys: StoreKeys, status: AgreementStatus, described: WorkflowExecutionDescription
) -> None:
    """Claim the reference and record its end, so that it stays used; the tag is in the document's title."""
    claim = {
        "run_id": described.raw_description.workflow_execution_info.first_run_id or described.run_id,
        "tag": "",
        "at": described.start_time.isoformat(),
        "account": described.typed_search_attributes.get(search_attributes.ACCOUNT) or DEFAULT_ACCOUNT,
    }
    at = status.ended_at or described.close_time
    end = {"outcome": Outcome.COMPLETED, "at": at and at.isoformat(), "document_id": status.document_id}
    await put(store, keys.claim(status.reference), json.dumps(claim).encode())
    await put(store, keys.end(status.reference), evidence_bytes(end))


async def _is_there(store: Store, file: StoredDocument) -> bool:
    """Return whether a file is in the store.

    Raises:
        RefusedError: Another file is there under its key.
    """
    found = await store.find(file.key)
    if found is not None and found.sha256 != file.sha256:
        raise RefusedError(f"{file.key} is not the file of the agreement's result: move it away first")
    return found is not None


def _files(archive: Archive) -> tuple[StoredDocument, ...]:
    return (archive.document, archive.audit_trail, archive.timeline, *archive.attachments)


def _name(file: StoredDocument) -> str:
    return file.key.rpartition("/")[2]


def _no_heartbeat(_: int) -> None:
    """Report progress to no one: no time limit waits for it."""


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
