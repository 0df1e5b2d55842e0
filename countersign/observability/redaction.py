"""Keeps secrets and people out of logs: by key, by form, and by knowing the secrets themselves.

`protect` is told every secret that settings hold, so that these are masked wherever they turn up, also in
URL form and base64. `redact` never raises, and redacting twice is redacting once.
"""

import base64
import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any, Final, TypeVar, cast
from urllib.parse import quote

from countersign.observability.patterns import MASK, redact_text
from countersign.observability.sensitive_names import is_sensitive

F = TypeVar("F", bound=Callable[..., Any])

SHORT: Final = 64
"""Characters of a text that may come again; longer ones are sentences."""

_SHORTEST_SECRET: Final = 6
"""Characters. What is shorter would be found in innocent words."""

_DEEPEST: Final = 16
_MOST_VALUES: Final = 10_000
_BODY_LIMIT: Final = 4096
_OUTLINE: Final = re.compile(
    r"(?:^|[a-z_])(?:[iI]ds?|[sS]tatus|[tT]ype|[cC]ode|[oO]n|[aA]t|[eE]vent|[hH]ash|[vV]ersion)$"
)
"""Names of a body's members whose texts are shown: `documentId`, `expires_at`, `createdOn`, ..."""
_LARGEST_HARMLESS: Final = 10**12
"""Integers of 13 digits and more may be cards."""

_protected: set[str] = set()
_known: re.Pattern[str] | None = None
_remembered: list[Any] = []


def remember(function: F) -> F:
    """Remember what a function made of its last 1,024 arguments, until another secret is to be masked."""
    remembered = lru_cache(maxsize=1024, typed=True)(function)  # 1 is not True
    _remembered.append(remembered)
    return cast("F", remembered)


def protect(*secrets: str) -> None:
    """Have these secrets masked from now on, whatever key they stand under and whatever they look like."""
    global _known  # noqa: PLW0603 - a secret is one in the whole process
    for each in secrets:
        if len(each) >= _SHORTEST_SECRET:
            encoded = base64.b64encode(each.encode()).decode().rstrip("=")
            _protected.update({each, quote(each, safe=""), encoded})
    if _protected:
        _known = re.compile("|".join(re.escape(each) for each in sorted(_protected, key=len, reverse=True)))
    for each in _remembered:
        each.cache_clear()


def redact(value: Any) -> Any:
    """Return a value fit to be logged: plain containers, with secrets and people's data masked."""
    return redact_field(None, value)


def redact_field(key: str | None, value: Any) -> Any:
    """Redact what stands under a key, as `redact` does."""
    if type(value) is str:
        return MASK if key is not None and is_sensitive(key) else _any_text(value)
    try:
        return _Walk().value(value, key)
    except Exception:  # noqa: BLE001 - a log line is never worth a crash
        return f"<{type(value).__name__} could not be redacted>"


def redact_body(content: bytes, limit: int = _BODY_LIMIT) -> str:
    """Return the outline of a request's or an answer's body, cut to `limit` characters.

    Providers quote in their words what they were sent, so of its texts only ids, statuses and the like stay.
    """
    if not content:
        return ""
    try:
        text = json.dumps(redact(_outline(json.loads(content), None)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return f"<{len(content)} bytes that are no JSON>"
    return text if len(text) <= limit else f"{text[:limit]}... ({len(content)} bytes)"


def _outline(value: Any, key: str | None) -> Any:
    if isinstance(value, dict):
        return {name: _outline(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_outline(each, key) for each in value]
    return MASK if isinstance(value, str) and not _OUTLINE.search(key or "") else value


def _text(text: str) -> str:
    return _short_text(text) if len(text) <= SHORT else _any_text(text)


def _any_text(text: str) -> str:
    return redact_text(_known.sub(MASK, text) if _known else text)


_short_text = remember(_any_text)
"""Most short texts are names, operations, hosts, paths, over and over."""


class _Walk:
    """One walk over a nested value; bounded, so that no value can be too deep, too wide or endless."""

    def __init__(self) -> None:
        self._left = _MOST_VALUES

    def value(self, value: Any, key: str | None, depth: int = 0) -> Any:
        self._left -= 1
        if value is None or isinstance(value, bool):
            return value
        if key is not None and is_sensitive(key):
            return MASK
        if self._left < 0 or depth > _DEEPEST:
            return "<too much to show>"
        if isinstance(value, int | float):
            return value if abs(value) < _LARGEST_HARMLESS or redact_text(str(value)) == str(value) else MASK
        return self._nested(value, depth)

    def _nested(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return _text(str(value))
        if isinstance(value, bytes | bytearray):
            return _text(bytes(value).decode(errors="replace"))
        if isinstance(value, Mapping):
            return self._fields(value, depth)
        if isinstance(value, list | tuple | AbstractSet):
            return self._items(list(value), depth)
        fields = _fields_of(value)
        return _text(_string(value)) if fields is None else self._fields(fields, depth)

    def _fields(self, fields: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        shown = {}
        for key, each in fields.items():
            if self._left < 0:
                break
            shown[_text(_string(key))] = self.value(each, _string(key), depth + 1)
        return shown

    def _items(self, items: list[Any], depth: int) -> list[Any]:
        if len(items) == 2 and isinstance(items[0], str | bytes):  # noqa: PLR2004 - a header, or a pair
            key = items[0] if isinstance(items[0], str) else items[0].decode(errors="replace")
            return [_text(key), self.value(items[1], key, depth + 1)]
        return [self.value(each, None, depth + 1) for each in items[: max(self._left, 0)]]


def _fields_of(value: Any) -> Mapping[str, Any] | None:
    """Return the fields of a pydantic model or a dataclass; None for anything else."""
    if hasattr(type(value), "model_fields"):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name, None) for each in dataclasses.fields(value)}
    return None


def _string(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - whatever its __str__ does
        return f"<{type(value).__name__}>"
