"""Documenso's API v2, one method per endpoint of an agreement's life. Each is one request, made once.

Every method raises exactly one kind of `ProviderError` when it does not return; see `outcomes.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from countersign.providers.calls import Call, FilePart
from countersign.providers.documenso.models import (
    Created,
    Envelope,
    Envelopes,
    Page,
    SigningRecipient,
    SigningRecipients,
)
from countersign.providers.download import download_own
from countersign.providers.errors import ContractBrokenError
from countersign.providers.port import Sink
from countersign.providers.transport import Transport

PER_PAGE: Final = 100
"""The most rows of a page."""
MANY: Final = 20
"""The most envelopes that one call reads."""


class DocumensoClient:
    """The Documenso API.

    Args:
        transport: The connections, credentials and circuit; its base URL ends in `/api/v2`.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def probe(self) -> None:
        """Ask for one row, passing the circuit by."""
        call = Call(operation="probe", path="/envelope", query={"perPage": 1}, probes=True)
        await self._transport.request(call, Page.model_validate)

    async def create_draft(self, form: Mapping[str, str], file: FilePart, *, private: tuple[str, ...]) -> str:
        """Create a draft, which notifies no person; return its id."""
        call = Call(
            operation="create_draft",
            method="POST",
            path="/envelope/create",
            form=form,
            file=file,
            private=private,
        )
        return (await self._transport.request(call, Created.model_validate)).id

    async def distribute(self, envelope_id: str) -> None:
        """Send a draft: the one step that cannot be undone."""
        await self._write("distribute", {"envelopeId": envelope_id})

    async def redistribute(self, envelope_id: str, recipient_ids: tuple[int, ...]) -> None:
        """Send the invitation again to recipients who have not signed."""
        await self._write("redistribute", {"envelopeId": envelope_id, "recipients": list(recipient_ids)})

    async def cancel(self, envelope_id: str, reason: str) -> None:
        """Cancel an envelope that is out for signature."""
        await self._write("cancel", {"envelopeId": envelope_id, "reason": reason}, private=(reason,))

    async def delete(self, envelope_id: str) -> None:
        """Delete an envelope; a draft is gone."""
        await self._write("delete", {"envelopeId": envelope_id})

    async def envelope(self, envelope_id: str) -> Envelope:
        """Read an envelope with its recipients and files."""
        call = Call(operation="envelope", path="/envelope/{id}", ids={"id": envelope_id})
        return await self._transport.request(call, Envelope.model_validate)

    async def signing_recipient(self, envelope_id: str, recipient_id: str) -> SigningRecipient:
        """Read the credential with which a recipient signs."""
        call = Call(operation="signing_recipient", path="/envelope/{id}", ids={"id": envelope_id})
        people = await self._transport.request(call, SigningRecipients.model_validate)
        for recipient in people.recipients:
            if str(recipient.id) == recipient_id:
                return recipient
        raise ContractBrokenError(
            "signing_recipient: the recipient is not of this envelope", operation=call.operation
        )

    async def envelopes(self, envelope_ids: Sequence[str]) -> tuple[Envelope, ...]:
        """Read up to 20 envelopes; those that are not visible are left out."""
        body = {"ids": {"type": "envelopeId", "ids": list(envelope_ids)}}
        call = Call(operation="envelopes", method="POST", path="/envelope/get-many", body=body, counts=False)
        return (await self._transport.request(call, Envelopes.model_validate)).data

    async def find(self, query: str | None = None, *, status: str | None = None, page: int = 1) -> Page:
        """Read a page of the root folder's documents, newest first.

        Args:
            query: A part of the title, the external id, or a recipient's name or address.
            status: DRAFT, PENDING, COMPLETED, REJECTED or CANCELLED; a failure of this search, which the
                watcher repeats, does not count for the circuit.
            page: From 1.
        """
        terms: dict[str, str | int] = {
            "type": "DOCUMENT",
            "perPage": PER_PAGE,
            "page": page,
            "orderByColumn": "createdAt",
            "orderByDirection": "desc",
        }
        if query:
            terms["query"] = query
        if status:
            terms["status"] = status
        call = Call(
            operation="find", path="/envelope", query=terms, private=(query or "",), counts=status is None
        )
        return await self._transport.request(call, Page.model_validate)

    async def audit_log(self, envelope_id: str, *, page: int = 1) -> Mapping[str, Any]:
        """Read a page of the audit log."""
        call = Call(
            operation="audit_log",
            path="/envelope/{id}/audit-log",
            ids={"id": envelope_id},
            query={"perPage": PER_PAGE, "page": page},
        )
        return await self._transport.request(call, _log_page)

    async def download_item(
        self, item_id: str, sink: Sink, *, max_bytes: int, heartbeat: Callable[[int], object] | None = None
    ) -> None:
        """Stream the signed file of a completed envelope; of any other, the provider returns the unsigned."""
        call = Call(
            operation="download_item",
            path="/envelope/item/{id}/download",
            ids={"id": item_id},
            query={"version": "signed"},
        )
        await download_own(self._transport, call, sink, max_bytes=max_bytes, heartbeat=heartbeat)

    async def download_certificate(
        self, envelope_id: str, sink: Sink, *, max_bytes: int, heartbeat: Callable[[int], object]
    ) -> None:
        """Stream the signing certificate of a completed envelope."""
        call = Call(
            operation="download_certificate",
            path="/envelope/{id}/certificate/download",
            ids={"id": envelope_id},
        )
        await download_own(self._transport, call, sink, max_bytes=max_bytes, heartbeat=heartbeat)

    async def _write(self, action: str, body: Mapping[str, Any], *, private: tuple[str, ...] = ()) -> None:
        call = Call(
            operation=action, method="POST", path=f"/envelope/{action}", body=dict(body), private=private
        )
        await self._transport.request(call, _anything)


def _anything(_body: Any) -> None:
    """Accept any body: a read afterwards shows what was done."""


def _log_page(body: Any) -> Mapping[str, Any]:
    if not isinstance(body["data"], list):
        raise TypeError
    return dict(body)
