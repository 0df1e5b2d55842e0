"""The activity that generates the document."""

import asyncio
import hashlib

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.requests import GenerateRequest
from countersign.agreements.failures import SOURCE_UNUSABLE
from countersign.agreements.messages import DeliverableSource, TemplateSource
from countersign.agreements.reference import idempotency_key
from countersign.agreements.validation import images_of
from countersign.providers.port import DocumentGenerator, SignatureProvider
from countersign.providers.retry_table import provider_errors
from countersign.storage import StorageError, Store


class DocumentActivities:
    """Steps that make documents.

    Args:
        provider: The provider.
        store: Holds the images of variables.
    """

    def __init__(self, provider: SignatureProvider, store: Store) -> None:
        self._provider = provider
        self._store = store

    @activity.defn
    async def generate(self, request: GenerateRequest) -> DeliverableSource:
        """Generate from a template, for agreements that began before the send did it: three calls at most."""
        return await self.generate_once(request, is_repeated=activity.info().attempt > 1)

    async def generate_once(self, request: GenerateRequest, *, is_repeated: bool) -> DeliverableSource:
        """Generate from a template: two calls, three when it is repeated; one less if cached.

        The variables are compared first, because the provider would accept others and print `{Price}`.

        Args:
            request: The template and its variables.
            is_repeated: Search for the result of an earlier attempt: a second document is harmless, and
                billed.

        Raises:
            ApplicationError: By `providers/retry_table.py`, or `SourceUnusable`. Nothing was sent.
        """
        source, provider = request.source, self._provider
        if not isinstance(provider, DocumentGenerator):
            raise _unusable("the account's provider generates no documents")
        with provider_errors():
            if is_repeated and (found := await provider.find_generated(request.title, request.marker)):
                return DeliverableSource(deliverable_id=found)
            if wrong := await self._provider.source_problems(source, ()):
                raise _unusable(f"template {source.template_id}: {'; '.join(wrong)}")
            made = await provider.generate(
                request.title,
                request.marker,
                template_id=source.template_id,
                variables=source.variables,
                images=await self._images(source),
                idempotency_key=idempotency_key(request.marker, "generate"),
            )
        return DeliverableSource(deliverable_id=made)

    async def _images(self, source: TemplateSource) -> dict[str, bytes]:
        images: dict[str, bytes] = {}
        for image in images_of(source):
            try:
                content = await self._store.read(image.key)
            except StorageError as error:
                raise ApplicationError(str(error)) from None
            digest = await asyncio.to_thread(hashlib.sha256, content)
            if digest.hexdigest() != image.sha256:
                raise _unusable("variables: an image in the store is not the one that was put there")
            images[image.key] = content
        return images


def _unusable(message: str) -> ApplicationError:
    return ApplicationError(message, type=SOURCE_UNUSABLE, non_retryable=True)
