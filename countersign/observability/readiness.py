"""Does Temporal answer? Asked by load balancers, orchestrators, and strangers as often as they like."""

import time
from datetime import timedelta
from typing import Final

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

ASK_SECONDS: Final = 2
"""Temporal is asked this often at most, and waited for this long."""


class Readiness:
    """Ready while Temporal answers and knows the namespace; all else is there since the process has started.

    Args:
        client: The connection that is asked about.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._answer = False
        self._ask_again_at = 0.0

    async def __call__(self) -> bool:
        """Tell whether Temporal answered, as of 2 s ago or later."""
        if time.monotonic() >= self._ask_again_at:
            self._ask_again_at = time.monotonic() + ASK_SECONDS
            self._answer = await self.ask()
        return self._answer

    async def ask(self) -> bool:
        """Ask Temporal now; waits 2 s at most once there is a connection."""
        request = DescribeNamespaceRequest(namespace=self._client.namespace)
        timeout = timedelta(seconds=ASK_SECONDS)
        try:
            await self._client.workflow_service.describe_namespace(request, timeout=timeout)
        except (RPCError, RuntimeError):  # a lazy client that cannot connect raises RuntimeError
            return False
        return True
