"""Ids and tokens."""

import re
import secrets
import string
from typing import Final

_LETTERS: Final = string.ascii_lowercase + string.digits
_ENVELOPE: Final = re.compile(r"envelope_.{2,}", re.ASCII)


def nanoid(length: int = 21) -> str:
    """Return a random id."""
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def envelope_id() -> str:
    """Return a new envelope id."""
    return f"envelope_{nanoid(16)}"


def is_envelope_id(text: str) -> bool:
    """Return whether a text looks like an envelope id."""
    return _ENVELOPE.fullmatch(text) is not None
