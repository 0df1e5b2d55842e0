"""What logs and traces must not show: the names of sensitive fields, and the forms of secrets in free text.

Every pattern takes time linear in the text's length: it starts only where a run of its characters starts, and
its quantifiers are possessive (`++`, `*+`) or bounded.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

MASK: Final = "<redacted>"

_CREDENTIAL_KEY: Final = (
    "passw|passphrase|secret|token|credential|authorization|cookie|connection_?string"
    "|(?:api|access|private|signing|encryption)[_-]?key"
)
_CREDENTIAL: Final = re.compile(_CREDENTIAL_KEY)
_PRIVATE: Final = re.compile(
    "email|phone|recipient|signer|waiting_on|variables|presigned|forwarded_for|client_ip"
    "|(?:callback|download|preview|signing)_url"
    "|(?:^|_)(?:pwd|auth|session|vault|otp|pin|cvv|cvc|card|pan|ssn|iban|dob|dsn|cc|birthday|address|addresses"
    "|sender|title|subject|username|(?:first|last|full|display|sur)name)(?:_|$)"
    "|(?:^|_)(?:signature|names?|query|body|description|reason)$"
)
_HARMLESS: Final = re.compile(
    "(?:^|_)(?:count|total|length|limit|ids?|order|status|type)$"
    "|(?:^|_)(?:activity|class|event|function|host|logger|metric|module|operation|process|queue|server|service"
    "|task|thread|type|workflow)_(?:name|address)$"
)
_WORD_BOUNDARY: Final = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")
_KEY_LIMIT: Final = 200
"""Characters of a key that are examined."""


def is_sensitive(key: str) -> bool:
    """Return whether the value of this key must be masked, as for `API_KEY` or `senderEmail`."""
    return _is_sensitive(key[:_KEY_LIMIT])


@lru_cache(maxsize=4096)
def _is_sensitive(key: str) -> bool:
    words = _WORD_BOUNDARY.sub("_", key).lower()
    return bool(_CREDENTIAL.search(words) or (_PRIVATE.search(words) and not _HARMLESS.search(words)))


def _mask_card(found: re.Match[str]) -> str:
    digits = [int(character) for character in found[0] if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return MASK if (sum(doubled) + sum(digits[-1::-2])) % 10 == 0 else found[0]


class Pattern(NamedTuple):
    """A row of the table."""

    name: str
    regex: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str]
    why: str


TOKEN: Final = Pattern(
    "token",
    re.compile(
        r"(?<![A-Za-z0-9])(?:TDXP?-[\w-]{6,}+|cst_[a-z0-9]{10}_[a-z0-9]{6,}+|whsec_[\w+/=-]{6,}+|[srp]k_(?:live|test)_\w{8,}+"
        r"|(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}|hv[sbr]\.[\w-]{8,}+|gh[pousr]_\w{20,}+"
        r"|github_pat_\w{20,}+|xox[abeprs]-[\w-]{10,}+|glpat-[\w-]{20,}+|AIza[\w-]{35}|ya29\.[\w-]{20,}+"
        r"|SG\.[\w-]{16,}+\.[\w-]{16,}+|eyJ[\w-]++\.[\w-]++\.[\w-]*+)++"
    ),
    MASK,
    "Keys and tokens that providers, clouds and code hosts mark with a prefix; JSON Web Tokens.",
)

PATTERNS: Final = (
    Pattern(
        "user in a URL",
        re.compile(r"""://[^\s/@?#<>"']++@"""),
        f"://{MASK}@",
        "Proxies' and databases' addresses carry a password.",
    ),
    Pattern(
        "header line",
        re.compile(
            r"(?i)(?<![\w-])((?:proxy-)?authorization|(?:set-)?cookie)[ \t]{0,4}:[ \t]{0,4}[^\s<\"'][^\r\n]*+"
        ),
        rf"\1: {MASK}",
        "The value of a credential header runs to the end of the line.",
    ),
    Pattern(
        "authorization scheme",
        re.compile(r"""(?i:\b(Bearer|Basic)) {1,4}(?=[^\s"',;<>]*[0-9A-Z=])[^\s"',;<>]{6,}+"""),
        rf"\1 {MASK}",
        "Values of Authorization without the header's name. A lower-case word after `Bearer` is prose.",
    ),
    TOKEN,
    Pattern(
        "sensitive key",
        re.compile(
            r"""(?i)(?<![\w.-])(?=[\w.-]++["']? ?[=:])"""
            rf"(?=(?>[\w.-]*?(?:{_CREDENTIAL_KEY}|signature|\bsig\b|email|phone)))"
            r"""([\w.-]++["']? ?[=:] ?b?)"""
            r"""(?:"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|(?:(?<==)|(?<== ))[^\s,;&)}\]"'<]++)"""
        ),
        rf"\1{MASK}",
        'In text, `key=value` and `"key": "value"`. `key: value` without quotes is prose.',
    ),
    Pattern(
        "signing link",
        re.compile(r"""(/(?:embed/sign|sign-once|sign|embed)/|[?&]sut=)[\w~%-][^\s"'<>]{5,}+"""),
        rf"\1{MASK}",
        "Whoever has the link can sign.",
    ),
    Pattern(
        "e-mail address",
        re.compile(
            r"(?<![\w.+%-])(?:(?:[\w.!#$&*+^`~-]|%(?!40))++(?:@|%40)"
            r"(?:[\w-]++\.)+(?:xn--[\w-]{2,59}|[^\W\d_]{2,63}))++"
        ),
        MASK,
        "Also in URL form, with `%40`.",
    ),
    Pattern(
        "card number",
        re.compile(
            r"(?<![\w.+-])(?:[2-6]\d{3}([ -]?)\d{4}\1\d{4}\1\d{4}|3[47]\d\d([ -]?)\d{6}\2\d{5})(?![\w-])"
        ),
        _mask_card,
        "Only with a right check digit: order numbers and times have as many digits.",
    ),
    Pattern(
        "phone number",
        re.compile(
            r"(?<![\w+])(?:\+[1-9](?:[ .()/-]{0,2}\d){6,14})+(?!\w)"
            r"|(?<![\w.+-])(?:(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])[2-9]\d\d[ .-]\d{4})+(?![\w-])"
        ),
        MASK,
        "International with `+`, American with separators: other runs of digits are ids.",
    ),
)
