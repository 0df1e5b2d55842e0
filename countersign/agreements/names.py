"""Names that callers in any language use: the workflow, its task queue and its signal."""

from typing import Final

WORKFLOW_NAME: Final = "AgreementWorkflow"
TASK_QUEUE: Final = "countersign"
PROVIDER: Final = "turbodocx"

SIGNATURE_EVENT: Final = "signature_event"
"""The signal that carries a `SignatureEvent`."""


def provider_task_queue(task_queue: str) -> str:
    """Return the task queue of the provider's activities, which has a circuit and a rate limit."""
    return f"{task_queue}-{PROVIDER}"
