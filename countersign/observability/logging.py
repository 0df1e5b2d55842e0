"""Logging, configured once per process: structured, with who and what on every line, redacted last.

Every record passes, ours and third parties': standard library loggers are the only ones in use, structlog
renders them. On a line about an agreement stand `reference`, `workflow_id`, `run_id`, `request_id` and
`initiated_by`; more can be bound with `structlog.contextvars.bound_contextvars`.
"""

import copy
import logging
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger
from temporalio import activity, workflow

from countersign.observability.correlation import task_id
from countersign.observability.redaction import redact
from countersign.reference import WORKFLOW_ID_PREFIX

Format = Literal["auto", "json", "console"]

_TAMED: Final = (
    "azure",
    "boto3",
    "botocore",
    "google",
    "hpack",
    "httpcore",
    "httpx",
    "hvac",
    "opentelemetry",
    "requests",
    "s3transfer",
    "urllib3",
    "uvicorn.access",
)
"""Loggers that print addresses with their queries, headers or bodies below WARNING, whatever the level."""

_WORDY: Final = ("asyncio", "temporalio.bridge", "temporalio.client", "temporalio.worker")
"""Loggers that print whole messages with their payloads at DEBUG."""

_CONTROL: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}
"""What could start a line, or move a terminal's cursor."""

_SEVERAL_LINES: Final = frozenset({"exception", "stack_info"})


def configure(
    *, level: str = "INFO", style: Format = "auto", service: str | None = None, stream: TextIO | None = None
) -> None:
    """Set up logging for this process; uncaught exceptions are logged too, and so pass the redaction.

    Args:
        level: The least severe records to keep.
        style: `json`, one object a line; `console`, for eyes; `auto`, by whether the stream is a terminal.
        service: What this process is, for example `worker`; stands on every line.
        stream: Where to write; standard error by default.
    """
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(_formatter(style, service, terminal=target.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    _tame()
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _formatter(style: Format, service: str | None, *, terminal: bool) -> logging.Formatter:
    as_json = style == "json" or (style == "auto" and not terminal)
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _add_temporal,
        structlog.processors.MaybeTimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        _redact,
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=terminal, exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
        ),
    ]
    if service:
        before.insert(0, _Service(service))
    return _SafeFormatter(foreign_pre_chain=before, processors=last)


class _SafeFormatter(structlog.stdlib.ProcessorFormatter):
    """Redacts containers among a record's arguments by key, before they become text; never raises."""

    def format(self, record: logging.LogRecord) -> str:
        safe = copy.copy(record)
        if isinstance(record.args, tuple):
            safe.args = tuple(_argument(each) for each in record.args)
        elif record.args:
            safe.args = redact(record.args)
        try:
            safe.getMessage()
        except Exception:  # noqa: BLE001 - a wrong format or a broken __str__ is no reason to lose the line
            safe.msg, safe.args = f"{record.msg} {redact(record.args)}", None
        return super().format(safe)


class _Service:
    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = self._name
        return event


def _argument(value: Any) -> Any:
    """Redact what has keys or parts; leave numbers and texts to the message's own redaction."""
    return value if value is None or isinstance(value, str | int | float) else redact(value)


def _add_temporal(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Say which workflow, and which attempt of which activity, a line is about."""
    event.pop("color_message", None)  # uvicorn's, for terminals
    found = event.pop("temporal_activity", None) or event.pop("temporal_workflow", None)
    about: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    if activity.in_activity():
        at = activity.info()
        about = {"workflow_id": at.workflow_id, "run_id": at.workflow_run_id, "attempt": at.attempt}
        about |= {"activity_type": at.activity_type}
    elif workflow.in_workflow():
        here = workflow.info()
        about = {"workflow_id": here.workflow_id, "run_id": here.run_id}
    if (task := task_id()) is not None:
        event.setdefault("request_id", task)
    for key in ("workflow_id", "run_id", "workflow_run_id", "attempt", "activity_type"):
        if about.get(key) is not None:
            event.setdefault(key.removeprefix("workflow_") if key == "workflow_run_id" else key, about[key])
    workflow_id = event.get("workflow_id")
    if isinstance(workflow_id, str) and workflow_id.startswith(WORKFLOW_ID_PREFIX):
        event.setdefault("reference", workflow_id.removeprefix(WORKFLOW_ID_PREFIX))
    return event


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Redact every value; what is one line stays one line, so that nobody forges another."""
    shown: EventDict = redact(dict(event))
    return {
        key: value.translate(_CONTROL) if isinstance(value, str) and key not in _SEVERAL_LINES else value
        for key, value in shown.items()
    }


def _tame() -> None:
    for name in _TAMED:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in _WORDY:
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLogger().level))
    activity.logger.base_logger.addFilter(_is_no_start)
    logging.raiseExceptions = False  # what it prints on a failure of its own is not redacted
    activity.logger.activity_info_on_message = False
    workflow.logger.workflow_info_on_message = False
    workflow.logger.unsafe_disable_sandbox()  # a handler is no workflow code


def _is_no_start(record: logging.LogRecord) -> bool:
    """Leave out what the SDK says at DEBUG before an activity has been told whose agreement it is for."""
    return record.msg != "Starting activity"


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("countersign").critical("uncaught %s", kind.__name__, exc_info=(kind, error, trace))


def _log_uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is not None:
        _log_uncaught(found.exc_type, found.exc_value, found.exc_traceback)
