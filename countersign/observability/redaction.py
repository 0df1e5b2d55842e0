"""Mask secrets and personal data in logs and traces: by key, by pattern, and known secrets.

`protect` takes every secret that settings hold; they are masked wherever they occur, also in URL form and in
base64. `redact` never raises, and redacting twice is redacting once.
"""

import base64
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

from pydantic_core import to_jsonable_python

from countersign.observability.patterns import MASK, PATTERNS, TOKEN, is_sensitive

_SHORTEST_SECRET: Final = 6
"""Characters. Shorter secrets would be found in ordinary words."""
_PASSES: Final = 4
"""A mask can separate what was joined, so that another pattern matches."""
_CACHED_LENGTH: Final = 64
"""Characters. Shorter texts are mostly names and paths that recur; longer ones are sentences."""
_WORD: Final = re.compile(r"[\w-]*[A-Za-z][\w-]*", re.ASCII)
"""Ids and names. Of the patterns, only the token's matches in one, because the others need other characters
or a number that no letter adjoins."""
_DEPTH_LIMIT: Final = 16
_BODY_LIMIT: Final = 4096
_LARGEST_HARMLESS: Final = 10**12
"""Integers of 13 digits and more may be card numbers."""
_SHOWN_IN_BODIES: Final = re.compile(
    r"(?:^|[a-z_])(?:[iI]ds?|[sS]tatus|[tT]ype|[cC]ode|[oO]n|[aA]t|[eE]vent|[hH]ash|[vV]ersion)$"
)
"""Keys of a body with texts that are shown: `documentId`, `expires_at`, `createdOn`."""

_protected: set[str] = set()
_known: re.Pattern[str] | None = None


def protect(*secrets: str) -> None:
    """Mask these secrets from now on, under any key and in any form."""
    global _known  # noqa: PLW0603 - a secret is one in the whole process
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
            _protected.update({secret, quote(secret, safe=""), encoded})
    if _protected:
        _known = re.compile("|".join(map(re.escape, sorted(_protected, key=len, reverse=True))))
    _redact_short_text.cache_clear()


def redact(value: Any, key: str | None = None) -> Any:
    """Return a value as plain JSON types, with secrets and personal data masked.

    Args:
        value: Anything.
        key: The name of the field that holds it.
    """
    if isinstance(value, str):
        return MASK if key is not None and is_sensitive(key) else redact_text(value)
    try:
        return _redact(to_jsonable_python(value, fallback=_convert), key, 0)
    except Exception:  # noqa: BLE001 - a value of any class may raise anything
        return f"<{type(value).__name__} cannot be redacted>"


def redact_text(text: str) -> str:
    """Mask known secrets, and what looks like a secret or personal data."""
    return _redact_short_text(text) if len(text) <= _CACHED_LENGTH else _redact_text(text)


def redact_body(content: bytes, limit: int = _BODY_LIMIT) -> str:
    """Return the outline of a request's or response's JSON body: numbers, ids, statuses and the like.

    Other texts are masked, because providers quote in messages what they received. The outline is cut to
    `limit` characters.
    """
    if not content:
        return ""
    try:
        text = json.dumps(redact(_outline(json.loads(content), "")), ensure_ascii=False)
    except (ValueError, RecursionError):
        return f"<{len(content)} bytes that are not JSON>"
    return text if len(text) <= limit else f"{text[:limit]}... ({len(content)} bytes)"


def _outline(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _outline(member, name) for name, member in value.items()}
    if isinstance(value, list):
        return [_outline(item, key) for item in value]
    return MASK if isinstance(value, str) and not _SHOWN_IN_BODIES.search(key) else value


def _convert(value: Any) -> Any:
    """Convert what pydantic has no JSON for: mappings such as HTTP headers, and any other class."""
    return dict(value) if isinstance(value, Mapping) else str(value)


def _redact(value: Any, key: str | None, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if key is not None and is_sensitive(key):
        return MASK
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, int | float):
        return value if abs(value) < _LARGEST_HARMLESS or redact_text(str(value)) == str(value) else MASK
    return _redact_members(value, depth) if depth < _DEPTH_LIMIT else "<too deep>"


def _redact_members(value: dict[str, Any] | list[Any], depth: int) -> Any:
    if isinstance(value, dict):
        return {redact_text(name): _redact(member, name, depth + 1) for name, member in value.items()}
    return [_redact(item, None, depth + 1) for item in value]


def _redact_text(text: str) -> str:
    if _known:
        text = _known.sub(MASK, text)
    if _WORD.fullmatch(text) and not TOKEN.regex.search(text):
        return text
    for _ in range(_PASSES):
        before = text
        for pattern in PATTERNS:
            text = pattern.regex.sub(pattern.replacement, text)
        if text == before:
            break
    return text


_redact_short_text = lru_cache(maxsize=1024)(_redact_text)
