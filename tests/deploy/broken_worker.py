"""A worker of a deployment that went wrong: its workflow code raises as soon as it runs.

Workers import workflows once, so what is changed here is what this one runs.
"""

from typing import Never

import worker
from countersign import entry
from countersign.agreements.messages import AgreementInput
from workflows.agreement import AgreementWorkflow


async def _fail(_self: AgreementWorkflow, _agreement: AgreementInput) -> Never:
    raise RuntimeError("this deployment is broken")


if __name__ == "__main__":
    AgreementWorkflow._run_to_end = _fail  # type: ignore[assignment,method-assign] # the defect
    entry.leave(worker.main([]))
