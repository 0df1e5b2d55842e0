from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.client import Client

from devstack.stack import Stack
from tests.workflows.office import Office


@pytest_asyncio.fixture
async def stack(standing_stack: tuple[Stack, Client]) -> AsyncIterator[Stack]:
    """The stack; its parts are restarted for the next test."""
    stack, _ = standing_stack
    yield stack
    for name in stack.parts:
        if not stack.supervisor.is_running(name):
            await stack.supervisor.restart(name)
    await stack.sandbox.call("DELETE", "/_sandbox/faults")


@pytest.fixture
def office(stack: Stack, standing_stack: tuple[Stack, Client]) -> Office:
    """Starts agreements on the stack's worker."""
    _, client = standing_stack
    return Office.on(stack, client)
