"""Log when Temporal becomes unreachable, while callers get a 503, and when it is reachable again."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from temporalio.client import Client

from countersign.observability.readiness import Readiness

logger = logging.getLogger(__name__)

CHECK_SECONDS: Final = 3


@asynccontextmanager
async def report_outages(client: Client, readiness: Readiness, requests: str) -> AsyncIterator[None]:
    """Log outages of Temporal until the context ends. An outage at the start is logged at once.

    Args:
        client: The connection to Temporal.
        readiness: Checks the connection.
        requests: What gets a 503 meanwhile, for the log: `deliveries`.
    """
    address = client.service_client.config.target_host
    watch = asyncio.create_task(_watch(readiness, address, client.namespace, requests), name="outages")
    try:
        yield
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch


async def _watch(readiness: Readiness, address: str, namespace: str, requests: str) -> None:
    was_reachable = True
    while True:
        is_reachable = await readiness.check()
        if was_reachable and not is_reachable:
            logger.warning(
                "cannot reach Temporal at %s, namespace %s; until it can, %s get a 503",
                address,
                namespace,
                requests,
            )
        if is_reachable and not was_reachable:
            logger.warning("Temporal at %s, namespace %s, is reachable again", address, namespace)
        was_reachable = is_reachable
        await asyncio.sleep(CHECK_SECONDS)
