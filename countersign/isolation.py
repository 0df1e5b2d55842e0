"""Run a function on hostile input in another process, which is killed at a time limit.

A thread would share the caller's lock and could not be killed. Processes are kept and used again, since
starting one and importing a PDF reader takes 0.2 s.
"""

import asyncio
import atexit
import math
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_IDLE_LIMIT: Final = 2
_MEMORY_LIMIT: Final = 2 * 1024**3
_idle: Final[list[subprocess.Popen[bytes]]] = []
_lock: Final = threading.Lock()


class IsolatedCallError(Exception):
    """The function did not end within its time limit, or its process died."""


async def run_isolated(function: Callable[P, T], seconds: float, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in another process.

    Args:
        function: A function of a module. Its arguments, result and errors can be pickled.
        seconds: The time limit.
        args: Positional arguments.
        kwargs: Keyword arguments.

    Returns:
        What the function returns.

    Raises:
        IsolatedCallError: The function did not end in time, or its process died.
        Exception: What the function raises.
    """
    succeeded, value = await asyncio.to_thread(_call, seconds, (function, args, kwargs))
    if succeeded:
        return value  # type: ignore[no-any-return]
    raise value


def _call(
    seconds: float, call: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
) -> tuple[bool, Any]:
    process = _take()
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        pickle.dump((seconds, call), _pipe(process.stdin))
        _pipe(process.stdin).flush()
        result: tuple[bool, Any] = pickle.load(_pipe(process.stdout))  # noqa: S301 (our own process)
    except (EOFError, OSError, pickle.UnpicklingError):
        _end(process)
        raise IsolatedCallError(f"it did not end within {seconds:g} s, or its process died") from None
    except BaseException:
        _end(process)
        raise
    finally:
        timer.cancel()
    _give_back(process)
    return result


def _take() -> subprocess.Popen[bytes]:
    with _lock:
        while _idle:
            process = _idle.pop()
            if process.poll() is None:
                return process
    return subprocess.Popen(  # noqa: S603 (our own module)
        [sys.executable, "-P", "-m", __name__],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _give_back(process: subprocess.Popen[bytes]) -> None:
    with _lock:
        if len(_idle) < _IDLE_LIMIT and process.poll() is None:
            _idle.append(process)
            return
    _end(process)


@atexit.register
def _end_idle() -> None:
    while _idle:
        _end(_idle.pop())


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with suppress(OSError):
        process.communicate()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101
    return pipe


def _serve(calls: IO[bytes], results: IO[bytes]) -> None:
    """Answer calls until the caller closes its end, be it by dying."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the caller
    with suppress(OSError, ValueError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_LIMIT, _MEMORY_LIMIT))
    while True:
        try:
            seconds, (function, args, kwargs) = pickle.load(calls)  # noqa: S301 (our own process)
        except EOFError:
            return
        # Ends a call whose caller was killed and cannot kill it.
        limit = math.ceil(time.process_time() + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
        try:
            result = True, function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 (the caller raises it)
            result = False, error
        pickle.dump(result, results)
        results.flush()


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
