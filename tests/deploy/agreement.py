"""One agreement, from its start to its archive, through the processes that a deployment runs."""

from temporalio.client import Client

from cli.demo import example_agreement
from countersign.agreements.messages import AgreementResult, Stage
from countersign.client.agreements import agreement_result
from countersign.client.follow import follow_agreement
from countersign.client.start import start_agreement
from devstack.sandbox import Sandbox


async def run_to_its_end(client: Client, sandbox: Sandbox) -> AgreementResult:
    """Start an agreement, sign it at the sandbox, and return its result."""
    started = await start_agreement(example_agreement(), ask_provider=False, client=client)
    async for status in follow_agreement(started.reference, client=client):
        if status.stage == Stage.AWAITING_SIGNATURES and status.document_id:
            await sandbox.complete(status.document_id)
            break
    return await agreement_result(started.reference, client=client)
