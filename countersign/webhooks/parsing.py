"""Strict JSON: what one reader takes and another refuses is refused here, before anything depends on it."""

import json
from typing import Any, Final, NoReturn

DEPTH_LIMIT: Final = 32
"""Nesting of a payload; a provider's has 2 or 3."""
DIGIT_LIMIT: Final = 32
"""Characters of a number; 64-bit integers have 20 at most."""


class NotJsonError(Exception):
    """The bytes are not one JSON object in UTF-8 within the limits."""


def parse_object(body: bytes) -> dict[str, Any]:
    """Read one JSON object.

    Refused are: anything but UTF-8 (the json module takes UTF-16 and -32 too), repeated keys, `NaN` and
    infinities (also as `1e999`), and numbers and nesting over the limits.

    Raises:
        NotJsonError: For all of it.
    """
    try:
        parsed = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_without_repeats,
            parse_constant=_refuse,
            parse_float=_finite,
            parse_int=_short,
        )
    except (ValueError, RecursionError):  # the decoder recurses, and says so with RecursionError
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


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _refuse(_literal: str) -> NoReturn:
    raise ValueError


def _finite(literal: str) -> float:
    if len(literal) > DIGIT_LIMIT or abs(number := float(literal)) == float("inf"):
        raise ValueError
    return number


def _short(literal: str) -> int:
    if len(literal) > DIGIT_LIMIT:
        raise ValueError
    return int(literal)
