"""What a line looks like: redacted last, and one line, so that nobody forges another.

Texts that come back again and again are redacted once, until another secret is to be masked.
"""

import json
from collections.abc import Callable
from math import isfinite
from typing import Any, Final

from countersign.observability.redaction import SHORT, redact, redact_field, remember

Event = dict[str, Any]
"""What is told on one line, by name."""

Render = Callable[[Event, str], str]
"""Makes a line of an event and the time that it happened."""

_CONTROL: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}
"""What could start a line, or move a terminal's cursor."""

_CURSOR: Final = {code: text for code, text in _CONTROL.items() if chr(code) not in "\n\t"}
"""The same, but for what may have several lines."""

_UNSEEN: Final = {
    code: f"\\u{code:04x}" for code in (*range(127, 160), 0x2028, 0x2029, *range(0xD800, 0xE000))
}
"""What JSON allows unescaped and terminals obey, or no encoding can write."""

_SEVERAL_LINES: Final = frozenset({"exception", "stack_info"})

_SMALL: Final = frozenset({int, bool, type(None)})
_encode: Final = json.JSONEncoder(ensure_ascii=False).encode
_quote: Final = json.encoder.encode_basestring


def fit_to_show(event: Event, at: str) -> Event:
    """Redact an event."""
    return {redact(key): _shown(key, value) for key, value in event.items()} | {"timestamp": at}


def as_json(event: Event, at: str) -> str:
    """Make an event a line of JSON, redacted."""
    members = [
        _short_member(key, value)
        if type(value) in _SMALL or (type(value) is str and len(value) <= SHORT)
        else _member(key, value)
        for key, value in event.items()
    ]
    members.append(f'"timestamp": "{at}"')
    return f"{{{', '.join(members)}}}"


def _member(key: str, value: Any) -> str:
    shown = _shown(key, value)
    if type(shown) is float and isfinite(shown):
        return f"{_name(key)}{shown!r}"
    return _name(key) + _printable(_quote(shown) if type(shown) is str else _encode(shown))


_short_member = remember(_member)


@remember
def _name(key: str) -> str:
    return f"{_printable(_quote(redact(key)))}: "


def _printable(text: str) -> str:
    return text if text.isprintable() else text.translate(_UNSEEN)


def _shown(key: str, value: Any) -> Any:
    """Redact a value; what is one line stays one line, so that nobody forges another."""
    shown = redact_field(key, value)
    if isinstance(shown, str) and not shown.isprintable():
        return shown.translate(_CURSOR if key in _SEVERAL_LINES else _CONTROL)
    return shown
