"""The ids by which logs, the provider's log and Temporal's history can be matched."""

import secrets

from temporalio import activity, workflow


def request_id() -> str:
    """Name a request to somebody else: `task_id`, or a random id outside of Temporal's tasks."""
    return task_id() or secrets.token_hex(16)


def task_id() -> str | None:
    """Name what runs here: `<workflow id>.<activity id>.<attempt>`, `<workflow id>.<event>`, or None.

    The event is that of the workflow's history which this task begins with.
    """
    if activity.in_activity():
        doing = activity.info()
        return f"{doing.workflow_id}.{doing.activity_id}.{doing.attempt}"
    if workflow.in_workflow():
        here = workflow.info()
        return f"{here.workflow_id}.{here.get_current_history_length()}"
    return None
