"""Report every exchange with a log line, two metrics and a span, without queries and keys."""

import functools
import json
import logging
from dataclasses import dataclass
from typing import Final

from countersign.observability import tracing
from countersign.observability.metrics import PROVIDER_CALL_SECONDS, PROVIDER_CALLS
from countersign.observability.redaction import redact_body
from countersign.providers.calls import Call
from countersign.providers.errors import ProviderError

OK: Final = "ok"
_log = logging.getLogger("countersign.providers")
_calls = functools.cache(PROVIDER_CALLS.labels)
_seconds = functools.cache(PROVIDER_CALL_SECONDS.labels)


@dataclass(frozen=True, slots=True)
class Report:
    """Reports the exchanges with one provider.

    Args:
        provider: Its name, for metrics and logs.
        host: The host of its API.
    """

    provider: str
    host: str

    def call(
        self, call: Call, status: int | None, error: ProviderError | None, seconds: float, request_id: str
    ) -> None:
        """Report how a call of the API ended."""
        outcome = OK if error is None else outcome_of(error)
        _calls(self.provider, call.operation, outcome).inc()
        _seconds(self.provider, call.operation).observe(seconds)
        tracing.record_call(
            call.method, call.path, host=self.host, seconds=seconds, status=status, error=_failed(outcome)
        )
        if _log.isEnabledFor(logging.INFO):
            reported = {
                "provider": self.provider,
                "operation": call.operation,
                "method": call.method,
                "host": self.host,
                "path": call.path,
                "status": status,
                "outcome": outcome,
                "ms": round(seconds * 1000, 1),
                "request_id": request_id,
            }
            _log.handle(
                _log.makeRecord(
                    _log.name, logging.INFO, __file__, 0, "provider call", (), None, "call", reported
                )
            )  # as `_log.info` does, without the costly search for the caller

    def bodies(self, call: Call, received: bytes) -> None:
        """Show what was sent and received, redacted and cut."""
        sent = redact_body(json.dumps(call.body or call.form).encode())
        reported = {"operation": call.operation, "sent": sent, "received": redact_body(received)}
        _log.debug("provider bodies", extra=reported)

    def file(self, operation: str, host: str, status: int | None, outcome: str, seconds: float) -> None:
        """Report how the download of a file ended."""
        tracing.record_call(
            "GET", operation, host=host, seconds=seconds, status=status, error=_failed(outcome)
        )
        _log.info(
            "provider file",
            extra={
                "provider": self.provider,
                "operation": operation,
                "method": "GET",
                "host": host,
                "status": status,
                "outcome": outcome,
                "ms": round(seconds * 1000, 1),
            },
        )


def outcome_of(error: ProviderError) -> str:
    """Name what a call ended in."""
    return type(error).__name__.removesuffix("Error")


def _failed(outcome: str) -> str | None:
    return None if outcome == OK else outcome
