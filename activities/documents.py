"""The activity that generates the document."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.errors import provider_errors
from activities.requests import GenerateRequest
from countersign.agreements.failures import SOURCE_UNUSABLE
from countersign.agreements.messages import DeliverableSource
from countersign.agreements.reference import idempotency_key
from countersign.providers.port import DocumentGenerator, SignatureProvider


class DocumentActivities:
    """Steps that make documents.

    Args:
        provider: The provider.
    """

    def __init__(self, provider: SignatureProvider) -> None:
        self._provider = provider

    @activity.defn
    async def generate(self, request: GenerateRequest) -> DeliverableSource:
        """Generate from a template: two calls, three when it is repeated; one less if cached.

        A retry searches for the result of an earlier attempt: a second document is harmless, and billed. The
        variables are compared first, because the provider would accept others and print `{Price}`.
        """
        source, provider = request.source, self._provider
        if not isinstance(provider, DocumentGenerator):
            raise _unusable("the account's provider generates no documents")
        with provider_errors():
            if activity.info().attempt > 1 and (
                found := await provider.find_generated(request.title, request.marker)
            ):
                return DeliverableSource(deliverable_id=found)
            if wrong := await self._provider.source_problems(source, ()):
                raise _unusable(f"template {source.template_id}: {'; '.join(wrong)}")
            made = await provider.generate(
                request.title,
                request.marker,
                template_id=source.template_id,
                variables=source.variables,
                idempotency_key=idempotency_key(request.marker, "generate"),
            )
        return DeliverableSource(deliverable_id=made)


def _unusable(message: str) -> ApplicationError:
    return ApplicationError(message, type=SOURCE_UNUSABLE, non_retryable=True)
