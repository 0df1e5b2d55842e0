"""Whether Temporal can be reached, for health checks of any frequency."""

import time
from datetime import timedelta
from typing import Final

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

CHECK_SECONDS: Final = 2
"""How long a result is reused, and how long Temporal may take to respond."""


class Readiness:
    """Checks that Temporal responds and knows the namespace. A process that has started has all else.

    Args:
        client: The connection to Temporal.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._is_reachable = False
        self._next_check_at = 0.0

    async def __call__(self) -> bool:
        """Return whether Temporal could be reached at most 2 s ago."""
        if time.monotonic() >= self._next_check_at:
            self._next_check_at = time.monotonic() + CHECK_SECONDS
            self._is_reachable = await self.check()
        return self._is_reachable

    async def check(self) -> bool:
        """Check the connection now, within 2 s if the client is connected."""
        request = DescribeNamespaceRequest(namespace=self._client.namespace)
        timeout = timedelta(seconds=CHECK_SECONDS)
        try:
            await self._client.workflow_service.describe_namespace(request, timeout=timeout)
        except (RPCError, RuntimeError):  # a lazy client raises RuntimeError if it cannot connect
            return False
        return True
