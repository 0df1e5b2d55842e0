"""Logging, configured once per process: structlog renders every record, redacted, of every library.

Code logs with the standard library's loggers. Lines about an agreement carry `reference`, `workflow_id`,
`run_id` and `request_id`; `structlog.contextvars.bound_contextvars` adds more.
"""

import json
import logging
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger
from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError

from countersign.observability.correlation import add_ids
from countersign.observability.redaction import redact

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

WORDY: Final = ("asyncio", "temporalio.bridge", "temporalio.client", "temporalio.worker")
"""Loggers that print whole messages with their payloads at DEBUG."""

_OURS: Final = frozenset({"timestamp", "level"})
"""Fields that only the pipeline writes."""
_MULTILINE: Final = frozenset({"exception", "stack_info"})
_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__)
"""Fields of every record; further ones are extras."""
_JSON: Final = json.JSONEncoder(default=repr)


def configure(
    *, level: str = "INFO", style: Format = "auto", service: str | None = None, stream: TextIO | None = None
) -> None:
    """Set up logging for this process; uncaught exceptions are logged too, and so pass the redaction.

    Args:
        level: The least severe records to keep.
        style: `json`, one object a line; `console`, for eyes; `auto`, by whether the stream is a terminal.
        service: The process's name on every line, for example `worker`.
        stream: Where to write; standard error by default.
    """
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(_Formatter(service, _renderers(style, terminal=target.isatty())))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    _tame()
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


class _Formatter(logging.Formatter):
    """Renders records with structlog's processors.

    Its own `ProcessorFormatter` also takes structlog's events, which costs every record two copies.

    Args:
        service: The process's name; None to leave the field out.
        renderers: Processors of which the last returns the line.
    """

    def __init__(self, service: str | None, renderers: Sequence[Processor]) -> None:
        super().__init__()
        self._service = service
        self._renderers = renderers

    def format(self, record: logging.LogRecord) -> str:
        event: Any = {"event": _message(record)}
        if record.exc_info:
            event["exc_info"] = record.exc_info
        if record.stack_info:
            event["stack_info"] = record.stack_info
        structlog.contextvars.merge_contextvars(None, "", event)
        event.update((key, value) for key, value in record.__dict__.items() if key not in _STANDARD)
        event["level"] = record.levelname.lower()
        event["logger"] = record.name
        if self._service is not None:
            event["service"] = self._service
        for processor in (*_PROCESSORS, *self._renderers):
            event = processor(None, "", event)
        return str(event)


def _renderers(style: Format, *, terminal: bool) -> list[Processor]:
    if style == "json" or (style == "auto" and not terminal):
        return [_render_json]
    console = structlog.dev.ConsoleRenderer(
        colors=terminal, exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )
    return [_escape_controls, console]


def _render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return _JSON.encode(event)


def _shorten_failures(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the traceback of a step's failure by its type and sentence: it has been thought of."""
    info = event.get("exc_info")
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, ApplicationError) and error.type:
        del event["exc_info"]
        event["failure_type"], event["failure"] = error.type, error.message
    return event


def _message(record: logging.LogRecord) -> str:
    """Put the arguments into the message; those with keys are redacted by key before."""
    message, arguments = str(record.msg), record.args
    if not arguments:
        return message
    redacted = tuple(map(_redact_fields, arguments)) if isinstance(arguments, tuple) else redact(arguments)
    try:
        return message % redacted
    except Exception:  # noqa: BLE001 - a wrong format must not lose the line
        return f"{message} {redact(redacted)}"


def _redact_fields(argument: Any) -> Any:
    return argument if argument is None or isinstance(argument, str | int | float) else redact(argument)


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {
        name: value if name in _OURS else redact(value, name)
        for name, value in event.items()
        if name != "color_message"
    }


_PROCESSORS: Final[tuple[Processor, ...]] = (
    add_ids,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _shorten_failures,
    structlog.processors.format_exc_info,
    _redact_event,
)


def _escape_controls(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape what could forge a line or move a terminal's cursor, as JSON does."""
    return {name: _escape(value, multiline=name in _MULTILINE) for name, value in event.items()}


def _escape(value: Any, *, multiline: bool) -> Any:
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(
        character
        if character.isprintable() or (multiline and character in "\n\t")
        else character.encode("unicode_escape").decode()
        for character in value
    )


def _tame() -> None:
    for name in _TAMED:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in WORDY:
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLogger().level))
    activity.logger.base_logger.addFilter(_is_no_start)
    logging.raiseExceptions = False  # what it prints on a failure of its own is not redacted
    activity.logger.activity_info_on_message = False
    workflow.logger.workflow_info_on_message = False
    workflow.logger.unsafe_disable_sandbox()  # a handler is no workflow code


def _is_no_start(record: logging.LogRecord) -> bool:
    """Drop DEBUG records of the SDK from before an activity is bound to its agreement."""
    return record.msg != "Starting activity"


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("countersign").critical("uncaught %s", kind.__name__, exc_info=(kind, error, trace))


def _log_uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is not None:
        _log_uncaught(found.exc_type, found.exc_value, found.exc_traceback)
