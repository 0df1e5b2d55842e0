"""Have Temporal lose an agreement's workflow."""

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from countersign.agreements.reference import workflow_id
from countersign.testing import eventually


async def forget(client: Client, reference: str) -> None:
    """Delete an agreement's workflow, and wait until it is gone: Temporal deletes in its own time."""
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id(reference)),
        )
    )
    await eventually(lambda: is_known(client, reference), lambda known: not known, patience=60)


async def is_known(client: Client, reference: str) -> bool:
    """Return whether Temporal has an agreement's workflow."""
    try:
        await client.get_workflow_handle(workflow_id(reference)).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True
