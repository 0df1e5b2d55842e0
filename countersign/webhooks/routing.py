"""Which workflow is an event for? Its title's marker says it, or, only where enabled, the document's id."""

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from temporalio.client import Client

from countersign.agreements import reference
from countersign.webhooks.adapter import ParsedDelivery

MISS_SECONDS: Final = 10
MISS_LIMIT: Final = 10_000
"""Document ids remembered as nobody's: a subscription brings every event of strangers' documents."""

_QUERYABLE: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


class Markers:
    """Reads whose document it is from its title; asks nobody.

    Args:
        environment: The environment that our markers were made for.
        namespace: The namespace that they were made for.
    """

    def __init__(self, *, environment: str, namespace: str) -> None:
        self._environment = environment
        self._namespace = namespace

    def find(self, title: str | None) -> str | None:
        """Return the workflow's id if the title bears a marker of ours."""
        mark = reference.find_marker(title or "")
        if mark is None or not reference.is_ours(
            mark, environment=self._environment, namespace=self._namespace
        ):
            return None
        return reference.workflow_id(mark.reference)


class Documents:
    """Finds the workflow of a document that bears no marker, by its `DocumentId` search attribute.

    Args:
        client: Where workflows are looked up.
        clock: Seconds, monotonic.
    """

    def __init__(self, client: Client, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._misses: OrderedDict[str, float] = OrderedDict()

    async def find(self, document_id: str | None) -> str | None:
        """Return the workflow's id, or None if no workflow has such a document.

        Raises:
            RPCError: Temporal cannot tell, or throttles us.
        """
        if document_id is None or not _QUERYABLE.fullmatch(document_id) or self._missed(document_id):
            return None
        query = f"DocumentId = '{document_id}'"
        async for found in self._client.list_workflows(query, page_size=1, limit=1):
            return found.id
        self._misses[document_id] = self._clock() + MISS_SECONDS
        if len(self._misses) > MISS_LIMIT:
            self._misses.popitem(last=False)
        return None

    def _missed(self, document_id: str) -> bool:
        forget_at = self._misses.get(document_id)
        if forget_at is None or self._clock() < forget_at:
            return forget_at is not None
        del self._misses[document_id]
        return False


class Routes:
    """Markers first; documents' ids for titles without one, if they are to be looked up at all."""

    def __init__(self, markers: Markers, documents: Documents | None = None) -> None:
        self._markers = markers
        self._documents = documents

    async def find(self, parsed: ParsedDelivery) -> str | None:
        """Return the id of the workflow that an event is for; None if it is not ours.

        Raises:
            RPCError: A document's id had to be looked up and Temporal could not tell.
        """
        if reference.find_marker(parsed.title or "") is not None or self._documents is None:
            return self._markers.find(parsed.title)
        return await self._documents.find(parsed.event.document_id)
