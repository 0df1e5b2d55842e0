"""What a provider call can end in. Every status code and every transport failure is exactly one of these.

    ProviderError
    ├── NotSentError                  provably never left: DNS, connect, TLS, circuit open
    │   ├── BlockedError              the circuit let nothing out
    │   └── UntrustedCertificateError the provider's certificate does not verify
    ├── PostponedError                the provider responded that it may be asked again
    │   ├── ThrottledError            429: too many requests
    │   └── KeyReplacedError          401, but there is another key now
    ├── RejectedError                 4xx: the provider responded that it did not do it, and never will
    │   └── UnauthorizedError         401, 402, 403: the key, its role or its plan
    ├── UnavailableError              a read failed with 5xx, a time-out or a broken connection
    │   └── NotReadyError             the signed document is not finished yet
    ├── OutcomeUnknownError           a write was sent, and its outcome is not known
    └── ContractBrokenError           a response to a read breaks the contract

A status is not evidence: a write whose response was 4xx may have been done all the same.

Messages are safe to log: they name the operation, the host and the provider's error code, never a path or
query, a key or a person. The provider's own words travel beside them, in `RejectedError.provider_message`.
"""


class ProviderError(Exception):
    """A provider call did not end well.

    Args:
        message: One sentence, safe to log.
        operation: The client's method, for example `prepare_for_signing`.
    """

    def __init__(self, message: str, *, operation: str) -> None:
        super().__init__(message)
        self.operation = operation


class NotSentError(ProviderError):
    """The request provably never left; it may be made again.

    Args:
        message: One sentence, safe to log.
        operation: The client's method.
        retry_after: Seconds to wait before trying again; None leaves the choice to the retry policy.
    """

    def __init__(self, message: str, *, operation: str, retry_after: float | None = None) -> None:
        super().__init__(message, operation=operation)
        self.retry_after = retry_after


class BlockedError(NotSentError):
    """The circuit is open or holds the queue, so the request was not even tried."""


class UntrustedCertificateError(NotSentError):
    """The provider's certificate does not verify; nothing was sent."""


class PostponedError(ProviderError):
    """The provider responded that the request was not done, and may be made again.

    Args:
        message: One sentence, safe to log.
        operation: The client's method.
        retry_after: Seconds to wait before trying again; None leaves the choice to the retry policy.
    """

    def __init__(self, message: str, *, operation: str, retry_after: float | None = None) -> None:
        super().__init__(message, operation=operation)
        self.retry_after = retry_after


class ThrottledError(PostponedError):
    """429: too many requests."""


class KeyReplacedError(PostponedError):
    """401 with a key that has been replaced meanwhile: the next try takes the new one."""


class RejectedError(ProviderError):
    """The provider rejected the request, and would reject it again.

    Args:
        message: One sentence, safe to log.
        operation: The client's method.
        status: The HTTP status.
        code: The provider's own error code, if it gave one.
        provider_message: The provider's own words, cleaned and cut; "" if it gave none. They may name people,
            so they are for the caller, never for a log.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        status: int,
        code: str | None = None,
        provider_message: str = "",
    ) -> None:
        super().__init__(message, operation=operation)
        self.status = status
        self.code = code
        self.provider_message = provider_message


class UnauthorizedError(RejectedError):
    """401, 402 or 403: the key is wrong, lacks a role, or its plan is exhausted.

    Args:
        message: One sentence, safe to log.
        operation: The client's method.
        status: The HTTP status.
        code: The provider's own error code, if it gave one.
        provider_message: See `RejectedError`.
        about_key: False where the key may be good for everything else: it lacks the one role that the
            operation needs.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        status: int,
        code: str | None = None,
        provider_message: str = "",
        about_key: bool = True,
    ) -> None:
        super().__init__(
            message, operation=operation, status=status, code=code, provider_message=provider_message
        )
        self.about_key = about_key


def is_about_key(error: RejectedError) -> bool:
    """Return whether the provider rejected the key, and not one operation for lack of a role."""
    return isinstance(error, UnauthorizedError) and error.about_key


class UnavailableError(ProviderError):
    """A read failed: 5xx, a time-out, a broken connection.

    Args:
        message: One sentence, safe to log.
        operation: The client's method.
        retry_after: Seconds that the provider asked us to wait, if it did.
    """

    def __init__(self, message: str, *, operation: str, retry_after: float | None = None) -> None:
        super().__init__(message, operation=operation)
        self.retry_after = retry_after


class NotReadyError(UnavailableError):
    """The signed document is not finished yet: expected for a while after the last signature."""


class OutcomeUnknownError(ProviderError):
    """A write was sent without a trustworthy response: it may have happened or not."""


class ContractBrokenError(ProviderError):
    """A response to a read breaks the provider's contract: not JSON, or a field is missing."""
