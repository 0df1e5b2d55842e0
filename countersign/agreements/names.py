"""Names that callers in any language use: the workflow, its queue, its signal, updates and queries."""

from typing import Final

WORKFLOW_NAME: Final = "AgreementWorkflow"
TASK_QUEUE: Final = "countersign"
PROVIDER: Final = "turbodocx"

SIGNATURE_EVENT: Final = "signature_event"
"""The signal that carries a `SignatureEvent`."""


def provider_task_queue(task_queue: str) -> str:
    """Name the queue of the provider's activities: held back by its circuit, limited by its rate."""
    return f"{task_queue}-{PROVIDER}"
