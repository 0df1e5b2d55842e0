"""The one retry table: what a provider call ended in, in Temporal's terms.

| error                            | type           | tried again | after                              |
|----------------------------------|----------------|-------------|------------------------------------|
| NotSentError                     | NotSent        | yes         | the step's backoff                 |
| BlockedError                     | NotSent        | yes         | what is left of the cooldown       |
| KeyReplacedError                 | KeyReplaced    | yes         | the step's backoff                 |
| ThrottledError, PostponedError   | Throttled      | yes         | Retry-After, 60 s without          |
| RejectedError                    | Rejected       | never       |                                    |
| UnauthorizedError                | Unauthorised   | as the step | the step's backoff                 |
| UnavailableError, NotReadyError  | Unavailable    | yes         | Retry-After, else the step's backoff |
| OutcomeUnknownError              | OutcomeUnknown | as the step | the step's backoff                 |
| ContractBrokenError              | ContractBroken | yes         | the step's backoff                 |

"As the step": its policy decides. `workflows/agreement/policies.py` ends generating if the key is refused,
and gives one attempt to the steps that must not be repeated blindly.
The transport limits a requested delay; this module spreads it, so that workers that were throttled together
do not retry together. Workflows read it from the failure (`next_retry_delay`). Expected errors are BENIGN: no
warning. The SDK logs messages, so the provider's own words are a detail of the failure.
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
"""The largest share of a delay that is added to it."""

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
    """Raise provider errors as the `ApplicationError` of the table above."""
    try:
        yield
    except ProviderError as error:
        raise to_application_error(error) from None


@contextmanager
def final() -> Iterator[None]:
    """Raise every `ApplicationError` as one that Temporal does not retry, whatever the step's policy."""
    try:
        yield
    except ApplicationError as error:
        raise ApplicationError(
            error.message,
            *error.details,
            type=error.type,
            non_retryable=True,
            next_retry_delay=error.next_retry_delay,
            category=error.category,
        ) from None


def to_application_error(error: ProviderError) -> ApplicationError:
    """Return the `ApplicationError` of an error, by the table above."""
    kind = failure_type(error)
    return ApplicationError(
        str(error),
        *_details(error),
        type=kind,
        non_retryable=kind == failures.REJECTED,
        next_retry_delay=_delay(error),
        category=BENIGN if isinstance(error, _EXPECTED) else ApplicationErrorCategory.UNSPECIFIED,
    )


def _details(error: ProviderError) -> tuple[dict[str, str], ...]:
    if isinstance(error, RejectedError) and error.provider_message:
        return ({failures.PROVIDER_MESSAGE: error.provider_message},)
    return ()


def failure_type(error: ProviderError) -> str:
    """Return the failure type of an error."""
    return next(name for kind, name in _TYPES if isinstance(error, kind))


def _delay(error: ProviderError) -> timedelta | None:
    requested = (
        error.retry_after if isinstance(error, NotSentError | PostponedError | UnavailableError) else None
    )
    if requested is None:
        return None
    return timedelta(seconds=requested * (1 + random.uniform(0, SPREAD)))  # noqa: S311  # no secret: it only spreads
