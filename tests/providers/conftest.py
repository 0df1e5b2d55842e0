"""A desk at the session's sandbox, with documents to read, to sign and to send."""

import uuid
from collections.abc import AsyncIterator

import pytest_asyncio

from countersign.providers.turbodocx.requests import variables
from countersign.secrets.rotation import Rotating
from countersign.settings import ProviderSettings
from devstack.sandbox import Sandbox
from tests.providers.provider_desk import TEMPLATE_ID, Desk, client_of, settings_of


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def deliverable_id(sandbox: Sandbox) -> str:
    async with client_of(Rotating(settings_of(sandbox)), ProviderSettings()) as client:
        made = await client.create_deliverable(
            name="NDA",
            template_id=TEMPLATE_ID,
            variables=variables({"CustomerName": "Ann", "EffectiveDate": "today"}, {}),
            idempotency_key="nda",
        )
        return made.id


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def document_id(sandbox: Sandbox, deliverable_id: str) -> str:
    """A document that was sent, to read."""
    async with client_of(Rotating(settings_of(sandbox)), ProviderSettings()) as client:
        request = Desk(sandbox, client, deliverable_id, "NDA to read").request()
        return (await client.prepare_for_signing(request, idempotency_key="k")).document_id


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def completed_id(sandbox: Sandbox, deliverable_id: str) -> str:
    """A document that everybody has signed."""
    async with client_of(Rotating(settings_of(sandbox)), ProviderSettings()) as client:
        request = Desk(sandbox, client, deliverable_id, "NDA to sign").request()
        made = await client.prepare_for_signing(request, idempotency_key="k")
    await sandbox.complete(made.document_id)
    return made.document_id


@pytest_asyncio.fixture
async def desk(sandbox: Sandbox, deliverable_id: str) -> AsyncIterator[Desk]:
    async with client_of(Rotating(settings_of(sandbox))) as client:
        yield Desk(sandbox, client, deliverable_id, f"NDA {uuid.uuid4().hex}")
    await sandbox.call("DELETE", "/_sandbox/faults")
