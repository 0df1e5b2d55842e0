"""Whether this Python can run Countersign, told in a sentence; of all its modules this one needs no library.

Entry points ask before they import anything else, so that the system's Python ends without a traceback. What
only some need is an extra: each has a lock of its own, which adds to requirements.lock.
"""

import sys
from importlib.util import find_spec

_NEEDED = ("httpx", "pydantic", "temporalio")


def require_installed() -> None:
    """End the process with exit code 2 if this Python cannot run Countersign, and say which one can."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if not missing and sys.version_info >= (3, 11):
        return
    lacks = ", ".join(missing) or "what version 3.11 brought"
    remedy = "use .venv/bin/python, which `make demo` sets up, or install requirements.lock"
    sys.stderr.write(f"{sys.executable} lacks {lacks}: {remedy}\n")
    raise SystemExit(2)


def needs_extra(extra: str) -> str:
    """Say that an extra is needed, and how a checkout gets it: `needs the extra ...; run ...`."""
    install = f".venv/bin/python -m pip install --no-deps -r requirements-{extra}.lock"
    return f"needs the extra `{extra}`; run {install}"
