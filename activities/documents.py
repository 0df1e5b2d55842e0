"""Making the document to sign."""

from temporalio import activity

from activities.errors import provider_errors
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.reference import Marker, idempotency_key, mark_title
from workflows.messages import DeliverableSource
from workflows.tasks import GenerateInput


class DocumentActivities:
    """Steps that make documents.

    Args:
        client: The provider.
    """

    def __init__(self, client: TurboDocxClient) -> None:
        self._client = client

    @activity.defn
    async def generate(self, task: GenerateInput) -> DeliverableSource:
        """Generate from a template: one call, two when it is repeated.

        A repetition first looks for what an earlier attempt may have made: a second document harms nobody,
        but costs money.
        """
        mark = Marker(task.reference, task.tag)
        name = mark_title(task.title, mark)
        with provider_errors():
            if activity.info().attempt > 1:
                for found in await self._client.find_deliverables(str(mark)):
                    if found.name == name:
                        return DeliverableSource(deliverable_id=found.id)
            made = await self._client.create_deliverable(
                name=name,
                template_id=task.source.template_id,
                variables=task.source.variables,
                idempotency_key=idempotency_key(mark, "generate"),
            )
        return DeliverableSource(deliverable_id=made.id)
