"""A change that must not reach running agreements: it waits for an hour before it awaits signatures."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RawValue

from countersign.agreements.messages import AgreementResult
from countersign.agreements.names import WORKFLOW_NAME
from workflows.agreement import AgreementWorkflow
from workflows.agreement.raw_input import takes_payloads


@workflow.defn(name=WORKFLOW_NAME)
class DetouringWorkflow(AgreementWorkflow):
    @workflow.init
    @takes_payloads
    def __init__(self, *payloads: RawValue) -> None:
        super().__init__(*payloads)

    @workflow.run
    @takes_payloads
    async def run(self, *payloads: RawValue) -> AgreementResult:
        return await super().run(*payloads)

    async def _prepare_and_send(self) -> None:
        await super()._prepare_and_send()
        await workflow.sleep(timedelta(hours=1), summary="detour")
