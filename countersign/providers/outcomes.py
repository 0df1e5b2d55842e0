"""Statuses and transport failures, each to exactly one error of `errors.py`. Pure.

| what came back                  | a read ends as           | a write ends as          |
|---------------------------------|--------------------------|--------------------------|
| 2xx that parses                 | its result               | its result               |
| 2xx that does not, 3xx          | ContractBrokenError      | OutcomeUnknownError      |
| 401, 402, 403 *                 | UnauthorizedError        | UnauthorizedError        |
| 408, 499, 5xx and beyond        | UnavailableError         | OutcomeUnknownError      |
| 429                             | ThrottledError           | ThrottledError           |
| any other 4xx                   | RejectedError            | RejectedError            |
| failure before anything left    | NotSentError             | NotSentError             |
| failure after the request left  | UnavailableError         | OutcomeUnknownError      |

* A 401 with a key that was replaced meanwhile is a KeyReplacedError; a 402 or 403 whose code is about a
feature that the request asks for is a RejectedError.
408 and 499 mean that a server stopped waiting; the work may be done. A redirect
is never followed, and never taken for success; a 1xx in an answer's place is a failure. A request counts as
one that left unless its failure proves the opposite; one whose total time ends while it connects left, too.
"""

import re
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from countersign.observability.patterns import MASK
from countersign.observability.redaction import redact_text
from countersign.providers.errors import (
    ContractBrokenError,
    NotSentError,
    OutcomeUnknownError,
    ProviderError,
    RejectedError,
    ThrottledError,
    UnauthorizedError,
    UnavailableError,
    UntrustedCertificateError,
)

_MESSAGE_LIMIT: Final = 300
_MARKER: Final = re.compile(r" *\[[^\[\]]{1,60}\]$")
_CLIENT_CLOSED_REQUEST = 499
_AMBIGUOUS = frozenset({HTTPStatus.REQUEST_TIMEOUT, _CLIENT_CLOSED_REQUEST})
_UNAUTHORIZED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN})

_FAILURES = {
    "AnswerTooLargeError": "sent a response that is too large",
    "ConnectError": "cannot be reached",
    "ConnectTimeout": "cannot be reached",
    "DecodingError": "encoded its response in a way that is not supported",
    "ReadError": "broke the connection",
    "ReadTimeout": "did not respond in time",
    "RemoteProtocolError": "broke the connection",
    "TimeoutError": "did not respond in time",
    "WriteError": "broke the connection",
    "WriteTimeout": "took the request too slowly",
}
"""What failed, in words, by the exception's name."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a provider's error body says.

    Args:
        code: Its machine-readable code, if any.
        message: Its words, cleaned and cut, for the caller and not for a log; "" if it has none.
        about_request: A 402 or 403 that is about this request (a feature it asks for), not about the key.
        advice: What to do about it, in our words.
        about_key: It is about the key or its plan, whatever the status.
    """

    code: str | None = None
    message: str = ""
    about_request: bool = False
    about_key: bool = False
    advice: str = ""


def clean(message: str, private: tuple[str, ...]) -> str:
    """Clean a provider's words: one printable line, without what the request held and what redaction masks.

    Args:
        message: What the error body says.
        private: Texts of the request.

    Returns:
        At most 300 characters.
    """
    unmarked = (_MARKER.sub("", text) for text in private)  # a title, as it was before we marked it
    # a table of prices has many thousand texts, and few of them are in the message
    lowered = message.lower() if message.isascii() else None
    for text in sorted({*private, *unmarked}, key=len, reverse=True):
        if len(text) > 1 and (lowered is None or text.lower() in lowered):
            message = re.sub(re.escape(text), MASK, message, flags=re.IGNORECASE)
    printable = "".join(character if character.isprintable() else " " for character in message)
    kept = redact_text(" ".join(printable.split())[: 4 * _MESSAGE_LIMIT])
    return kept if len(kept) <= _MESSAGE_LIMIT else kept[:_MESSAGE_LIMIT] + "…"


def error_of_status(
    status: int,
    *,
    operation: str,
    writes: bool,
    needs_role: bool,
    refusal: Refusal,
    retry_after: float | None,
) -> ProviderError:
    """Name the error of a status other than 2xx.

    Args:
        status: The HTTP status.
        operation: The client's method.
        writes: Whether the request may have changed something at the provider.
        needs_role: Whether a 403 means only that the key lacks a role.
        refusal: The parsed error body.
        retry_after: Seconds that the provider asked us to wait.
    """
    if refusal.about_key:
        return _rejected(status, operation=operation, needs_role=needs_role, refusal=refusal)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return ThrottledError(f"{operation}: throttled (429)", operation=operation, retry_after=retry_after)
    if status in _AMBIGUOUS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return failed_under_way(f"HTTP {status}", operation=operation, writes=writes, retry_after=retry_after)
    if status >= HTTPStatus.BAD_REQUEST:
        return _rejected(status, operation=operation, needs_role=needs_role, refusal=refusal)
    return broken(f"HTTP {status}", operation=operation, writes=writes)


def broken(what: str, *, operation: str, writes: bool) -> ProviderError:
    """Return the error for a response that breaks the contract."""
    if writes:
        return OutcomeUnknownError(
            f"{operation}: responded, but {what}: outcome unknown", operation=operation
        )
    return ContractBrokenError(f"{operation}: responded, but {what}", operation=operation)


def failed_under_way(
    what: str, *, operation: str, writes: bool, retry_after: float | None = None
) -> ProviderError:
    """Return the error for a request that was sent without a proper response."""
    if writes:
        return OutcomeUnknownError(f"{operation}: {what}: outcome unknown", operation=operation)
    return UnavailableError(f"{operation}: {what}", operation=operation, retry_after=retry_after)


def error_of_failure(
    cause: Exception, *, operation: str, origin: str, writes: bool, left: bool
) -> ProviderError:
    """Name the error of a failed exchange.

    Args:
        cause: What broke.
        operation: The client's method.
        origin: The destination, `https://host:port` without a path.
        writes: Whether the request may have changed something at the provider.
        left: False only if the failure proves that nothing left.
    """
    kind = type(cause).__name__
    what = f"{origin} {_FAILURES.get(kind, 'could not be asked')} ({kind})"
    if left:
        return failed_under_way(what, operation=operation, writes=writes)
    if _is_certificate_failure(cause):
        return UntrustedCertificateError(
            f"{operation}: the provider's certificate does not verify", operation=operation
        )
    return NotSentError(f"{operation}: not sent: {what}", operation=operation)


def _rejected(status: int, *, operation: str, needs_role: bool, refusal: Refusal) -> RejectedError:
    message = f"{operation}: refused (HTTP {status})" + (f": {refusal.code}" if refusal.code else "")
    message += f"; {refusal.advice}" if refusal.advice else ""
    if refusal.about_key or (status in _UNAUTHORIZED and not refusal.about_request):
        about_key = not (needs_role and status == HTTPStatus.FORBIDDEN)
        return UnauthorizedError(
            message,
            operation=operation,
            status=status,
            code=refusal.code,
            provider_message=refusal.message,
            about_key=about_key,
        )
    return RejectedError(
        message,
        operation=operation,
        status=status,
        code=refusal.code,
        provider_message=refusal.message,
    )


def _is_certificate_failure(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
