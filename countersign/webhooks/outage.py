"""Tell operators when Temporal goes out of reach and when it is back: deliveries are refused meanwhile."""

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
async def report_outages(client: Client, readiness: Readiness) -> AsyncIterator[None]:
    """Log that Temporal cannot be reached, at once if that is so at start, and that it can be again.

    Args:
        client: The connection that is watched.
        readiness: Asks it.
    """
    address = client.service_client.config.target_host
    watch = asyncio.create_task(_watch(readiness, address, client.namespace), name="outages")
    try:
        yield
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch


async def _watch(readiness: Readiness, address: str, namespace: str) -> None:
    was_reached = True
    while True:
        is_reached = await readiness.ask()
        if was_reached and not is_reached:
            logger.warning(
                "cannot reach Temporal at %s, namespace %s; deliveries are answered 503 until it can",
                address,
                namespace,
            )
        if is_reached and not was_reached:
            logger.warning("Temporal at %s, namespace %s, is reached again", address, namespace)
        was_reached = is_reached
        await asyncio.sleep(CHECK_SECONDS)
