"""A change that must not reach running agreements: it waits for an hour before it awaits signatures."""

from datetime import timedelta

from temporalio import workflow

from countersign.agreements.messages import AgreementResult
from countersign.agreements.names import WORKFLOW_NAME
from workflows.agreement import AgreementWorkflow
from workflows.agreement.state import RunInput


@workflow.defn(name=WORKFLOW_NAME)
class DetouringWorkflow(AgreementWorkflow):
    @workflow.init
    def __init__(self, agreement: RunInput) -> None:
        super().__init__(agreement)

    @workflow.run
    async def run(self, agreement: RunInput) -> AgreementResult:
        return await super().run(agreement)

    async def _prepare_and_send(self) -> None:
        await super()._prepare_and_send()
        await workflow.sleep(timedelta(hours=1), summary="detour")
