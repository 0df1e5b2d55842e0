"""The check of the installation that entry points run before their imports, without dependencies.

A missing library, or Ctrl-C during the imports, then ends in an exit code instead of a traceback.
"""

import gc
import os
import signal
import sys
from importlib.util import find_spec
from typing import NoReturn

from countersign.extras import MODULES, install_hint

_NEEDED = ("httpx", "pydantic", "temporalio")


def require_installed(extra: str = "") -> None:
    """Print what to install and end with exit code 2 if libraries are missing or Python is too old.

    Until `entry.run` handles signals, Ctrl-C ends the process with exit code 130. Until then no garbage is
    collected either: imports make none, and looking for it takes a tenth of their time.

    Args:
        extra: The extra that the process needs; "" for none.
    """
    if (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):  # shells ignore SIGINT for background jobs
        signal.signal(signal.SIGINT, _stop)
    gc.disable()
    missing = [name for name in (*_NEEDED, *MODULES.get(extra, ())) if find_spec(name) is None]
    if not missing and sys.version_info >= (3, 11):
        return
    lacks = ", ".join(missing) or "features of version 3.11"
    sys.stderr.write(f"{sys.executable} lacks {lacks}: {install_hint(extra)}\n")
    raise SystemExit(2)


def _stop(*_: object) -> NoReturn:
    os._exit(130)
