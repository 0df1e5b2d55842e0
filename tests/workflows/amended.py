"""The worked example of docs/changing-workflows.md: a step more, for agreements that begin from now on."""

from datetime import timedelta

from temporalio import workflow

from countersign.agreements.messages import AgreementResult
from countersign.agreements.names import WORKFLOW_NAME
from workflows.agreement import AgreementWorkflow
from workflows.agreement.state import RunInput


@workflow.defn(name=WORKFLOW_NAME)
class CarelessWorkflow(AgreementWorkflow):
    """Adds the step for everybody: running agreements cannot be replayed any more."""

    @workflow.init
    def __init__(self, agreement: RunInput) -> None:
        super().__init__(agreement)

    @workflow.run
    async def run(self, agreement: RunInput) -> AgreementResult:
        await workflow.sleep(timedelta(minutes=1), summary="cooling-off")
        return await super().run(agreement)


@workflow.defn(name=WORKFLOW_NAME)
class AmendedWorkflow(AgreementWorkflow):
    """Adds the step behind a patch: a run that began without it goes on without it."""

    @workflow.init
    def __init__(self, agreement: RunInput) -> None:
        super().__init__(agreement)

    @workflow.run
    async def run(self, agreement: RunInput) -> AgreementResult:
        if workflow.patched("cooling-off"):
            await workflow.sleep(timedelta(minutes=1), summary="cooling-off")
        return await super().run(agreement)
