"""The log of the SDK's core, which is no Python: sent through our handlers, so that it is redacted."""

import atexit
import functools
import gc
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


@atexit.register
def _drop_runtime() -> None:
    """End the core's threads: one that outlives the interpreter aborts the process, in about 1 of 15 runs."""
    quiet_runtime.cache_clear()
    gc.collect()  # a client and its connection refer to the runtime, and to one another
