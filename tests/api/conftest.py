"""The API of the standing stack, over HTTP."""

import uuid
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from temporalio.client import Client

from devstack.stack import Stack
from tests.api.api_caller import Caller


@pytest.fixture
def stack(standing_stack: tuple[Stack, Client]) -> Stack:
    """The whole of Countersign, running."""
    return standing_stack[0]


@pytest.fixture
def temporal(standing_stack: tuple[Stack, Client]) -> Client:
    """The stack's Temporal."""
    return standing_stack[1]


@pytest_asyncio.fixture
async def api(stack: Stack) -> AsyncIterator[Caller]:
    """A caller that may do everything."""
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=90) as client:
        yield Caller(client, stack.api_token.read_text().strip())


@pytest.fixture
def reference() -> str:
    """A reference of the test's own."""
    return f"api-{uuid.uuid4().hex[:12]}"
