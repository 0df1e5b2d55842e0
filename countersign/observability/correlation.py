"""The ids that match logs, the provider's log and Temporal's history."""

import secrets
from collections.abc import Mapping
from typing import Any

from structlog.contextvars import get_contextvars
from structlog.typing import EventDict, WrappedLogger
from temporalio import activity, workflow

from countersign.agreements.reference import WORKFLOW_ID_PREFIX


def request_id() -> str:
    """Return an id for a request to another system: `task_id`, or outside of Temporal's tasks the bound one.

    An HTTP server binds its request's id with `structlog.contextvars`; without one the id is random.
    """
    bound: str | None = get_contextvars().get("request_id")
    return task_id() or bound or secrets.token_hex(16)


def task_id() -> str | None:
    """Return `<workflow id>.<activity id>.<attempt>`, `<workflow id>.<event>`, or None outside of both.

    The event is the one in the workflow's history that this task begins with.
    """
    if activity.in_activity():
        info = activity.info()
        return f"{info.workflow_id}.{info.activity_id}.{info.attempt}"
    if workflow.in_workflow():
        return f"{workflow.info().workflow_id}.{workflow.info().get_current_history_length()}"
    return None


def add_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the ids of the activity or workflow that logs this line; a structlog processor.

    The SDK logs some lines about a task outside of it, and describes the task in an extra.
    """
    described = event.pop("temporal_activity", None) or event.pop("temporal_workflow", None)
    ids = _current_task() or _described_task(described)
    ids["request_id"] = task_id()
    for name, value in ids.items():
        if value is not None:
            event.setdefault(name, value)
    workflow_id = event.get("workflow_id")
    if isinstance(workflow_id, str) and workflow_id.startswith(WORKFLOW_ID_PREFIX):
        event.setdefault("reference", workflow_id.removeprefix(WORKFLOW_ID_PREFIX))
    return event


def _current_task() -> dict[str, Any]:
    if activity.in_activity():
        info = activity.info()
        return {
            "workflow_id": info.workflow_id,
            "run_id": info.workflow_run_id,
            "attempt": info.attempt,
            "activity_type": info.activity_type,
        }
    if workflow.in_workflow():
        return {"workflow_id": workflow.info().workflow_id, "run_id": workflow.info().run_id}
    return {}


def _described_task(described: Any) -> dict[str, Any]:
    if not isinstance(described, Mapping):
        return {}
    names = ("workflow_id", "run_id", "attempt", "activity_type")
    return {"run_id": described.get("workflow_run_id")} | {
        name: described[name] for name in names if name in described
    }
