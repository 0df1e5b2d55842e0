"""The API as an ASGI application: routes, errors, cross-origin requests, the OpenAPI document."""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

import countersign
from countersign.agreements.callbacks import CallbackEvent
from countersign.agreements.messages import Resolution, VoidRequest
from countersign.api import access, agreements, archive, batches, models, problems, signing, templates
from countersign.api.journal import REQUEST_ID, Journal
from countersign.api.openapi import with_field_descriptions
from countersign.api.problems import FieldError, Problem, ProblemError
from countersign.api.service import Service
from countersign.http_server.limits import RETRY_AFTER_SECONDS, RejectedRequestError

_DESCRIPTION: Final = """\
Start, follow and end agreements: documents that people must sign.

Every request needs a bearer token: `Authorization: Bearer cst_…`. Errors are problem details (RFC 9457,
`application/problem+json`) with a stable `type`. A 503 or a 429 has a `Retry-After`: repeat the same request
then; nothing is lost or done twice. Every response has an `X-Request-Id`, which the logs contain.
"""
_BODIES: Final = (
    models.BatchCancellation,
    models.Checked,
    models.NewAgreement,
    models.NewBatch,
    models.NewSigner,
    signing.NewSigningLink,
    CallbackEvent,
    Problem,
    Resolution,
    VoidRequest,
)
"""Models that routes name by reference alone."""


class Api(FastAPI):
    """The FastAPI application with its own OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI 3.1 document."""
        if self.openapi_schema is None:
            document = super().openapi()
            _, named = models_json_schema(
                [(model, "validation") for model in _BODIES], ref_template="#/components/schemas/{model}"
            )
            schemas = document["components"]["schemas"]
            for name, schema in named["$defs"].items():
                schemas.setdefault(name, schema)
            self.openapi_schema = with_field_descriptions(document)
        return self.openapi_schema


def create_app(
    service: Service | None,
    *,
    is_ready: Callable[[], Awaitable[bool]],
    allowed_origins: Sequence[str] = (),
) -> ASGIApp:
    """Build the application.

    Args:
        service: What the routes use.
        is_ready: Returns whether Temporal can be reached, for `/readyz`.
        allowed_origins: Origins whose pages may call the API.
    """
    app = document()
    app.state.service = service
    access.expect()

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(_request: Request) -> Response:
        if await is_ready():
            return PlainTextResponse("ready\n")
        return PlainTextResponse("not ready\n", 503, {"Retry-After": str(RETRY_AFTER_SECONDS)})

    app.add_route("/healthz", healthz)
    app.add_route("/readyz", readyz)
    if not allowed_origins:
        return Journal(app)
    return Journal(
        CORSMiddleware(
            app,
            allow_origins=allowed_origins,
            allow_methods=["GET", "POST"],
            allow_headers=[
                "authorization",
                "content-type",
                "idempotency-key",
                "if-none-match",
                REQUEST_ID.lower(),
            ],
            expose_headers=["ETag", "Location", "Retry-After", REQUEST_ID],
        )
    )


def document() -> Api:
    """Return the application with its routes alone, for its OpenAPI document."""
    app = Api(
        title="Countersign",
        version=countersign.__version__,
        summary="Document-and-signature integrations as durable workflows",
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        # It would export traces of its own, with the paths of requests; Temporal's client makes ours.
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
        exception_handlers={
            ProblemError: _respond,
            RequestValidationError: _respond_to_invalid,
            HTTPException: _respond_to_unrouted,
            RejectedRequestError: _respond_to_rejected,
            Exception: _respond_to_defect,
        },
    )
    for router in (agreements.router, signing.router, archive.router, batches.router, templates.router):
        app.include_router(router)
    return app


async def _respond(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101  # the type that this handler is registered for
    return error.response()


async def _respond_to_invalid(_request: Request, error: Exception) -> Response:
    """Respond to parameters that do not fit, by their names and without their values."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  # as above
    errors = tuple(
        FieldError(detail=f"{problem['loc'][0]} parameter {problem['loc'][-1]}: {problem['msg']}")
        for problem in error.errors()
    )
    detail = "; ".join(problem.detail for problem in errors)
    return ProblemError(problems.INVALID, detail, {"errors": errors}).response()


async def _respond_to_unrouted(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # as above
    kinds = {kind.status: kind for kind in (problems.NO_PATH, problems.NO_METHOD)}
    kind = kinds.get(HTTPStatus(error.status_code), problems.MALFORMED)
    return ProblemError(kind, headers=dict(error.headers or {})).response()


async def _respond_to_rejected(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RejectedRequestError)  # noqa: S101  # as above
    return problems.of_rejection(error).response()


async def _respond_to_defect(_request: Request, _error: Exception) -> Response:
    """Respond without the error's message, which may quote the request; `Journal` logs its place."""
    return ProblemError(problems.DEFECT).response()
