"""Extras of the distribution, and the commands that install them."""

from typing import Final

MODULES: Final = {
    "api": ("fastapi", "h11", "starlette", "uvicorn"),
    "receiver": ("h11", "starlette", "uvicorn"),
    "worker": ("starlette", "uvicorn"),
}
"""Extras of processes, with the modules that these import."""
_OWN_LOCK: Final = frozenset({"aws", "azure", "gcp", "objects", "telemetry", "vault"})
"""Extras outside requirements.lock, which have a lock file of their own."""


def needs_extra(extra: str) -> str:
    """Return a message of the form `needs the extra ...; install ...`."""
    return f"needs the extra `{extra}`; {install_hint(extra)}"


def install_hint(extra: str) -> str:
    """Return how to install an extra with pip and in a checkout; "" means the base distribution."""
    distribution = f"countersign-temporal[{extra}]" if extra else "countersign-temporal"
    if extra not in _OWN_LOCK:
        return f"install {distribution}, or use .venv/bin/python, which `make demo` sets up in a checkout"
    command = f".venv/bin/python -m pip install --no-deps -r requirements-{extra}.lock"
    return f"install {distribution}, or run {command} in a checkout"
