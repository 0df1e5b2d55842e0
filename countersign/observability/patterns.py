"""Secrets and people's data in free text, told by their form. Pure; linear in the text's length.

Patterns start only where a run of their characters starts and never give characters back (`++`, `*+`), so
that no text makes them slow.
"""

import re
from collections.abc import Callable
from typing import Final

from countersign.observability.sensitive_names import is_sensitive

MASK: Final = "<redacted>"

_PASSES: Final = 4
"""A mask can lay bare what stood right beside it; one pass is enough for what needs no masking."""

_NOT_LOCAL = r"""\s@<>"'()\[\],:;=/\\|{}&?!#"""
_EMAIL = re.compile(
    rf"(?<![^{_NOT_LOCAL}])(?:(?:[^{_NOT_LOCAL}%]|%(?!40))++(?:@|%40)"
    r"(?:[\w-]++\.)+(?:xn--[\w-]{2,59}|[^\W\d_]{2,63}))++"
)
_QUERY = re.compile(r"""(?<![^\s"'<>?])([^\s"'<>?]++)\?([^\s"'<>]++)""")
_URL_USER = re.compile(r"://[^\s/@?#<>\"']++@")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z0-9 ]{0,30}PRIVATE KEY-----|[\s\S]*)"
)
_SCHEME = re.compile(
    r"""(?i:\b(Bearer|Basic|Digest|Negotiate)) {1,4}(?=[^\s"',;<>]*[0-9A-Z=])[^\s"',;<>]{6,}+"""
)
_PREFIXED = re.compile(
    r"(?<![A-Za-z0-9])(?:TDXP?-[\w-]{6,}+|whsec_[\w+/=-]{6,}+|[srp]k_(?:live|test)_\w{8,}+"
    r"|(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}|hv[sbr]\.[\w-]{8,}+|gh[pousr]_\w{20,}+|github_pat_\w{20,}+"
    r"|xox[abeprs]-[\w-]{10,}+|glpat-[\w-]{20,}+|AIza[\w-]{35}|ya29\.[\w-]{20,}+|SG\.[\w-]{16,}+\.[\w-]{16,}+"
    r"|eyJ[\w-]++\.[\w-]++\.[\w-]*+)++"
)
_HEADER_LINE = re.compile(
    r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)[ \t]{0,4}:[ \t]{0,4}[^\s<\"'][^\r\n]*+"
)
_PYDANTIC_INPUT = re.compile(r"input_value=(?!<redacted>)[^\r\n]++")
_PAIR = re.compile(
    r"""(?P<lead>b?(?P<q>["']?)(?P<key>(?<![\w.-])[\w.-]++)(?P=q)[ \t]{0,4}(?P<sep>[=:,])[ \t]{0,4})"""
    r"""(?:b?"(?P<double>(?:[^"\\]|\\.)*+)"|b?'(?P<single>(?:[^'\\]|\\.)*+)'|(?P<bare>[^\s,;&)}\]"']++))"""
)
_PHONE = re.compile(
    r"(?<![\w+])(?:\+[1-9](?:[ .()/-]{0,2}\d){6,14})+(?![\w])"
    r"|(?<![\w.+-])(?:(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]\d{4})+(?![\w-])"
)
_CARD = re.compile(
    r"(?<![\w.+-])(?:[2-6]\d{12,18}|[2-6]\d{3}[ -](?:\d{4}[ -]\d{4}[ -]\d{4}|\d{6}[ -]\d{4,5}))(?![\w-])"
)
_SSN = re.compile(r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")

_CARD_LENGTHS: Final = {2: {16}, 3: {14, 15}, 4: {13, 16, 19}, 5: {16}, 6: {16, 19}}
"""Digits of a card by its first one; other lengths are times and order numbers."""


_Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str], tuple[str, ...]]
"""A pattern, what to put in its place, and signs of which one must be in a text for it to be tried."""


def redact_text(text: str) -> str:
    """Mask whatever looks like a secret or a person's data. Redacting twice is redacting once."""
    for _ in range(_PASSES):
        before = text
        text = _apply(_WORDS, text)
        if _NUMBER_BEGINS.search(text):
            text = _apply(_NUMBERS, text)
        if text == before:
            break
    return text


def _apply(rules: tuple[_Rule, ...], text: str) -> str:
    for pattern, replacement, signs in rules:
        for sign in signs:
            if sign in text:
                text = pattern.sub(replacement, text)
                break
    return text


def _query(found: re.Match[str]) -> str:
    """Mask what follows `?` in an address or a path: presigned links hold their signature there."""
    return f"{found[1]}?{MASK}" if "/" in found[1] else found[0]


def _pair(found: re.Match[str]) -> str:
    """Mask the value in `key=value`, `"key": "value"` and `(b'key', b'value')` if the key is telling."""
    bare, separator = found["bare"], found["sep"]
    if not is_sensitive(found["key"]):
        return found[0]
    if bare is None:
        quote = '"' if found["double"] is not None else "'"
        return f"{found['lead']}{quote}{MASK}{quote}"
    in_prose = separator == "," or (separator == ":" and bare.rstrip(".!?").isalpha())
    return found[0] if in_prose or bare.startswith(MASK) else found["lead"] + MASK


def _card(found: re.Match[str]) -> str:
    digits = [int(each) for each in found[0] if each.isdigit()]
    issued = len(digits) in _CARD_LENGTHS[digits[0]]
    doubled = [each * 2 - 9 * (each > 4) for each in digits[-2::-2]]  # noqa: PLR2004 - Luhn
    return MASK if issued and (sum(doubled) + sum(digits[-1::-2])) % 10 == 0 else found[0]


def _iban(found: re.Match[str]) -> str:
    """Mask an account number; a word beside it may look like its last part."""
    whole, rest = found[0], ""
    while whole:
        compact = whole.replace(" ", "")
        if int("".join(str(int(each, 36)) for each in compact[4:] + compact[:4])) % 97 == 1:
            return MASK + rest
        whole, space, last = whole.rpartition(" ")
        rest = f"{space}{last}{rest}"
    return found[0]


_PREFIXES: Final = (
    *("TDX", "whsec_", "k_", "hv", "gh", "xox", "glpat-", "ya29.", "SG.", "eyJ"),
    *("AKIA", "ASIA", "AROA", "AIDA", "AIza"),
)
"""Of each alternative of `_PREFIXED` a part that it must have."""

_WORDS: Final[tuple[_Rule, ...]] = (
    (_PRIVATE_KEY, MASK, ("PRIVATE KEY",)),
    (_PYDANTIC_INPUT, f"input_value={MASK}", ("input_value=",)),
    (_QUERY, _query, ("?",)),
    (_URL_USER, f"://{MASK}@", ("://",)),
    (_HEADER_LINE, rf"\1: {MASK}", (":",)),
    (_SCHEME, rf"\1 {MASK}", (" ",)),
    (_PREFIXED, MASK, _PREFIXES),
    (_PAIR, _pair, ("=", ":", ",")),
    (_EMAIL, MASK, ("@", "%40")),
)

_ANY: Final = ("",)
"""A sign that every text has."""

_NUMBERS: Final[tuple[_Rule, ...]] = (
    (_IBAN, _iban, _ANY),
    (_CARD, _card, _ANY),
    (_PHONE, MASK, ("+", "-", ".", " ")),
    (_SSN, MASK, ("-",)),
)
_NUMBER_BEGINS: Final = re.compile(r"(?<!\w)(?:(?<!-)\d{3}|[(+]|[A-Z]{2}\d)")
"""What each of the numbers begins with: most ids have none, and one search instead of four tells."""
