"""Workflows of a project that runs agreements as one of its steps."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from countersign.agreements.messages import AgreementInput, AgreementResult
    from countersign.agreements.names import TASK_QUEUE, WORKFLOW_NAME
    from countersign.agreements.reference import workflow_id


@workflow.defn
class Order:
    """A project's own workflow: an agreement, then its outcome."""

    @workflow.run
    async def run(self, agreement: AgreementInput) -> str:
        """Run the agreement as a child."""
        result = await workflow.execute_child_workflow(
            WORKFLOW_NAME,
            agreement,
            id=workflow_id(agreement.reference),
            task_queue=TASK_QUEUE,
            result_type=AgreementResult,
        )
        return f"order {result.outcome}"


@workflow.defn(name="Order")
class ReorderedOrder:
    """The same workflow after a change that running orders do not survive."""

    @workflow.run
    async def run(self, agreement: AgreementInput) -> str:
        """Wait before the agreement."""
        await workflow.sleep(1)
        return str(agreement.title)
