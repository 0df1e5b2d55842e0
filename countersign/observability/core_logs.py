"""The log of the SDK's core, forwarded to Python's handlers so that it is redacted."""

import atexit
import functools
import gc
import logging
from typing import Final

from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig

CORE: Final = "temporalio.core"
"""The logger of the forwarded records."""

FORWARDED: Final = LoggingConfig(
    filter=LoggingConfig.default.filter,
    forwarding=LogForwardingConfig(logger=logging.getLogger(CORE)),
)
"""For every runtime. Without it, the core writes to stderr."""


@functools.cache
def quiet_runtime() -> Runtime:
    """Return the process's runtime without metrics."""
    return Runtime(telemetry=TelemetryConfig(logging=FORWARDED))


@atexit.register
def _drop_runtime() -> None:
    """End the core's threads. A thread that outlives the interpreter aborts about 1 in 15 processes."""
    quiet_runtime.cache_clear()
    gc.collect()  # clients and connections with references to the runtime form cycles
