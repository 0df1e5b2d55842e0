"""Traces, by OpenTelemetry: off unless its standard variables name a collector, and then not even imported.

    OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318

One trace holds an agreement from the starter through workflow, activities, provider calls, webhooks and
signals, in whatever process; see `spans.py` and `docs/explanation/tracing.md`. Needs the extra `telemetry`.
"""

import os
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from temporalio.client import Interceptor

from countersign.configuration import SettingsError
from countersign.extras import needs_extra

if TYPE_CHECKING:
    from countersign.observability.spans import Spans

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_FLUSH_SECONDS: Final = 2
"""Seconds that the end of a process waits for a collector."""

_spans: "Spans | None" = None


def is_on(environment: Mapping[str, str] | None = None) -> bool:
    """Return whether the environment turns traces on."""
    env = os.environ if environment is None else environment
    disabled = env.get("OTEL_SDK_DISABLED", "").lower() == "true" or env.get("OTEL_TRACES_EXPORTER") == "none"
    return not disabled and any(env.get(name) for name in _ENDPOINTS)


def interceptors(role: str) -> Sequence[Interceptor]:
    """Start to trace if the environment turns it on, and return the interceptors for the Temporal client.

    Args:
        role: What this process is: `starter`, `worker` or `webhooks`; `OTEL_SERVICE_NAME` overrules
            `countersign-<role>`.

    Raises:
        SettingsError: Traces are asked for, and cannot be made.
    """
    global _spans  # noqa: PLW0603  # one exporter per process, as OpenTelemetry has it
    if not is_on():
        return ()
    if _spans is None:
        try:
            from countersign.observability.spans import Spans  # noqa: PLC0415  # off is free
        except ImportError:
            raise SettingsError(
                f"OTEL_EXPORTER_OTLP_ENDPOINT {needs_extra('telemetry')}, or unset it"
            ) from None
        _spans = Spans(role)
    return _spans.interceptors()


def record_call(
    method: str, template: str, *, host: str, seconds: float, status: int | None, error: str | None
) -> None:
    """Add a provider call that has just ended to the current trace.

    Args:
        method: The HTTP method.
        template: The path with `{placeholders}`: ids are no names.
        host: The provider's host.
        seconds: How long it took.
        status: The HTTP status, if there was a response.
        error: The name of what it failed with.
    """
    if _spans is not None:
        _spans.record_call(method, template, host=host, seconds=seconds, status=status, error=error)


def flush() -> None:
    """Export what was recorded; called before the process ends."""
    if _spans is not None:
        thread = threading.Thread(target=_spans.flush, daemon=True)
        thread.start()
        thread.join(_FLUSH_SECONDS)
