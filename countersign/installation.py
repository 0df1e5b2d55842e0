"""What an entry point does before it imports anything else; this module and `extras` need no library.

A Python that cannot run Countersign, and whoever stops it while it is still starting, get no traceback.
"""

import os
import signal
import sys
from importlib.util import find_spec
from typing import NoReturn

from countersign.extras import MODULES, install_hint

_NEEDED = ("httpx", "pydantic", "temporalio")


def require_installed(extra: str = "") -> None:
    """End the process with exit code 2 if this Python cannot run Countersign, and say what to install.

    Args:
        extra: The extra that this process needs; "" if it needs none.

    Until the work begins, which takes over (see `entry.run`), Ctrl-C ends the process with exit code 130.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # in the background it may be ignored
        signal.signal(signal.SIGINT, _stop)
    missing = [name for name in (*_NEEDED, *MODULES.get(extra, ())) if find_spec(name) is None]
    if not missing and sys.version_info >= (3, 11):
        return
    lacks = ", ".join(missing) or "what version 3.11 brought"
    sys.stderr.write(f"{sys.executable} lacks {lacks}: {install_hint(extra)}\n")
    raise SystemExit(2)


def _stop(*_: object) -> NoReturn:
    os._exit(130)
