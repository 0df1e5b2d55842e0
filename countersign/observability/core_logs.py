"""The log of the SDK's core, which is no Python: sent through our handlers, so that it is redacted."""

import functools
import logging
from typing import Final

from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig

CORE: Final = "temporalio.core"
"""The logger that its lines come from."""

FORWARDED: Final = LoggingConfig(
    filter=LoggingConfig.default.filter,
    forwarding=LogForwardingConfig(logger=logging.getLogger(CORE)),
)
"""For every runtime that is made; by itself the core writes to stderr."""


@functools.cache
def quiet_runtime() -> Runtime:
    """Return the process's runtime without metrics of its own."""
    return Runtime(telemetry=TelemetryConfig(logging=FORWARDED))
