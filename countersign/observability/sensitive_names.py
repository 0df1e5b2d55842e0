"""Which keys hold secrets or people, told by their names. Pure."""

import re
from functools import lru_cache
from typing import Final

_ANYWHERE: Final = re.compile(
    r"passw|passphrase|secret|token|apikey|accesskey|privatekey|signingkey|encryptionkey|authorization|cookie|"
    r"credential|connectionstring|email|phone|recipient|signer|downloadurl|previewurl|presigned|signingurl|"
    r"xforwardedfor|ipaddress|clientip|iban|variables|waitingon"
)
"""Parts of a name with its separators taken out that are telling wherever they stand."""

_WORDS: Final = frozenset(
    {"pwd", "auth", "session", "vault", "otp", "pin", "cvv", "cvc", "card", "pan", "ssn", "dob", "dsn", "cc"}
    | {"birthday", "address", "addresses", "sender", "fullname", "firstname", "lastname", "surname", "title"}
    | {"displayname", "username", "subject"}
)
"""Words that are telling when they stand alone between separators: `pin` is, `shipping` is not."""

_LAST_WORDS: Final = frozenset({"signature", "name", "names", "query", "body", "description", "reason"})
"""Words that are telling at the end: `x-turbodocx-signature` is, `signature_event` is not."""

_TECHNICAL: Final = frozenset(
    {"activity", "class", "event", "func", "function", "host", "logger", "metric", "module", "operation"}
    | {"process", "queue", "server", "service", "task", "thread", "type", "workflow"}
)
"""`<one of these>_name` and `<one of these>_address` are no person's."""

_HARMLESS_ENDS: Final = frozenset(
    {"count", "total", "length", "limit", "id", "ids", "order", "status", "type"}
)
"""`recipient_count` and `recipient_id` tell nothing about a person; `secret_id` is a secret all the same."""

_LONGEST: Final = 200
"""So many characters of a name are looked at."""

_SPLIT = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")


def is_sensitive(key: str) -> bool:
    """Tell whether what stands under this key must not be shown, as under `API_KEY` or `senderEmail`."""
    return _is_sensitive(key[:_LONGEST])  # what is remembered stays small, however long strangers' keys are


@lru_cache(maxsize=4096)
def _is_sensitive(key: str) -> bool:
    words = [each.lower() for each in _SPLIT.split(key) if each]
    if not words:
        return False
    if words[-1] in _HARMLESS_ENDS and not re.search("passw|secret|token", "".join(words)):
        return False
    if words[-1] in {"name", "address"} and len(words) > 1 and words[-2] in _TECHNICAL:
        return False
    return words[-1] in _LAST_WORDS or bool(_WORDS & set(words)) or bool(_ANYWHERE.search("".join(words)))
