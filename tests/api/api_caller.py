"""A caller of the API, and the tokens that it may have."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from temporalio.client import Client

from countersign.agreements.batches import BATCH_ID_PREFIX, BULK_WORKFLOW, BatchInput
from countersign.api.tokens import Scope, StoreTokens, new_token
from countersign.storage import open_store
from devstack.site import ENVIRONMENT
from devstack.stack import Stack
from tests.workflows.office import TEMPLATE, VARIABLES

SIGNERS = [
    {"name": "Ada Lovelace", "email": "ada@example.com"},
    {"name": "Grace Hopper", "email": "grace@example.com"},
]


def a_draft(reference: str | None = None, **changes: Any) -> dict[str, Any]:
    """The body of a start that the sandbox takes."""
    source = {"kind": "template", "template_id": TEMPLATE, "variables": dict(VARIABLES)}
    named = {} if reference is None else {"reference": reference}
    return named | {"title": "Order", "source": source, "signers": SIGNERS} | changes


@dataclass(frozen=True)
class Caller:
    """Calls the API with a token."""

    http: httpx.AsyncClient
    token: str | None

    def with_token(self, token: str | None) -> "Caller":
        return replace(self, token=token)

    async def __call__(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **given: Any
    ) -> httpx.Response:
        bearer = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        return await self.http.request(method, path, headers=bearer | dict(headers or {}), **given)

    async def get(self, path: str, **given: Any) -> httpx.Response:
        return await self("GET", path, **given)

    async def post(self, path: str, body: Any = None, **given: Any) -> httpx.Response:
        return await self("POST", path, **({} if body is None else {"json": body}), **given)

    async def start(self, body: Mapping[str, Any], **given: Any) -> httpx.Response:
        return await self.post("/v1/agreements", dict(body), **given)

    async def until(self, reference: str, stage: str) -> dict[str, Any]:
        """Follow an agreement by long polls until a stage."""
        tag, path = "", f"/v1/agreements/{reference}"
        while True:
            given = {"params": {"wait": 30}, "headers": {"If-None-Match": tag}} if tag else {}
            response = await self.get(path, **given)
            assert response.status_code in {200, 304}, response.text
            if response.status_code == 200:
                view: dict[str, Any] = response.json()
                assert view["failure"] is None, view
                if view["stage"] == stage:
                    return view
            tag = response.headers["etag"]


async def make_token(stack: Stack, *scopes: Scope, **given: Any) -> str:
    """Make a token in the stack's store."""
    until = given.pop("expires_at", datetime.now(UTC) + timedelta(days=1))
    token, record = new_token(given.pop("name", "test"), scopes, expires_at=until, **given)
    await StoreTokens(open_store(str(stack.store)), ENVIRONMENT).add(record)
    return token.get_secret_value()


async def start_paused_batch(temporal: Client, batch: str) -> None:
    """Start a batch that waits to be resumed; it has no rows in the store."""
    given = BatchInput(batch=batch, rows=1, table_sha256="0", paused=True)
    await temporal.start_workflow(BULK_WORKFLOW, given, id=BATCH_ID_PREFIX + batch, task_queue="countersign")


def problem(response: httpx.Response) -> str:
    """Return the kind of a problem."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    body = response.json()
    assert body["status"] == response.status_code
    assert body["request_id"] == response.headers["x-request-id"]
    return str(body["type"].removeprefix("urn:countersign:problem:"))
