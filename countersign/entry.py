"""The start and the end of a process.

About 1 in 20 processes that use the Temporal SDK abort while the interpreter shuts down (exit code 134 or
139). So every entry point ends with `leave`, which skips the interpreter's shutdown.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import NoReturn

from countersign.observability import tracing

INTERRUPTED = 130
"""The exit code after Ctrl-C, SIGTERM or SIGHUP: 128 + SIGINT, as in shells."""


def leave(code: int) -> NoReturn:
    """Flush traces, logs and output, and end the process. Close all other resources first."""
    tracing.flush()
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def run(main: Coroutine[None, None, int], *, serves: bool = False) -> int:
    """Run an entry point's coroutine. Ctrl-C, SIGTERM and SIGHUP cancel it, so that it can clean up.

    Args:
        main: The coroutine, which returns the exit code.
        serves: Whether it runs for long: then uvloop, where it is installed, costs less CPU.

    Returns:
        The coroutine's exit code, or `INTERRUPTED`.
    """
    gc.freeze()  # what was imported stays
    gc.enable()  # see `installation.require_installed`
    try:
        with asyncio.Runner(loop_factory=_uvloop() if serves else None) as runner:
            return runner.run(_cancelled_by_signals(main))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED


def main(program: Coroutine[None, None, int], *, serves: bool = False) -> NoReturn:
    """Run a program's coroutine and end the process with its exit code.

    Errors of settings, of the connection and of the Python API are one sentence, with the exit codes of the
    command line: 2 for settings, 5 for a Temporal that does not respond. Any other is a traceback, and 1.

    Args:
        program: The coroutine, which returns the exit code.
        serves: As for `run`.
    """
    try:
        code = run(program, serves=serves)
    except Exception as error:  # noqa: BLE001  # none may pass by `leave`
        code = _explain(error)
    leave(code)


def _explain(error: Exception) -> int:
    from countersign.client.errors import CommandError, ExitCode  # noqa: PLC0415  # of use only here
    from countersign.configuration import SettingsError  # noqa: PLC0415
    from countersign.connection import ConnectionFailedError  # noqa: PLC0415

    codes = {SettingsError: ExitCode.BAD_INPUT, ConnectionFailedError: ExitCode.UNREACHABLE}
    code = error.exit_code if isinstance(error, CommandError) else codes.get(type(error))
    if code is None:
        traceback.print_exception(error)
        return ExitCode.UNFORESEEN
    print(error, file=sys.stderr)  # noqa: T201  # for the caller
    return code


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  # only processes that serve have it
    except ImportError:  # Windows
        return None
    return uvloop.new_event_loop


async def _cancelled_by_signals(main: Coroutine[None, None, int]) -> int:
    task = asyncio.ensure_future(main)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
            loop.add_signal_handler(number, task.cancel)
    return await task
