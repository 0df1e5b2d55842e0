"""How a record becomes a line: what happened, when, and whose it is. What it looks like is in `rendering.py`.

A provider call's line is part of the call's cost (benchmarks/client.py): no record is copied on its way.
"""

import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from structlog.contextvars import merge_contextvars
from temporalio import activity, workflow

from countersign.observability.correlation import task_id
from countersign.observability.redaction import redact
from countersign.observability.rendering import Event, Render
from countersign.reference import WORKFLOW_ID_PREFIX

_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}
"""What every record has, or uvicorn's for terminals; the rest was given as `extra`."""

_OWN: Final = frozenset({"event", "level", "logger", "service", "timestamp"})
"""What a line says of itself; an extra of such a name gets a `_` behind."""


class LineFormatter(logging.Formatter):
    """Makes lines of records; never raises for what is in one.

    Args:
        render: Makes a line of an event.
        service: What this process is; stands on every line.
    """

    def __init__(self, render: Render, service: str | None) -> None:
        super().__init__()
        self._render = render
        self._constant = {"service": service} if service else {}

    def format(self, record: logging.LogRecord) -> str:
        """Make a line of a record."""
        try:
            return self._render(self._event(record), _timestamp(record.created))
        except Exception as problem:  # noqa: BLE001 - whatever a record holds, that there was one is told
            told = {"event": f"<a line that could not be made: {type(problem).__name__}>", **self._constant}
            told |= {"level": str(record.levelname).lower(), "logger": str(record.name)}
            return self._render(told, _timestamp(time.time()))

    def _event(self, record: logging.LogRecord) -> Event:
        event = {"event": _message(record), **self._constant}
        merge_contextvars(None, "", event)
        event["level"] = record.levelname.lower()
        event["logger"] = record.name
        event |= {
            f"{key}_" if key in _OWN else key: value
            for key, value in record.__dict__.items()
            if key not in _STANDARD
        }
        _say_whose(event)
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            event["stack_info"] = record.stack_info
        return event


def _timestamp(at: float) -> str:
    second = int(at)
    return f"{_date_and_time(second)}.{int((at - second) * 1_000_000):06}Z"


@lru_cache(maxsize=2)
def _date_and_time(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"


def _message(record: logging.LogRecord) -> str:
    """Put a record's arguments into its message, those with keys or parts redacted by key before."""
    args: Any = record.args
    if not args:
        return str(record.msg)
    args = tuple(_argument(each) for each in args) if isinstance(args, tuple) else redact(args)
    try:
        message: str = str(record.msg) % args
    except Exception:  # noqa: BLE001 - a wrong format or a broken __str__ is no reason to lose the line
        return f"{record.msg} {redact(record.args)}"
    return message


def _argument(value: Any) -> Any:
    """Redact what has keys or parts; leave numbers and texts to the message's own redaction."""
    return value if value is None or isinstance(value, str | int | float) else redact(value)


def _say_whose(event: Event) -> None:
    """Say which agreement a line is about, and which attempt of which activity."""
    told = event.pop("temporal_activity", None) or event.pop("temporal_workflow", None)
    for key, value in (_task() or _of_sdk(told)).items():
        if value is not None:
            event.setdefault(key, value)
    if "request_id" not in event and (task := task_id()) is not None:
        event["request_id"] = task
    workflow_id = event.get("workflow_id")
    if isinstance(workflow_id, str) and workflow_id.startswith(WORKFLOW_ID_PREFIX):
        event.setdefault("reference", workflow_id.removeprefix(WORKFLOW_ID_PREFIX))


def _task() -> Mapping[str, Any]:
    """Describe the activity or the workflow that runs here; empty if there is none."""
    if activity.in_activity():
        at = activity.info()
        about = {"workflow_id": at.workflow_id, "run_id": at.workflow_run_id, "attempt": at.attempt}
        about["activity_type"] = at.activity_type
        return about
    if workflow.in_workflow():
        here = workflow.info()
        return {"workflow_id": here.workflow_id, "run_id": here.run_id}
    return {}


def _of_sdk(told: Any) -> Mapping[str, Any]:
    """Read what the SDK tells of a task on its own lines, which it may write outside of it."""
    if not isinstance(told, Mapping):
        return {}
    names = ("workflow_id", "run_id", "attempt", "activity_type")
    return {"run_id": told.get("workflow_run_id")} | {name: told[name] for name in names if name in told}
