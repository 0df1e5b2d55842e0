"""Logging, configured once per process: structured, with who and what on every line, redacted last.

Every record passes, ours and third parties': standard library loggers are the only ones in use; `lines.py`
makes the lines. On a line about an agreement stand `reference`, `workflow_id`, `run_id`, `request_id` and
`initiated_by`; more can be bound with `structlog.contextvars.bound_contextvars`.
"""

import logging
import sys
import threading
from types import TracebackType
from typing import Final, Literal, TextIO

import structlog
from temporalio import activity, workflow

from countersign.observability.lines import LineFormatter
from countersign.observability.rendering import Render, as_json, fit_to_show

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
    handler.setFormatter(LineFormatter(_renderer(style, terminal=target.isatty()), service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    _tame()
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _renderer(style: Format, *, terminal: bool) -> Render:
    if style == "json" or (style == "auto" and not terminal):
        return as_json
    console = structlog.dev.ConsoleRenderer(
        colors=terminal, exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )
    return lambda event, at: console(None, "", fit_to_show(event, at))


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
