"""A worker of the next version: the same code with one more step, behind a patch.

Workers import workflows once, so what is changed here is what this one runs.
"""

from datetime import timedelta

from temporalio import workflow

import worker
from countersign import entry
from countersign.agreements.messages import AgreementResult
from workflows.agreement import AgreementWorkflow
from workflows.agreement.state import AgreementState

_of_this_version = AgreementWorkflow._run_to_end


async def _of_the_next(
    self: AgreementWorkflow, state: AgreementState, *, is_first_run: bool
) -> AgreementResult:
    if workflow.patched("cooling-off"):
        await workflow.sleep(timedelta(milliseconds=10), summary="cooling-off")
    return await _of_this_version(self, state, is_first_run=is_first_run)


if __name__ == "__main__":
    AgreementWorkflow._run_to_end = _of_the_next  # type: ignore[method-assign] # the change
    entry.leave(worker.main([]))
