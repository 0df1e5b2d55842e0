"""Names that callers in any language use: the workflow, its task queue and its signal."""

from typing import Final

WORKFLOW_NAME: Final = "AgreementWorkflow"
TASK_QUEUE: Final = "countersign"
DEFAULT_ACCOUNT: Final = "turbodocx"
"""The account of agreements that name none, unless the settings name another."""

SIGNATURE_EVENT: Final = "signature_event"
"""The signal that carries a `SignatureEvent`."""

AWAIT_AGREEMENT: Final = "await_agreement"
"""The activity, on the workflow's task queue, that returns the result of an agreement once it has ended."""

CIRCUIT_QUERY: Final = "circuit"
"""The query that the worker answers with the `CircuitStatus` of an account."""


def account_task_queue(task_queue: str, account: str) -> str:
    """Return the task queue of an account's activities, which has a circuit and a rate limit."""
    return f"{task_queue}-{account}"


def callback_task_queue(task_queue: str) -> str:
    """Return the task queue of callbacks. No account's queue has this name: theirs hold no dot."""
    return f"{task_queue}.callbacks"
