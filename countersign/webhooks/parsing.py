"""Strict JSON: reject what JSON parsers interpret differently."""

import json
from typing import Any, Final, NoReturn

DEPTH_LIMIT: Final = 32
"""Levels of nesting. Providers' payloads have 2 or 3."""
DIGIT_LIMIT: Final = 32
"""Characters of a number. A 64-bit integer has at most 20."""


class NotJsonError(Exception):
    """The bytes are not one JSON object in UTF-8 within the limits."""


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse one JSON object in UTF-8.

    Raises:
        NotJsonError: The bytes are not UTF-8 (the json module also accepts UTF-16 and UTF-32), are not an
            object, or contain a repeated key, `NaN`, an infinity (also as `1e999`), or numbers or nesting
            over the limits.
    """
    try:
        parsed = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_reject,
            parse_float=_finite,
            parse_int=_short,
        )
    except (ValueError, RecursionError):  # the decoder recurses
        raise NotJsonError from None
    if not isinstance(parsed, dict) or _is_deep(parsed):
        raise NotJsonError
    return parsed


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEPTH_LIMIT):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _reject(_literal: str) -> NoReturn:
    raise ValueError


def _finite(literal: str) -> float:
    if len(literal) > DIGIT_LIMIT or abs(number := float(literal)) == float("inf"):
        raise ValueError
    return number


def _short(literal: str) -> int:
    if len(literal) > DIGIT_LIMIT:
        raise ValueError
    return int(literal)
