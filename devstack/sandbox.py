"""A client of the local sandbox: subscriptions, signers, ledger."""

import asyncio
import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Any, Final

API_KEY: Final = "TDX-test-administrator"
MEMBER_KEY: Final = "TDX-test-contributor"
ORG_ID: Final = "0f9d3c5e-5a4b-4c1d-8e2f-000000000001"
DOCUMENSO_KEY: Final = "api_sandbox_team_one"
"""The defaults of the sandboxes (docs/reference/sandbox.md), which are no secrets."""

_EVENTS: Final = (
    "signature.document.sent",
    "signature.document.viewed",
    "signature.document.recipient_signed",
    "signature.document.signed",
    "signature.document.completed",
    "signature.document.finalization_failed",
    "signature.document.voided",
)
_TIMEOUT: Final = 30
_NOT_FOUND: Final = 404


class SandboxError(Exception):
    """The sandbox returned an error or could not be reached."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox.

    Args:
        url: Its address, without a trailing slash.
        api_key: A key with the administrator role.
        org_id: The organization id.
        kind: Which provider it stands for.
    """

    url: str
    api_key: str = field(default=API_KEY, repr=False)
    org_id: str = ORG_ID
    kind: str = "turbodocx"

    async def subscribe(self, url: str) -> str:
        """Replace the receivers of webhooks by `url`.

        Returns:
            The new secret.
        """
        if self.kind != "turbodocx":  # no API for webhooks: a person sets them up
            for webhook in (await self.call("GET", "/_sandbox/webhooks"))["webhooks"]:
                await self.call("DELETE", f"/_sandbox/webhooks/{webhook['id']}")
            secret = token_urlsafe()
            await self.call("POST", "/_sandbox/webhooks", {"name": "receiver", "url": url, "secret": secret})
            return secret
        try:
            await self.call("PATCH", "/api/webhooks/signature", {"urls": [url], "events": _EVENTS})
        except SandboxError as error:
            if error.status != _NOT_FOUND:
                raise
            made = await self.call(
                "POST", "/api/webhooks", {"name": "signature", "urls": [url], "events": _EVENTS}
            )
        else:
            made = await self.call("POST", "/api/webhooks/signature/regenerate")
        return str(made["data"]["secret"])

    async def recipient_ids(self, document_id: str) -> list[str]:
        """Return the ids of a document's recipients, in signing order."""
        document = await self.call("GET", f"/_sandbox/documents/{document_id}")
        return [str(recipient["id"]) for recipient in document["recipients"]]

    async def view(self, document_id: str, recipient_id: str) -> None:
        """Open the document as this recipient."""
        await self.call("POST", f"/_sandbox/documents/{document_id}/recipients/{recipient_id}/view")

    async def sign(self, document_id: str, recipient_id: str) -> None:
        """Sign the document as this recipient."""
        await self.call("POST", f"/_sandbox/documents/{document_id}/recipients/{recipient_id}/sign")

    async def complete(self, document_id: str) -> None:
        """Sign the document for all remaining signers."""
        await self.call("POST", f"/_sandbox/documents/{document_id}/complete")

    async def ledger(self) -> Any:
        """Return the ledger: all commits."""
        return await self.call("GET", "/_sandbox/ledger")

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """Call the API or the control API.

        Args:
            method: The HTTP method.
            path: The path, with a leading slash.
            body: The JSON body; None for no body.

        Returns:
            The JSON of the response.

        Raises:
            SandboxError: The sandbox returned an error or no response.
        """
        return await asyncio.to_thread(self._call, method, path, body)

    def _call(self, method: str, path: str, body: object) -> Any:
        request = urllib.request.Request(  # noqa: S310 (a loopback address)
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.api_key}",
                "x-rapiddocx-org-id": self.org_id,
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310 (as above)
                return json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                raise SandboxError(f"sandbox: {method} {path}: HTTP {error.code}", error.code) from None
        except (
            OSError,
            http.client.HTTPException,
            ValueError,
        ) as error:  # it may be killed during the response
            raise SandboxError(f"sandbox: {method} {path}: {error}") from None
