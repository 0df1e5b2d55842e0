"""Read the error bodies of any API: `code` and `message`, bare or in `error`, or RFC 9457. Pure."""

import re
from typing import Any, Final

from countersign.providers.calls import Call
from countersign.providers.outcomes import Refusal, clean

_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", re.ASCII)
_MESSAGES: Final = ("message", "detail", "title")


def explain(body: Any, call: Call) -> Refusal:
    """Read an error body.

    Args:
        body: Its JSON; anything, None included.
        call: The call that it answers, for the private texts that it may quote.
    """
    if not isinstance(body, dict):
        return Refusal()
    error = body["error"] if isinstance(body.get("error"), dict) else body
    code = error.get("code")
    message = next((error[name] for name in _MESSAGES if isinstance(error.get(name), str)), "")
    return Refusal(
        code=code if isinstance(code, str) and _CODE.fullmatch(code) else None,
        message=clean(message, call.private),
    )
