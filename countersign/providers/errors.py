"""What a provider call can end in. Every status code and every transport failure is exactly one of these.

    ProviderError
    ├── NotSentError                  provably never reached the provider: DNS, connect, TLS, circuit open
    │   ├── ThrottledError            429: the provider refused to look at it
    │   ├── HeldError                 the circuit let nothing out
    │   ├── KeyReplacedError          401, but there is another key now
    │   └── UntrustedCertificateError the provider's certificate does not verify
    ├── RejectedError                 4xx: the provider understood and said no
    │   └── UnauthorisedError         401, 402, 403: the key, its role or its plan
    ├── UnavailableError              a read failed with 5xx, a time-out or a broken connection
    │   └── NotReadyError             the signed document is not finished yet
    ├── OutcomeUnknownError           a write left, and what became of it is not known
    └── ContractBrokenError           a read was answered with something the contract does not allow

Messages are safe to log: they name the operation and the host, never a path or query, a key or a person.
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
    """The request provably never left or was never looked at; it may be made again.

    Args:
        message: One sentence, safe to log.
        operation: The client's method.
        retry_after: Seconds to wait before trying again; None leaves the choice to the retry policy.
    """

    def __init__(self, message: str, *, operation: str, retry_after: float | None = None) -> None:
        super().__init__(message, operation=operation)
        self.retry_after = retry_after


class ThrottledError(NotSentError):
    """429: too many requests."""


class BlockedError(NotSentError):
    """The circuit is open or holds the queue, so the request was not even tried."""


class KeyReplacedError(NotSentError):
    """401 with a key that has been replaced meanwhile: the next try takes the new one."""


class UntrustedCertificateError(NotSentError):
    """The provider's certificate does not verify: refused before anything was sent."""


class RejectedError(ProviderError):
    """The provider refused the request itself; the same request will be refused again.

    Args:
        message: One sentence, safe to log.
        operation: The client's method.
        status: The HTTP status.
        code: The provider's own error code, if it gave one.
    """

    def __init__(self, message: str, *, operation: str, status: int, code: str | None = None) -> None:
        super().__init__(message, operation=operation)
        self.status = status
        self.code = code


class UnauthorizedError(RejectedError):
    """401, 402 or 403: the key is wrong, lacks a role, or its plan is exhausted.

    Args:
        message: One sentence, safe to log.
        operation: The client's method.
        status: The HTTP status.
        code: The provider's own error code, if it gave one.
        about_key: False where the key may be good for everything else: it lacks the one role that the
            operation needs.
    """

    def __init__(
        self, message: str, *, operation: str, status: int, code: str | None = None, about_key: bool = True
    ) -> None:
        super().__init__(message, operation=operation, status=status, code=code)
        self.about_key = about_key


def is_about_key(error: RejectedError) -> bool:
    """Tell whether it is the key that was refused, and not this operation to a key that lacks a role."""
    return isinstance(error, UnauthorizedError) and error.about_key


class UnavailableError(ProviderError):
    """A read could not be answered: 5xx, a time-out, a broken connection.

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
    """A write left us and no trustworthy answer came back: it may or may not have happened."""


class ContractBrokenError(ProviderError):
    """A read's answer breaks the provider's contract: not JSON, or without what it must hold."""
