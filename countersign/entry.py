"""The one way out of a process: close, flush, leave.

About 1 in 20 processes that used the Temporal SDK aborts while the interpreter shuts down, after its work is
done (exit code 134 or 139). So every entry point leaves through `leave`, which skips that part.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import NoReturn

from countersign.observability import tracing

INTERRUPTED = 130
"""The exit code after Ctrl-C, SIGTERM or SIGHUP: 128 + SIGINT, as shells have it."""


def leave(code: int) -> NoReturn:
    """Flush what was written and end the process; whatever must be closed is closed by now."""
    tracing.flush()
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def run(main: Coroutine[None, None, int]) -> int:
    """Run an entry point's coroutine; Ctrl-C, SIGTERM and SIGHUP cancel it, so that it can clean up.

    Args:
        main: Does the work and returns the exit code.

    Returns:
        Its exit code, or `INTERRUPTED`.
    """
    try:
        return asyncio.run(_cancelled_by_signals(main))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED


async def _cancelled_by_signals(main: Coroutine[None, None, int]) -> int:
    task = asyncio.ensure_future(main)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # under nohup it is, and stays so
            loop.add_signal_handler(number, task.cancel)
    return await task
