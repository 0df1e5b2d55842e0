"""The shared connection to Temporal, and the translation of Temporal's errors into `CommandError`."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from temporalio.client import (
    Client,
    WorkflowFailureError,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.service import RPCError, RPCStatusCode

from countersign.agreements.failures import is_nothing_sent, provider_message
from countersign.client.errors import (
    BadInputError,
    FailedAgreementError,
    RefusedError,
    UnknownAgreementError,
    UnreachableError,
)
from countersign.configuration import SettingsError
from countersign.connection import ConnectionFailedError, connect
from countersign.observability import tracing

_POSITION = re.compile(r" at position \d+")
"""The position in the whole query, which the user has not seen."""
_NAMESPACE = re.compile(r"Namespace (\S+)")
_REFUSED = frozenset({RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED})

_NOT_CONNECTED = "Failed client connect"
"""How the SDK reports that a lazy client cannot connect yet."""

_connections: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[Client]] = WeakKeyDictionary()


async def shared_client() -> Client:
    """Return the connection of the running event loop; connect on the first call.

    Raises:
        BadInputError: The settings of encryption or of traces are invalid.
        UnreachableError: Temporal does not respond, or its configuration cannot be read.
    """
    loop = asyncio.get_running_loop()
    if loop not in _connections:
        _connections[loop] = loop.create_task(_connect())
    try:
        return await asyncio.shield(_connections[loop])
    except (ConnectionFailedError, SettingsError) as error:
        del _connections[loop]
        kind = BadInputError if isinstance(error, SettingsError) else UnreachableError
        raise kind(str(error)) from None


async def _connect() -> Client:
    return await connect(interceptors=tracing.interceptors("starter"))


@asynccontextmanager
async def explained(reference: str) -> AsyncIterator[None]:
    """Translate errors of Temporal's client into a `CommandError` about an agreement."""
    try:
        yield
    except WorkflowUpdateFailedError as error:
        raise RefusedError(f"{reference}: {_message(_innermost(error.cause))}") from None
    except WorkflowFailureError as error:
        free = "; nothing was sent: correct the input and start it again" if sent_nothing(error.cause) else ""
        cause = _innermost(error.cause)
        words = provider_message(cause.details) if isinstance(cause, ApplicationError) else None
        raise FailedAgreementError(reference, f"{_message(cause)}{free}", words) from None
    except RPCError as error:
        raise _explanation(reference, error) from None
    except RuntimeError as error:
        if not str(error).startswith(_NOT_CONNECTED):
            raise
        raise UnreachableError("Temporal cannot be reached: retrying is safe") from None


def sent_nothing(failure: BaseException) -> bool:
    """Return whether an agreement failed before the send, so that its reference is free again."""
    if not isinstance(failure, ApplicationError):
        return False
    return is_nothing_sent(failure.type, failure.details)


def _innermost(error: BaseException) -> BaseException:
    """Return the first cause; the errors around it add nothing."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _message(error: BaseException) -> str:
    message = error.message if isinstance(error, FailureError) else str(error)
    return " ".join(message.split())


def _explanation(reference: str, error: RPCError) -> Exception:
    if error.status in _REFUSED:
        return UnreachableError(
            "Temporal rejects the credentials: check TEMPORAL_API_KEY or TEMPORAL_TLS_..."
        )
    if error.status == RPCStatusCode.INVALID_ARGUMENT:
        return BadInputError(f"Temporal rejects the request: {_POSITION.sub('', error.message)}")
    if error.status == RPCStatusCode.NOT_FOUND:
        return _not_found(reference, error.message)
    late = error.status in {RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED}
    how = "in time" if late else f"({error.status.name})"
    return UnreachableError(f"Temporal did not respond {how}: retrying is safe")


def _not_found(reference: str, message: str) -> Exception:
    if named := _NAMESPACE.match(message):
        return UnreachableError(f"Temporal has no namespace {named[1]}: check TEMPORAL_NAMESPACE")
    if "completed" in message:
        return RefusedError(f"{reference} has already ended: see `status {reference}`")
    return UnknownAgreementError(f"{reference}: no such agreement; `list` shows the existing ones")
