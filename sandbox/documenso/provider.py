"""Documenso's wire format and rules, for the core."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from sandbox.core import provider
from sandbox.core.bodies import BodyError, json_object
from sandbox.core.control import get_document
from sandbox.core.errors import ApiError
from sandbox.core.fault_responses import FaultBodies
from sandbox.core.fault_rules import WebhookFault
from sandbox.core.store import Row
from sandbox.core.validation import Body, check
from sandbox.documenso import errors, events, people, signing
from sandbox.documenso import sandbox as sandboxes
from sandbox.documenso.behavior import Behavior
from sandbox.documenso.rate_limit import RATE_LIMIT_BODY, RateLimitMiddleware
from sandbox.documenso.routes import envelopes, fields, files, recipients
from sandbox.documenso.sandbox import Sandbox


class NewKey(Body):
    """A new token of team 1."""

    model_config = ConfigDict(extra="forbid")

    api_key: Annotated[str, Field(pattern="^api_[!-~]{1,100}$")]


class Move(Body):
    """The folder that a person moves an envelope to; null is the root folder."""

    model_config = ConfigDict(extra="forbid")

    folder: str | None


class Documenso(provider.Provider):
    """The stand-in for Documenso."""

    sweep_seconds: ClassVar[float] = 0.1
    events: ClassVar[Sequence[str]] = events.EVENTS
    fault_bodies: ClassVar[FaultBodies] = FaultBodies(
        error=errors.plain("Internal server error").body or {},
        rate_limit=RATE_LIMIT_BODY,
        quota=errors.app_error("TOO_MANY_REQUESTS", "The monthly quota is used up").body or {},
    )

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox, people.People(sandbox))
        self._documenso = sandbox
        self._access = sandbox.access
        self._limiter: RateLimitMiddleware | None = None

    def routes(self) -> list[BaseRoute]:
        return [
            *files.ROUTES,
            *recipients.ROUTES,
            *fields.ROUTES,
            *envelopes.ROUTES,
            Route("/_sandbox/documents/{id}/move", _move, methods=["POST"]),
        ]

    def wrap(self, app: ASGIApp) -> ASGIApp:
        self._limiter = RateLimitMiddleware(app, self._documenso)
        return self._limiter

    def is_api(self, path: str) -> bool:
        return path.startswith("/api/")

    def unreadable(self, error: BodyError) -> ApiError:
        return errors.unreadable(error)

    def no_route(self, status: int, method: str, path: str) -> ApiError:
        del status, method, path
        return errors.no_route()

    def crash(self, path: str) -> ApiError:
        return errors.located(errors.plain("Internal server error"), path)

    def seed(self) -> None:
        """Add nothing: a new team has no envelopes."""

    def reset(self) -> None:
        self._documenso.access = self._access
        self._documenso.change_behavior(Behavior())
        if self._limiter is not None:
            self._limiter.reset()

    def sweep(self) -> None:
        signing.sweep(self._documenso)

    def change_access(self, body: dict[str, Any]) -> None:
        asked = check(NewKey, body, errors.invalid_input)
        self._documenso.access = replace(self._documenso.access, api_key=asked.api_key)

    def new_secret(self) -> str:
        return secrets.token_hex(16)

    def attempt(self, row: Row, webhook: Row, fault: WebhookFault | None) -> tuple[dict[str, str], bytes]:
        return events.attempt(self._documenso, row, webhook, fault)

    def states(self, document: str | None, recipient: str | None) -> tuple[str, str]:
        return people.states(document, recipient)


async def _move(request: Request) -> Response:
    """Move an envelope into a folder, as a person does."""
    asked = check(Move, await json_object(request), errors.invalid_input)
    document_id = request.path_params["id"]
    sandboxes.of(request).store.update("documents", document_id, folder_id=asked.folder)
    return await get_document(request)
