"""TurboDocx's wire format and rules, for the core."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final

from pydantic import ConfigDict, Field
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from sandbox.core import provider
from sandbox.core.bodies import BodyError
from sandbox.core.fault_responses import FaultBodies
from sandbox.core.fault_rules import WebhookFault
from sandbox.core.store import Row
from sandbox.core.validation import Body, check
from sandbox.turbodocx import bodies, errors, events, posting, reminders, seeds, subscriptions
from sandbox.turbodocx.behavior import Behavior
from sandbox.turbodocx.idempotency import IdempotencyMiddleware
from sandbox.turbodocx.people import People
from sandbox.turbodocx.routes import control, deliverables, documents, embedding, sending, templates, webhooks
from sandbox.turbodocx.routes import people as pages
from sandbox.turbodocx.sandbox import Sandbox

_RATE_LIMIT: Final = {"message": "Too many requests", "type": "RateLimit"}


class NewKey(Body):
    """A new key of the administrator."""

    model_config = ConfigDict(extra="forbid")

    api_key: Annotated[str, Field(pattern="^TDX-test-[!-~]{1,100}$")]


class TurboDocx(provider.Provider):
    """The stand-in for TurboDocx."""

    events: ClassVar[Sequence[str]] = events.EVENT_TYPES
    fault_bodies: ClassVar[FaultBodies] = FaultBodies(
        error={"message": "Internal server error"}, rate_limit=_RATE_LIMIT, quota=_RATE_LIMIT
    )

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox, People(sandbox))
        self._turbodocx = sandbox
        self._access = sandbox.access

    def routes(self) -> list[BaseRoute]:
        return [
            *deliverables.ROUTES,
            *templates.ROUTES,
            *sending.ROUTES,
            *documents.ROUTES,
            *embedding.ROUTES,
            *webhooks.ROUTES,
            *control.ROUTES,
            *pages.ROUTES,
        ]

    def wrap(self, app: ASGIApp) -> ASGIApp:
        return IdempotencyMiddleware(app, self._turbodocx)

    def is_api(self, path: str) -> bool:
        return path.startswith("/_sandbox/storage/") or not (path == "/" or path.startswith("/_sandbox"))

    def unreadable(self, error: BodyError) -> errors.ApiError:
        return bodies.unreadable(error)

    def no_route(self, status: int, method: str, path: str) -> errors.ApiError:
        kind = {404: "NotFound", 405: "MethodNotAllowed"}.get(status, "Error")
        return errors.typed(status, f"Cannot {method} {path}", kind)

    def crash(self, path: str) -> errors.ApiError:
        del path
        return errors.typed(500, "Internal server error", "InternalServerError")

    def seed(self) -> None:
        seeds.seed(self._turbodocx)

    def reset(self) -> None:
        self._turbodocx.access = self._access
        self._turbodocx.change_behavior(Behavior())

    def sweep(self) -> None:
        reminders.sweep(self._turbodocx)

    def change_access(self, body: dict[str, Any]) -> None:
        asked = check(NewKey, body, errors.invalid)
        self._turbodocx.access = replace(self._turbodocx.access, api_key=asked.api_key)

    def new_secret(self) -> str:
        return subscriptions.new_secret()

    def attempt(self, row: Row, webhook: Row, fault: WebhookFault | None) -> tuple[dict[str, str], bytes]:
        return posting.posting(row, webhook, fault)

    def states(self, document: str | None, recipient: str | None) -> tuple[str, str]:
        ended = document in {"completed", "voided", "expired"}
        return (document if ended and document else "open"), (
            "completed" if recipient == "completed" else "open"
        )
