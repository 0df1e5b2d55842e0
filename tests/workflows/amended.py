"""The example of docs/how-to/change-a-running-workflow.md: one more step, for agreements that start now."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RawValue

from countersign.agreements.messages import AgreementResult
from countersign.agreements.names import WORKFLOW_NAME
from workflows.agreement import AgreementWorkflow
from workflows.agreement.raw_input import takes_payloads


@workflow.defn(name=WORKFLOW_NAME)
class CarelessWorkflow(AgreementWorkflow):
    """Adds the step for everybody: running agreements cannot be replayed any more."""

    @workflow.init
    @takes_payloads
    def __init__(self, *payloads: RawValue) -> None:
        super().__init__(*payloads)

    @workflow.run
    @takes_payloads
    async def run(self, *payloads: RawValue) -> AgreementResult:
        await workflow.sleep(timedelta(minutes=1), summary="cooling-off")
        return await super().run(*payloads)


@workflow.defn(name=WORKFLOW_NAME)
class AmendedWorkflow(AgreementWorkflow):
    """Adds the step behind a patch: a run that began without it goes on without it."""

    @workflow.init
    @takes_payloads
    def __init__(self, *payloads: RawValue) -> None:
        super().__init__(*payloads)

    @workflow.run
    @takes_payloads
    async def run(self, *payloads: RawValue) -> AgreementResult:
        if workflow.patched("cooling-off"):
            await workflow.sleep(timedelta(minutes=1), summary="cooling-off")
        return await super().run(*payloads)
