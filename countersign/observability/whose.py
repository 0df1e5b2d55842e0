"""Who started an agreement, an opaque id: in its workflow's memo, so that every process can tell.

Whoever starts the workflow by other means than `starter.py` may set the memo too; else its worker does.
"""

from temporalio.client import WorkflowExecution

INITIATED_BY = "initiated_by"
"""The memo's key, and that of log lines."""


def memo(initiator: str | None) -> dict[str, str]:
    """Build the memo of a new agreement."""
    return {} if initiator is None else {INITIATED_BY: initiator}


async def whose(found: WorkflowExecution) -> dict[str, str]:
    """Tell what log lines about a workflow carry: its run's id, and who started it, if that can be read."""
    try:
        initiator = await found.memo_value(INITIATED_BY, None, type_hint=str)
    except Exception:  # noqa: BLE001 - encrypted with a key that we lack, or whatever others have put there
        initiator = None
    return {"run_id": found.run_id, **memo(initiator)}
