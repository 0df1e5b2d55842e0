from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from devstack.sandbox import Sandbox
from tests.workflows.office import Office, open_office


@pytest_asyncio.fixture
async def office(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> AsyncIterator[Office]:
    """A worker on queues of its own, at the session's sandbox, with an empty store."""
    async with open_office(client, time_skipper, sandbox, tmp_path) as office:
        yield office
    await sandbox.call("DELETE", "/_sandbox/faults")


@pytest.fixture
def record_histories(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--record-histories"))
