"""The one retry table: what a provider call ended in, in Temporal's terms.

| error                            | type           | tried again | after                              |
|----------------------------------|----------------|-------------|------------------------------------|
| NotSentError                     | NotSent        | yes         | the step's backoff                 |
| BlockedError                     | NotSent        | yes         | what is left of the cooldown       |
| KeyReplacedError                 | KeyReplaced    | yes         | the step's backoff                 |
| ThrottledError, PostponedError   | Throttled      | yes         | Retry-After, 60 s without          |
| RejectedError                    | Rejected       | never       |                                    |
| UnauthorisedError                | Unauthorised   | as the step | the step's backoff                 |
| UnavailableError, NotReadyError  | Unavailable    | yes         | Retry-After, else the step's backoff |
| OutcomeUnknownError              | OutcomeUnknown | as the step | the step's backoff                 |
| ContractBrokenError              | ContractBroken | yes         | the step's backoff                 |

"As the step": `workflows/policies.py` says which steps end with a refused key (those before the send), and
gives one attempt to those that an unknown outcome ends.
A delay that was asked for is clamped where the header is read (a setting) and spread here, so that a
fleet that was throttled together does not come back together. Workflows read it from the failure
(`next_retry_delay`). The expected is BENIGN: no warning.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from countersign.agreements import failures
from countersign.providers.errors import (
    BlockedError,
    ContractBrokenError,
    KeyReplacedError,
    NotReadyError,
    NotSentError,
    OutcomeUnknownError,
    PostponedError,
    ProviderError,
    RejectedError,
    ThrottledError,
    UnauthorizedError,
    UnavailableError,
)

BENIGN: Final = ApplicationErrorCategory.BENIGN
SPREAD: Final = 0.1
"""Up to so much of a delay is added to it."""

_TYPES: Final[tuple[tuple[type[ProviderError], str], ...]] = (
    (ThrottledError, failures.THROTTLED),
    (KeyReplacedError, failures.KEY_REPLACED),
    (PostponedError, failures.THROTTLED),
    (NotSentError, failures.NOT_SENT),
    (UnauthorizedError, failures.UNAUTHORIZED),
    (RejectedError, failures.REJECTED),
    (UnavailableError, failures.UNAVAILABLE),
    (OutcomeUnknownError, failures.OUTCOME_UNKNOWN),
    (ContractBrokenError, failures.CONTRACT_BROKEN),
)
_EXPECTED: Final = (ThrottledError, BlockedError, KeyReplacedError, NotReadyError)


@contextmanager
def provider_errors() -> Iterator[None]:
    """Let provider errors leave an activity as the `ApplicationError` of the table above."""
    try:
        yield
    except ProviderError as error:
        raise to_application_error(error) from None


def to_application_error(error: ProviderError) -> ApplicationError:
    """Look an error up in the table above."""
    kind = failure_type(error)
    return ApplicationError(
        str(error),
        type=kind,
        non_retryable=kind == failures.REJECTED,
        next_retry_delay=_delay(error),
        category=BENIGN if isinstance(error, _EXPECTED) else ApplicationErrorCategory.UNSPECIFIED,
    )


def failure_type(error: ProviderError) -> str:
    """Name the failure of an error, as workflows know it."""
    return next(name for kind, name in _TYPES if isinstance(error, kind))


def _delay(error: ProviderError) -> timedelta | None:
    asked = error.retry_after if isinstance(error, NotSentError | PostponedError | UnavailableError) else None
    if asked is None:
        return None
    return timedelta(seconds=asked * (1 + random.uniform(0, SPREAD)))  # noqa: S311  # no secret: it only spreads
