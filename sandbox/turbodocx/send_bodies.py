"""The body of a send: JSON or a form with JSON strings in it."""

import json
from typing import Any

from sandbox.core.bodies import BodyError, parse_json
from sandbox.turbodocx import errors

_FLAGS = ("sendEmail", "remindersEnabled", "expirationEnabled")
_DURATIONS = (
    "reminderDelay",
    "reminderInterval",
    "expireAfter",
    "expirationWarning",
    "expirationWarningInterval",
)


def decoded(body: dict[str, Any]) -> dict[str, Any]:
    """Parse the JSON strings in the body, and the booleans and numbers of a form.

    Raises:
        ApiError: 400, a value is invalid.
    """
    decoded = {key: value for key, value in body.items() if value is not None and value != ""}
    for name in ("recipients", "fields", "ccEmails"):
        if name in decoded:
            decoded[name] = _json_text(decoded[name], name, list)
    for name in _DURATIONS:
        if name in decoded:
            decoded[name] = _json_text(decoded[name], name, dict)
    for name in _FLAGS:
        if isinstance(decoded.get(name), str) and decoded[name] in {"true", "false"}:
            decoded[name] = decoded[name] == "true"
        if not isinstance(decoded.get(name, True), bool):
            raise errors.invalid([(name, f'"{name}" must be a boolean')])
    if isinstance(decoded.get("maxReminders"), str):
        decoded["maxReminders"] = _number(decoded["maxReminders"])
    if "recipients" not in decoded:
        raise errors.invalid([("recipients", '"recipients" is required')])
    return decoded


def _json_text(value: Any, name: str, kind: type[list[Any]] | type[dict[str, Any]]) -> Any:
    try:
        found = parse_json(value) if isinstance(value, str) else None
    except BodyError:
        found = None
    if not isinstance(found, kind):
        raise errors.single_step(f"Invalid JSON in {name}", "JSONParseError")
    return found


def _number(text: str) -> int:
    try:
        return int(json.loads(text))
    except (ValueError, TypeError, OverflowError):
        raise errors.invalid([("maxReminders", '"maxReminders" must be a number')]) from None
