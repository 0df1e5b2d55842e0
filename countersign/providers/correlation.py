"""The id by which the provider's log and Temporal's history can be matched."""

import uuid

from temporalio import activity


def request_id() -> str:
    """Name the request: `<workflow id>.<activity id>.<attempt>` in an activity, else a random id."""
    if not activity.in_activity():
        return uuid.uuid4().hex
    info = activity.info()
    return f"{info.workflow_id}.{info.activity_id}.{info.attempt}"
