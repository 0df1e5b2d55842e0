import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from countersign.local.sandbox import API_KEY, ORG_ID, Sandbox
from countersign.providers.turbodocx import connection
from countersign.secrets.rotation import Rotating
from countersign.settings import CountersignSettings, ProviderSettings, TurboDocxSettings
from countersign.storage import FolderStore
from tests.workflows.office import Office
from worker import provider_worker, workflow_worker
from workflows.messages import Sender


@pytest_asyncio.fixture
async def office(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> AsyncIterator[Office]:
    """A worker on queues of its own, at the session's sandbox, with an empty store."""
    ours = CountersignSettings(store=str(tmp_path), task_queue=uuid.uuid4().hex, graceful_stop_seconds=1)
    theirs = TurboDocxSettings(
        api_key=SecretStr(API_KEY),
        org_id=ORG_ID,
        base_url=sandbox.url,
        sender_email="contracts@example.com",
        sender_name="Example Contracts",
    )
    store = FolderStore(tmp_path)
    sender = Sender(name=theirs.sender_name, email=theirs.sender_email)
    async with (
        connection.open_provider(Rotating(theirs), ProviderSettings(), slots=20) as provider,
        workflow_worker(client, store, ours),
        provider_worker(client, provider, store, ours, sender),
    ):
        yield Office(client, time_skipper, sandbox, store, tmp_path, ours)
