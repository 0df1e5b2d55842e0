"""What a call's end says of the provider's health. Pure.

A failure is a 5xx, a time-out, a broken connection or a broken answer. A 4xx is an answer like any other,
429 is neutral, and so are a cancelled call and a fault of our own.
"""

from enum import StrEnum
from http import HTTPStatus
from typing import Final

from countersign.providers.errors import (
    HeldError,
    KeyReplacedError,
    ProviderError,
    RejectedError,
    ThrottledError,
    UnauthorisedError,
    UntrustedCertificateError,
)


class Verdict(StrEnum):
    """What a call's end says; the last three say why a queue is held."""

    GOOD = "good"
    BAD = "bad"
    NEUTRAL = "neutral"
    CREDENTIALS = "credentials refused"
    PLAN = "plan exhausted"
    CERTIFICATE = "certificate not trusted"


HOLDS: Final = frozenset({Verdict.CREDENTIALS, Verdict.PLAN, Verdict.CERTIFICATE})

_VERDICTS: Final[tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Verdict], ...]] = (
    (RejectedError, Verdict.GOOD),
    (UntrustedCertificateError, Verdict.CERTIFICATE),
    ((ThrottledError, HeldError, KeyReplacedError), Verdict.NEUTRAL),
    (ProviderError, Verdict.BAD),
    (BaseException, Verdict.NEUTRAL),
)


def judge(error: BaseException | None) -> Verdict:
    """Tell what a call's end says of the provider; None stands for success."""
    if error is None:
        return Verdict.GOOD
    if isinstance(error, UnauthorisedError) and error.about_key:
        return Verdict.PLAN if error.status == HTTPStatus.PAYMENT_REQUIRED else Verdict.CREDENTIALS
    return next(verdict for kinds, verdict in _VERDICTS if isinstance(error, kinds))
