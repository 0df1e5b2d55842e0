"""Documenso's error bodies: two shapes, made safe to log.

{"message", "code", "data": {"code", "httpStatus", "appError": {"code"}}}     {"error", "code"} of downloads
"""

import re
from typing import Any, Final

from countersign.providers.calls import Call
from countersign.providers.outcomes import Refusal, clean

_CODE: Final = re.compile(r"[A-Z][A-Z_]{0,63}")
_ABOUT_KEY: Final = frozenset({"EXPIRED_CODE"})
"""Codes that refuse the key, whatever the status: an expired key is a 400 (inferred from the source)."""


def explain(body: Any, call: Call) -> Refusal:
    """Read an error body: the application's code, which says more than the status.

    Args:
        body: Its JSON; anything, None included.
        call: The call that it answers, for the private texts that it may quote.
    """
    if not isinstance(body, dict):
        return Refusal()
    data = _object(body.get("data"))
    application = _object(data.get("appError"))
    codes = (application.get("code"), data.get("code"), body.get("code"))
    code = next((entry for entry in codes if isinstance(entry, str) and _CODE.fullmatch(entry)), None)
    message = application.get("message") or body.get("message") or body.get("error")
    return Refusal(
        code=code,
        message=clean(message, call.private) if isinstance(message, str) else "",
        about_key=code in _ABOUT_KEY,
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
