"""What only some need is an extra: each has a lock of its own, which adds to requirements.lock."""


def needs_extra(extra: str) -> str:
    """Say that an extra is needed, and how a checkout gets it: `needs the extra ...; run ...`."""
    install = f".venv/bin/python -m pip install --no-deps -r requirements-{extra}.lock"
    return f"needs the extra `{extra}`; run {install}"
