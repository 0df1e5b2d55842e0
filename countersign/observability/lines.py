"""How a record becomes a line: what happened, who and what it is about, redacted last.

A provider call's line is part of the call's cost (benchmarks/client.py): no record is copied on its way, and
texts that come back again and again are redacted once.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite
from typing import Any, Final

from structlog.contextvars import merge_contextvars
from temporalio import activity, workflow

from countersign.observability.correlation import task_id
from countersign.observability.redaction import redact, redact_field, remember
from countersign.reference import WORKFLOW_ID_PREFIX

Event = dict[str, Any]
"""What is told on one line, by name."""

Render = Callable[[Event, str], str]
"""Makes a line of an event and the time that it happened."""

_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}
"""What every record has, or uvicorn's for terminals; the rest was given as `extra`."""

_CONTROL: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}
"""What could start a line, or move a terminal's cursor."""

_CURSOR: Final = {code: text for code, text in _CONTROL.items() if chr(code) not in "\n\t"}
"""The same, but for what may have several lines."""

_UNSEEN: Final = {
    code: f"\\u{code:04x}" for code in (*range(127, 160), 0x2028, 0x2029, *range(0xD800, 0xE000))
}
"""What JSON allows unescaped and terminals obey, or no encoding can write."""

_OWN: Final = frozenset({"event", "level", "logger", "service", "timestamp"})
"""What a line says of itself; an extra of such a name gets a `_` behind."""

_SEVERAL_LINES: Final = frozenset({"exception", "stack_info"})

_SHORT: Final = 64
_SMALL: Final = frozenset({int, bool, type(None)})
_encode: Final = json.JSONEncoder(ensure_ascii=False).encode
_quote: Final = json.encoder.encode_basestring


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


def fit_to_show(event: Event, at: str) -> Event:
    """Redact an event."""
    return {redact(key): _shown(key, value) for key, value in event.items()} | {"timestamp": at}


def as_json(event: Event, at: str) -> str:
    """Make an event a line of JSON, redacted."""
    members = [
        _short_member(key, value)
        if type(value) in _SMALL or (type(value) is str and len(value) <= _SHORT and key != "request_id")
        else _member(key, value)
        for key, value in event.items()
    ]
    members.append(f'"timestamp": "{at}"')
    return f"{{{', '.join(members)}}}"


def _member(key: str, value: Any) -> str:
    shown = _shown(key, value)
    if type(shown) is float and isfinite(shown):
        return f"{_name(key)}{shown!r}"
    return _name(key) + _printable(_quote(shown) if type(shown) is str else _encode(shown))


_short_member = remember(_member)


@remember
def _name(key: str) -> str:
    return f"{_printable(_quote(redact(key)))}: "


def _printable(text: str) -> str:
    return text if text.isprintable() else text.translate(_UNSEEN)


def _shown(key: str, value: Any) -> Any:
    """Redact a value; what is one line stays one line, so that nobody forges another."""
    shown = redact_field(key, value)
    if isinstance(shown, str) and not shown.isprintable():
        return shown.translate(_CURSOR if key in _SEVERAL_LINES else _CONTROL)
    return shown
