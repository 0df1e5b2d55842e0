"""What only some processes need is an extra of the distribution; `install_hint` says how to get one."""

from typing import Final

MODULES: Final = {"receiver": ("h11", "starlette", "uvicorn"), "worker": ("starlette", "uvicorn")}
"""Extras that a whole process needs, with the modules that it imports from them."""
_OWN_LOCK: Final = frozenset({"aws", "azure", "gcp", "objects", "telemetry", "vault"})
"""Extras that requirements.lock does not hold: each has a lock that adds to it."""


def needs_extra(extra: str) -> str:
    """Say that an extra is needed, and how to get it: `needs the extra ...; install ...`."""
    return f"needs the extra `{extra}`; {install_hint(extra)}"


def install_hint(extra: str) -> str:
    """Say what to install for an extra, with pip and in a checkout; "" is no extra."""
    distribution = f"countersign-temporal[{extra}]" if extra else "countersign-temporal"
    if extra not in _OWN_LOCK:
        return f"install {distribution}, or use .venv/bin/python, which `make demo` sets up in a checkout"
    command = f".venv/bin/python -m pip install --no-deps -r requirements-{extra}.lock"
    return f"install {distribution}, or run {command} in a checkout"
