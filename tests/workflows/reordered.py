"""A change that must not reach running agreements: it claims once more before it generates."""

from temporalio import workflow
from temporalio.common import RawValue

from activities.requests import SendableSource
from countersign.agreements.messages import AgreementResult
from countersign.agreements.names import WORKFLOW_NAME
from workflows.agreement import AgreementWorkflow
from workflows.agreement.raw_input import takes_payloads


@workflow.defn(name=WORKFLOW_NAME)
class ReorderedWorkflow(AgreementWorkflow):
    @workflow.init
    @takes_payloads
    def __init__(self, *payloads: RawValue) -> None:
        super().__init__(*payloads)

    @workflow.run
    @takes_payloads
    async def run(self, *payloads: RawValue) -> AgreementResult:
        return await super().run(*payloads)

    async def _sendable_source(self) -> SendableSource:
        await self._claim()
        return await super()._sendable_source()
