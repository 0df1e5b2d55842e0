"""Logging, configured once per process: structlog renders every record, redacted, of every library.

Code logs with the standard library's loggers. Lines about an agreement carry `reference`, `workflow_id`,
`run_id` and `request_id`; `structlog.contextvars.bound_contextvars` adds more.
"""

import logging
import sys
import threading
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
    handler.setFormatter(_formatter(service, _renderers(style, terminal=target.isatty())))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    _tame()
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _formatter(service: str | None, renderers: list[Processor]) -> logging.Formatter:
    def add_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if service is not None:
            event["service"] = service
        return event

    return structlog.stdlib.ProcessorFormatter(
        use_get_message=False,
        pass_foreign_args=True,
        foreign_pre_chain=[
            _format_message,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.ExtraAdder(),
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            add_service,
            add_ids,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _shorten_failures,
            structlog.processors.format_exc_info,
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redact_event, *renderers],
    )


def _renderers(style: Format, *, terminal: bool) -> list[Processor]:
    if style == "json" or (style == "auto" and not terminal):
        return [structlog.processors.JSONRenderer()]
    console = structlog.dev.ConsoleRenderer(
        colors=terminal, exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )
    return [_escape_controls, console]


def _shorten_failures(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the traceback of a step's failure by its type and sentence: it has been thought of."""
    info = event.get("exc_info")
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, ApplicationError) and error.type:
        del event["exc_info"]
        event["failure_type"], event["failure"] = error.type, error.message
    return event


def _format_message(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put the arguments into the message; those with keys are redacted by key before."""
    arguments: Any = event.pop("positional_args")
    if arguments:
        if isinstance(arguments, tuple):
            arguments = tuple(map(_redact_fields, arguments))
        else:
            arguments = redact(arguments)
        try:
            event["event"] %= arguments
        except Exception:  # noqa: BLE001 - a wrong format must not lose the line
            event["event"] = f"{event['event']} {redact(arguments)}"
    return event


def _redact_fields(argument: Any) -> Any:
    return argument if argument is None or isinstance(argument, str | int | float) else redact(argument)


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {
        name: value if name in _OURS else redact(value, name)
        for name, value in event.items()
        if name != "color_message"
    }


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
