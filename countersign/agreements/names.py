"""Names that callers in any language use: the workflow, its task queue and its signal."""

from typing import Final

WORKFLOW_NAME: Final = "AgreementWorkflow"
TASK_QUEUE: Final = "countersign"
DEFAULT_ACCOUNT: Final = "turbodocx"
"""The account of agreements that name none, unless the settings name another."""

SIGNATURE_EVENT: Final = "signature_event"
"""The signal that carries a `SignatureEvent`."""

CHANGE_CALLBACK: Final = "change_callback"
"""The signal that carries a `CallbackAddress`."""

AWAIT_AGREEMENT: Final = "await_agreement"
"""The activity, on the workflow's task queue, that returns the result of an agreement once it has ended."""

UNWATCHED: Final = "unwatched"
"""The signal that an account's watcher cannot read what changed at the provider; carries `Unwatched`."""

WATCHER_NAME: Final = "WatcherWorkflow"
"""The workflow that reads what changed at the provider, one for every account."""
WATCHER_MEMO: Final = "watching"
"""Its memo: a mapping with `since` (ISO 8601), `blind` (why it cannot read; None if it can) and `could_read`
(whether it could before)."""

NOTICES_NAME: Final = "NoticesWorkflow"
"""The workflow that notifies operators of problems, one for every channel."""

CIRCUIT_QUERY: Final = "circuit"
"""The query that the worker answers with the `CircuitStatus` of an account."""


def account_task_queue(task_queue: str, account: str) -> str:
    """Return the task queue of an account's activities, which has a circuit and a rate limit."""
    return f"{task_queue}-{account}"


def callback_task_queue(task_queue: str) -> str:
    """Return the task queue of callbacks. No account's queue has this name: theirs hold no dot."""
    return f"{task_queue}.callbacks"


def watcher_id(task_queue: str, account: str) -> str:
    """Return the workflow id of an account's watcher: one for every account of a task queue."""
    return f"watcher-{account_task_queue(task_queue, account)}"


def notices_id(task_queue: str, channel: str) -> str:
    """Return the workflow id of a channel's notices: one for every channel of a task queue."""
    return f"notices-{task_queue}-{channel}"
