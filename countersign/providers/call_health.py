"""Classify how a call ended by what it shows about the provider's health. Pure.

A failure is a 5xx, a time-out, a broken connection or a broken response. A 4xx is a normal response,
429 is neutral, and so are a cancelled call and a fault of our own.
"""

from enum import StrEnum
from http import HTTPStatus
from typing import Final

from countersign.providers.errors import (
    BlockedError,
    KeyReplacedError,
    ProviderError,
    RejectedError,
    ThrottledError,
    UnauthorizedError,
    UntrustedCertificateError,
)


class CallHealth(StrEnum):
    """What the end of a call shows. The last four block the queue."""

    GOOD = "good"
    BAD = "bad"
    NEUTRAL = "neutral"
    CREDENTIALS = "credentials refused"
    PERMISSION = "permission refused"
    PLAN = "plan exhausted"
    CERTIFICATE = "certificate not trusted"


BLOCKING: Final = frozenset(
    {CallHealth.CREDENTIALS, CallHealth.PERMISSION, CallHealth.PLAN, CallHealth.CERTIFICATE}
)
_BLOCKING_STATUSES: Final[dict[int, CallHealth]] = {
    HTTPStatus.PAYMENT_REQUIRED: CallHealth.PLAN,
    HTTPStatus.FORBIDDEN: CallHealth.PERMISSION,
}

_HEALTH: Final[tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], CallHealth], ...]] = (
    (RejectedError, CallHealth.GOOD),
    (UntrustedCertificateError, CallHealth.CERTIFICATE),
    ((ThrottledError, BlockedError, KeyReplacedError), CallHealth.NEUTRAL),
    (ProviderError, CallHealth.BAD),
    (BaseException, CallHealth.NEUTRAL),
)


def call_health(error: BaseException | None) -> CallHealth:
    """Classify a call's error; None is success."""
    if error is None:
        return CallHealth.GOOD
    if isinstance(error, UnauthorizedError) and error.about_key:
        return _BLOCKING_STATUSES.get(error.status, CallHealth.CREDENTIALS)
    return next(health for kinds, health in _HEALTH if isinstance(error, kinds))
