"""TurboDocx's error bodies: at least five shapes, read as its official SDK reads them, cleaned and cut.

{"message", "type", "data": {"errors": [{"message"}]}}     {"message", "error": CODE, "data"?}
{"error": MESSAGE, "code", "details"?}                     {"message", "type"}
{"error": {"message", "code"}}                             "" on webhook routes' 401 and 403
"""

import re
from typing import Any, Final

from countersign.providers.calls import Call
from countersign.providers.outcomes import Refusal, clean

_ABOUT_REQUEST: Final = frozenset(
    {"OtpNotEntitled", "EmbeddedSigningNotEnabled", "OtpOverrideNotAllowed", "ExternalIdvNotAllowed"}
)
"""Codes of 402 and 403 that refuse a feature which this request asks for; the key is good."""

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", re.ASCII)


def explain(body: Any, call: Call) -> Refusal:
    """Read an error body.

    Args:
        body: Its JSON; anything, None included.
        call: The call that it answers, for the private texts that it may quote.
    """
    if not isinstance(body, dict):
        return Refusal()
    error = body.get("error")
    nested = error if isinstance(error, dict) else {}
    text = error if isinstance(error, str) else None
    message = _field_errors(body) or body.get("message") or nested.get("message") or text
    code = body.get("code") or body.get("type") or nested.get("code") or (body.get("message") and text)
    code = code if isinstance(code, str) and _CODE.fullmatch(code) else None
    return Refusal(
        code=code,
        message=clean(message, call.private) if isinstance(message, str) else "",
        about_request=code in _ABOUT_REQUEST,
    )


def _field_errors(body: dict[str, Any]) -> str:
    data = body.get("data")
    listed = (data.get("errors") if isinstance(data, dict) else None) or body.get("errors")
    rows = listed if isinstance(listed, list) else []
    texts = [row.get("message") for row in rows if isinstance(row, dict)]
    return "; ".join(text for text in texts if isinstance(text, str))
