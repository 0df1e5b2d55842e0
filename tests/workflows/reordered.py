"""A change that must not reach running agreements: it generates before it claims."""

from temporalio import workflow

from workflows.agreement import AgreementWorkflow
from workflows.messages import WORKFLOW_NAME, AgreementInput, AgreementResult
from workflows.tasks import SendableSource


@workflow.defn(name=WORKFLOW_NAME)
class ReorderedWorkflow(AgreementWorkflow):
    @workflow.init
    def __init__(self, agreement: AgreementInput) -> None:
        super().__init__(agreement)

    @workflow.run
    async def run(self, agreement: AgreementInput) -> AgreementResult:
        return await super().run(agreement)

    async def _claim(self) -> None:
        self._source = await super()._generate()

    async def _generate(self) -> SendableSource:
        await super()._claim()
        return self._source
