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
    """What a call's end says; the last four say why a queue is held."""

    GOOD = "good"
    BAD = "bad"
    NEUTRAL = "neutral"
    CREDENTIALS = "credentials refused"
    PERMISSION = "permission refused"
    PLAN = "plan exhausted"
    CERTIFICATE = "certificate not trusted"


HOLDS: Final = frozenset({Verdict.CREDENTIALS, Verdict.PERMISSION, Verdict.PLAN, Verdict.CERTIFICATE})
_REFUSALS: Final[dict[int, Verdict]] = {
    HTTPStatus.PAYMENT_REQUIRED: Verdict.PLAN,
    HTTPStatus.FORBIDDEN: Verdict.PERMISSION,
}

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
        return _REFUSALS.get(error.status, Verdict.CREDENTIALS)
    return next(verdict for kinds, verdict in _VERDICTS if isinstance(error, kinds))
