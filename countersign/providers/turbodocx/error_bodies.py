"""TurboDocx's error bodies: at least five shapes, read as its official SDK reads them, cleaned and cut.

{"message", "type", "data": {"errors": [{"message"}]}}     {"message", "error": CODE, "data"?}
{"error": MESSAGE, "code", "details"?}                     {"message", "type"}
{"error": {"message", "code"}}                             "" on webhook routes' 401 and 403
"""

import re
from typing import Any, Final

from countersign.providers.calls import Call
from countersign.providers.outcomes import Refusal, clean

_ABOUT_REQUEST: Final = {
    "OtpNotEntitled": "the plan has no codes by SMS: change a signer's `identity` to email, or upgrade it",
    "EmbeddedSigningNotEnabled": (
        "the organization has no embedded signing: switch on identity verification in its settings; without "
        "it, leave `identity` out, and make no signing links"
    ),
    "OtpOverrideNotAllowed": (
        "the organization fixes how codes are sent: leave `identity` out, or allow other channels there"
    ),
    "ExternalIdvNotAllowed": (
        "the organization allows no external identity checks: allow them there, or change `identity`"
    ),
}
"""Codes of 402 and 403 that refuse a feature which this request asks for, and what to do; the key is good."""
_ADVICE: Final = _ABOUT_REQUEST | {
    "OtpPhoneRequired": (
        "a code by SMS needs a phone number: give the signer an `identity` of the kind sms, or change the "
        "organization's default"
    ),
    "OtpPhoneInvalid": "the provider refuses a signer's phone number: write it with the country code",
    "IdentityConfigInvalid": "the provider refuses the settings of a signer's `identity`",
    "RecipientRequiresSingleUseUrl": (
        "a signer with an external identity check gets no e-mail: make a signing link for that signer"
    ),
}
"""What to do about a code."""

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
        advice=_ADVICE.get(code or "", ""),
    )


def _field_errors(body: dict[str, Any]) -> str:
    data = body.get("data")
    listed = (data.get("errors") if isinstance(data, dict) else None) or body.get("errors")
    rows = listed if isinstance(listed, list) else []
    texts = [row.get("message") for row in rows if isinstance(row, dict)]
    return "; ".join(text for text in texts if isinstance(text, str))
