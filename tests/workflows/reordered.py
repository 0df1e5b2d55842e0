"""A change that must not reach running agreements: it claims once more before it generates."""

from temporalio import workflow

from activities.requests import SendableSource
from countersign.agreements.messages import AgreementResult
from countersign.agreements.names import WORKFLOW_NAME
from workflows.agreement import AgreementWorkflow
from workflows.agreement.claim import claim
from workflows.agreement.state import RunInput


@workflow.defn(name=WORKFLOW_NAME)
class ReorderedWorkflow(AgreementWorkflow):
    @workflow.init
    def __init__(self, agreement: RunInput) -> None:
        super().__init__(agreement)

    @workflow.run
    async def run(self, agreement: RunInput) -> AgreementResult:
        return await super().run(agreement)

    async def _generate(self) -> SendableSource:
        await claim(self._state)
        return await super()._generate()
