"""The activity that archives a completed document with its evidence."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeat import ThrottledHeartbeat
from activities.pdf import NotAPdfError, check_pdf
from activities.requests import ArchiveOutcome, ArchiveRequest
from activities.signatures import observe
from countersign.agreements.events import EventKind
from countersign.agreements.failures import ARCHIVE_FAILED
from countersign.agreements.messages import Archive, Observation, Outcome, StoredDocument
from countersign.evidence import LARGEST_DOCUMENT, evidence_bytes, timeline_content
from countersign.observability.metrics import ARCHIVE_BYTES
from countersign.providers.errors import ProviderError
from countersign.providers.port import SignatureProvider
from countersign.providers.retry_table import provider_errors, to_application_error
from countersign.storage import StorageError, Store, StoredFile, put
from countersign.storage.store import StoreKeys


class ArchiveActivities:
    """The archiving activity.

    Args:
        provider: The provider.
        store: Where the archive is.
        keys: Where in the store.
    """

    def __init__(self, provider: SignatureProvider, store: Store, keys: StoreKeys) -> None:
        self._provider = provider
        self._store = store
        self._keys = keys

    @activity.defn
    async def archive(self, request: ArchiveRequest) -> ArchiveOutcome:
        """Confirm with the provider that a document is completed and, if so, store it.

        Three calls, and one download; more if the provider has further files.

        Files that an earlier attempt stored stay; every attempt gets a fresh link. A failure after the
        confirmation carries the observation, so that signed stays signed while the archive fails.
        """
        heartbeat = ThrottledHeartbeat()
        with provider_errors():
            observation = await observe(self._provider, request.document_id)
        if observation.status != EventKind.COMPLETED:
            return ArchiveOutcome(observation=observation)
        try:
            return ArchiveOutcome.of(observation, await self._store_all(request, observation, heartbeat))
        except ProviderError as error:
            raise _failed(str(error), observation, like=to_application_error(error)) from None
        except (StorageError, NotAPdfError) as error:
            raise _failed(str(error), observation) from None

    async def _store_all(
        self, request: ArchiveRequest, observation: Observation, heartbeat: ThrottledHeartbeat
    ) -> Archive:
        """Store all files; those of the provider at the same time. If some fail, the others are stored."""
        reference = request.reference
        document, audit_trail, attachments = await asyncio.gather(
            self._document(request, heartbeat),
            self._audit_trail(request),
            self._attachments(request, heartbeat),
            return_exceptions=True,
        )
        if isinstance(document, BaseException):
            raise document
        if isinstance(audit_trail, BaseException):
            raise audit_trail
        if isinstance(attachments, BaseException):
            raise attachments
        content = timeline_content(
            request.timeline,
            reference=reference,
            document_id=request.document_id,
            sha256=document.sha256,
            signers=len(observation.recipients),
        )
        archive = Archive(
            document=_stored(document),
            audit_trail=audit_trail,
            timeline=await self._evidence(self._keys.timeline(reference), content),
            attachments=attachments,
        )
        await self._evidence(self._keys.end(reference), _end(request, observation))
        return archive

    async def _audit_trail(self, request: ArchiveRequest) -> StoredDocument:
        content = await self._provider.audit_trail(request.document_id)
        return await self._evidence(self._keys.audit_trail(request.reference), content)

    async def _attachments(
        self, request: ArchiveRequest, heartbeat: ThrottledHeartbeat
    ) -> tuple[StoredDocument, ...]:
        found = await self._provider.attachments(request.document_id, heartbeat=heartbeat.beat)
        keys = [self._keys.attachment(request.reference, evidence.name) for evidence in found]
        puts = (put(self._store, key, evidence.content) for key, evidence in zip(keys, found, strict=True))
        return tuple(map(_stored, await asyncio.gather(*puts)))

    async def _document(self, request: ArchiveRequest, heartbeat: ThrottledHeartbeat) -> StoredFile:
        key = self._keys.signed_document(request.reference)
        is_repeated = activity.info().attempt > 1  # a first attempt need not ask the store
        if is_repeated and (stored := await self._store.find(key)):
            return stored
        heartbeat.beat()
        with self._store.draft() as draft:
            await self._provider.signed_pdf(
                request.document_id, draft, max_bytes=LARGEST_DOCUMENT, heartbeat=heartbeat.beat
            )
            draft.flush()
            await asyncio.gather(check_pdf(draft.path), asyncio.to_thread(draft.sync))
            stored = await self._store.publish(key, draft)
        ARCHIVE_BYTES.inc(stored.size)
        return stored

    async def _evidence(self, key: str, content: Any) -> StoredDocument:
        return _stored(await put(self._store, key, evidence_bytes(content)))


def _end(request: ArchiveRequest, observation: Observation) -> dict[str, str]:
    """Return what the store knows of an end; `purge` reads the time."""
    at = observation.at or datetime.now(UTC)
    return {"outcome": Outcome.COMPLETED, "at": at.isoformat(), "document_id": request.document_id}


def _stored(file: StoredFile) -> StoredDocument:
    return StoredDocument(key=file.key, size=file.size, sha256=file.sha256, url=file.url)


def _failed(
    message: str, observation: Observation, *, like: ApplicationError | None = None
) -> ApplicationError:
    """Fail with the observation; retryable, since only the archive is missing."""
    return ApplicationError(
        message,
        observation,
        *(like.details if like else ()),
        type=ARCHIVE_FAILED,
        next_retry_delay=like.next_retry_delay if like else None,
    )
