"""The worked example of docs/changing-workflows.md: a step more, for agreements that begin from now on."""

from datetime import timedelta

from temporalio import workflow

from workflows.agreement import AgreementWorkflow
from workflows.messages import WORKFLOW_NAME, AgreementInput, AgreementResult


@workflow.defn(name=WORKFLOW_NAME)
class CarelessWorkflow(AgreementWorkflow):
    """Adds the step for everybody: running agreements cannot be replayed any more."""

    @workflow.init
    def __init__(self, agreement: AgreementInput) -> None:
        super().__init__(agreement)

    @workflow.run
    async def run(self, agreement: AgreementInput) -> AgreementResult:
        await workflow.sleep(timedelta(minutes=1), summary="cooling-off")
        return await super().run(agreement)


@workflow.defn(name=WORKFLOW_NAME)
class AmendedWorkflow(AgreementWorkflow):
    """Adds the step behind a patch: a run that began without it goes on without it."""

    @workflow.init
    def __init__(self, agreement: AgreementInput) -> None:
        super().__init__(agreement)

    @workflow.run
    async def run(self, agreement: AgreementInput) -> AgreementResult:
        if workflow.patched("cooling-off"):
            await workflow.sleep(timedelta(minutes=1), summary="cooling-off")
        return await super().run(agreement)
