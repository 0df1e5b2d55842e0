"""What the routes share: connections, and the token that a request needs."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from temporalio.client import Client

from countersign.api.access import Gate, check_account, check_reference
from countersign.api.problems import as_problems
from countersign.api.tokens import Scope, TokenRecord
from countersign.client.agreements import agreement_input
from countersign.storage import Store
from countersign.storage.store import StoreKeys

POLL_SECONDS: Final = 2
"""`Retry-After` of a start."""
LONGEST_WAIT: Final = 60
"""Seconds of a long poll. Proxies often close a connection that is idle for longer."""


@dataclass(frozen=True, slots=True)
class Service:
    """What every route uses.

    Args:
        client: The connection to the agreements' namespace.
        gate: Admits requests.
        store: Holds the archive.
        keys: Names the archive's files.
        task_queue: The workers' queue.
        default_account: The account of agreements that name none.
        closing: Set when the server stops: long polls end.
    """

    client: Client
    gate: Gate
    store: Store
    keys: StoreKeys
    task_queue: str
    default_account: str
    closing: asyncio.Event


def service_of(request: Request) -> Service:
    """Return the service of a request's application."""
    service: Service = request.app.state.service
    return service


async def check_tenant(service: Service, token: TokenRecord, reference: str) -> None:
    """Check that a token may use an agreement; to others it does not exist.

    Raises:
        ProblemError: It may not, or it is bound to an account and there is no such agreement.
    """
    check_reference(token, reference)
    if token.account:
        async with as_problems():
            started_with = await agreement_input(reference, client=service.client)
        check_account(token, started_with, service.default_account)


async def first_change(
    service: Service, change: Coroutine[Any, Any, bytes], content: bytes, seconds: int
) -> bytes:
    """Return what a long poll waits for, or the content if the time is over or the API stops.

    Args:
        service: Knows when the API stops.
        change: Returns another content once there is one.
        content: What the caller has.
        seconds: How long to wait.
    """
    changed = asyncio.create_task(change)
    stop = asyncio.create_task(service.closing.wait())
    try:
        await asyncio.wait({changed, stop}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return changed.result() if changed.done() else content
    finally:
        changed.cancel()
        stop.cancel()


_BEARER: Final = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A token that `countersign token create` has made. The scopes that an operation needs are in "
    "its description.",
)


class Needs:
    """The dependency of a route on a token.

    Args:
        scope: What the token must allow.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def __call__(
        self,
        request: Request,
        _credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    ) -> TokenRecord:
        """Return the request's token.

        Raises:
            ProblemError: It has none that allows it.
        """
        token = await service_of(request).gate.admit(request.headers.get("authorization"), self._scope)
        request.state.caller = token.name
        return token


Starts = Annotated[TokenRecord, Security(Needs(Scope.START))]
Reads = Annotated[TokenRecord, Security(Needs(Scope.READ))]
ReadsPeople = Annotated[TokenRecord, Security(Needs(Scope.READ_PEOPLE))]
Acts = Annotated[TokenRecord, Security(Needs(Scope.ACT))]
