"""The activity that generates the document."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.errors import provider_errors
from activities.requests import GenerateRequest
from countersign.agreements.failures import SOURCE_UNUSABLE
from countersign.agreements.messages import DeliverableSource, TemplateSource
from countersign.agreements.reference import idempotency_key, mark_title
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.providers.turbodocx.templates import TemplateVariables


class DocumentActivities:
    """Steps that make documents.

    Args:
        client: The provider.
    """

    def __init__(self, client: TurboDocxClient) -> None:
        self._client = client
        self._variables = TemplateVariables(client)

    @activity.defn
    async def generate(self, request: GenerateRequest) -> DeliverableSource:
        """Generate from a template: two calls, three when it is repeated; one less if cached.

        A retry searches for the result of an earlier attempt: a second document is harmless, and billed.
        """
        mark = request.marker
        name = mark_title(request.title, mark)
        with provider_errors():
            if activity.info().attempt > 1:
                for found in await self._client.find_deliverables(str(mark)):
                    if found.name == name:
                        return DeliverableSource(deliverable_id=found.id)
            await self._check(request.source)
            made = await self._client.create_deliverable(
                name=name,
                template_id=request.source.template_id,
                variables=request.source.variables,
                idempotency_key=idempotency_key(mark, "generate"),
            )
        return DeliverableSource(deliverable_id=made.id)

    async def _check(self, source: TemplateSource) -> None:
        """Reject variables that do not fit: the provider accepts them and prints `{Price}`."""
        if wrong := await self._variables.misfits(source):
            raise ApplicationError(
                f"template {source.template_id}: {'; '.join(wrong)}",
                type=SOURCE_UNUSABLE,
                non_retryable=True,
            )
