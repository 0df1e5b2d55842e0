"""Workflows of a project that runs agreements as one of its steps."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from countersign.agreements.child import run_agreement
    from countersign.agreements.messages import AgreementInput


@workflow.defn
class Order:
    """A project's own workflow: an agreement, then its outcome."""

    @workflow.run
    async def run(self, agreement: AgreementInput) -> str:
        """Run the agreement as a child."""
        result = await run_agreement(agreement)
        return f"order {result.outcome}"


@workflow.defn(name="Order")
class ReorderedOrder:
    """The same workflow after a change that running orders do not survive."""

    @workflow.run
    async def run(self, agreement: AgreementInput) -> str:
        """Wait before the agreement."""
        await workflow.sleep(1)
        return str(agreement.title)
