"""TurboDocx, one method per endpoint of an agreement's life. Each is one request, made once.

Every method raises exactly one kind of `ProviderError` when it does not return; see `outcomes.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, Self, TypeVar

from pydantic import BaseModel, TypeAdapter

from countersign.providers.calls import Call
from countersign.providers.download import DownloadRules, download, download_own
from countersign.providers.errors import NotReadyError, RejectedError
from countersign.providers.port import IdentityAssertion, Sink
from countersign.providers.transport import Transport
from countersign.providers.turbodocx import requests
from countersign.providers.turbodocx.models import (
    AuditTrail,
    Deliverable,
    DocumentRecipients,
    DocumentStatus,
    DownloadLink,
    PreparedDocument,
    Reminder,
    Resent,
    SignatureSetup,
    SigningUrl,
    Template,
    TemplateItem,
    VoidedDocument,
)
from countersign.providers.turbodocx.subscription import WebhookCalls

M = TypeVar("M", bound=BaseModel)

_NOT_READY: Final = frozenset({400, 409, 425})
"""Responses to a download before the signed document is finished; the contract does not define them."""

_deliverables = TypeAdapter(tuple[Deliverable, ...])
_templates = TypeAdapter(tuple[TemplateItem, ...])
_reminders = TypeAdapter(tuple[Reminder, ...])


class TurboDocxClient:
    """The TurboDocx API.

    Args:
        transport: The connections, credentials and circuit.
        downloads: From where presigned files may come.
    """

    def __init__(self, transport: Transport, *, downloads: DownloadRules | None = None) -> None:
        self._transport = transport
        self._downloads = downloads or DownloadRules()
        self.webhooks = WebhookCalls(transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def probe(self) -> None:
        """Ask for nothing much, passing the circuit by: is the provider there, and is our key good?"""
        call = Call(operation="probe", path="/v1/deliverable", query={"limit": 1}, probes=True)
        await self._transport.request(call, lambda body: body["data"])

    async def create_deliverable(
        self,
        *,
        name: str,
        template_id: str,
        variables: Sequence[Mapping[str, Any]],
        private: tuple[str, ...] = (),
        idempotency_key: str,
    ) -> Deliverable:
        """Generate a document from a template; the response comes when it is made.

        Args:
            name: Its name, 3 to 255 characters.
            template_id: The template.
            variables: The values, as `requests.variables` writes them.
            private: The texts in them, which no log may quote.
            idempotency_key: Names this write.
        """
        call = Call(
            operation="create_deliverable",
            method="POST",
            path="/v1/deliverable",
            body={"name": name, "templateId": template_id, "variables": list(variables)},
            idempotency_key=idempotency_key,
            private=(name, *private),
        )
        return await self._transport.request(
            call, lambda body: Deliverable.model_validate(body["data"]["results"]["deliverable"])
        )

    async def find_deliverables(self, query: str, *, limit: int = 100) -> tuple[Deliverable, ...]:
        """Search generated documents by name, at most `limit` (1 to 100) of them."""
        call = Call(
            operation="find_deliverables",
            path="/v1/deliverable",
            query={"limit": limit, "query": query},
            private=(query,),
        )
        return await self._transport.request(
            call, lambda body: _deliverables.validate_python(body["data"]["results"])
        )

    async def download_deliverable(
        self,
        deliverable_id: str,
        sink: Sink,
        *,
        file: Literal["pdf", "source"] = "pdf",
        max_bytes: int,
        heartbeat: Callable[[int], object] | None = None,
    ) -> int:
        """Stream a generated document into a sink; returns its size in bytes.

        Args:
            deliverable_id: The document.
            sink: Takes the bytes; what it holds after an error is worthless.
            file: The PDF, or the DOCX or PPTX, which the organization's license must allow.
            max_bytes: The largest file to accept.
            heartbeat: Called with the number of bytes after every chunk.
        """
        call = Call(
            operation="download_deliverable",
            path="/v1/deliverable/file/pdf/{id}" if file == "pdf" else "/v1/deliverable/file/{id}",
            ids={"id": deliverable_id},
            needs_role=file == "source",
        )
        return await download_own(self._transport, call, sink, max_bytes=max_bytes, heartbeat=heartbeat)

    async def delete_deliverable(self, deliverable_id: str, *, idempotency_key: str) -> None:
        """Delete a generated document: it is listed no more, and the provider keeps its data."""
        call = Call(
            operation="delete_deliverable",
            method="DELETE",
            path="/v1/deliverable/{id}",
            ids={"id": deliverable_id},
            idempotency_key=idempotency_key,
        )
        await self._transport.request(call, lambda body: body["data"]["deliverableId"])

    async def upload_template(
        self, name: str, file: requests.UploadFile, *, description: str = "", idempotency_key: str
    ) -> TemplateItem:
        """Create a template from a DOCX or PPTX; the provider finds its variables."""
        call = Call(
            operation="upload_template",
            method="POST",
            path="/template/upload-and-create",
            form={"name": name, "description": description, "variables": "[]", "tags": "[]"},
            file=replace(file.part(), field="templateFile"),
            idempotency_key=idempotency_key,
            private=(name, description, file.file_name),
        )
        return await self._transport.request(
            call, lambda body: TemplateItem.model_validate(body["data"]["results"]["template"])
        )

    async def get_template(self, template_id: str) -> Template:
        """Read a template with its variables."""
        call = Call(operation="get_template", path="/template/{id}", ids={"id": template_id})
        return await self._transport.request(
            call, lambda body: Template.model_validate(body["data"]["results"])
        )

    async def list_templates(self, query: str | None = None, *, limit: int = 100) -> tuple[TemplateItem, ...]:
        """List templates and folders with `query` in their names."""
        terms: dict[str, str | int] = {"limit": limit} | ({"query": query} if query else {})
        call = Call(operation="list_templates", path="/template-item", query=terms)
        return await self._transport.request(
            call, lambda body: _templates.validate_python(body["data"]["results"])
        )

    async def signature_setup(self, template_id: str) -> SignatureSetup:
        """Read which signer roles a template was set up with."""
        call = Call(
            operation="signature_setup",
            path="/turbosign/templates/{id}/signature-setup",
            ids={"id": template_id},
        )
        return await self._transport.request(call, _data(SignatureSetup))

    async def prepare_for_signing(
        self, request: requests.SignatureRequest, *, idempotency_key: str
    ) -> PreparedDocument:
        """Ask for signatures: the provider sends the invitations."""
        return await self._prepare("prepare_for_signing", requests.PATH, request, idempotency_key)

    async def prepare_for_review(
        self, request: requests.SignatureRequest, *, idempotency_key: str
    ) -> PreparedDocument:
        """Hold a document for a person's review at its `preview_url`; no signer is asked."""
        return await self._prepare("prepare_for_review", requests.REVIEW_PATH, request, idempotency_key)

    async def _prepare(
        self, operation: str, path: str, request: requests.SignatureRequest, idempotency_key: str
    ) -> PreparedDocument:
        body = request.wire()
        call = Call(
            operation=operation,
            method="POST",
            path=path,
            body=None if request.file else body,
            form=requests.form(body) if request.file else None,
            file=request.file.part() if request.file else None,
            idempotency_key=idempotency_key,
            private=request.private(),
        )
        return await self._transport.request(call, PreparedDocument.model_validate)

    async def document_status(self, document_id: str) -> DocumentStatus:
        """Read where a document is."""
        return await self._transport.request(
            _of_document("document_status", document_id, "status"), _data(DocumentStatus)
        )

    async def document_recipients(self, document_id: str) -> DocumentRecipients:
        """Read a document and the state of its recipients."""
        return await self._transport.request(
            _of_document("document_recipients", document_id, "recipients"), _data(DocumentRecipients)
        )

    async def download_link(self, document_id: str) -> DownloadLink:
        """Ask for a fresh presigned link to the signed document.

        Raises:
            NotReadyError: It is not finished yet.
        """
        call = _of_document("download_link", document_id, "download")
        try:
            return await self._transport.request(call, DownloadLink.model_validate)
        except RejectedError as error:
            if error.status not in _NOT_READY:
                raise
            raise NotReadyError("download_link: not finished yet", operation=call.operation) from None

    async def download(
        self,
        url: str,
        sink: Sink,
        *,
        max_bytes: int,
        heartbeat: Callable[[int], object] | None = None,
    ) -> int:
        """Stream a presigned file into a sink; returns its size in bytes. See `download.download`."""
        return await download(
            self._transport, url, sink, max_bytes=max_bytes, rules=self._downloads, heartbeat=heartbeat
        )

    async def void_document(self, document_id: str, reason: str, *, idempotency_key: str) -> VoidedDocument:
        """Void a document; its signers read the reason."""
        call = _of_document(
            "void_document",
            document_id,
            "void",
            body={"reason": reason},
            key=idempotency_key,
            private=(reason,),
        )
        return await self._transport.request(call, _data(VoidedDocument))

    async def send_reminder(
        self, document_id: str, *, recipient_ids: tuple[str, ...] = (), idempotency_key: str
    ) -> tuple[Reminder, ...]:
        """Remind recipients, by default those who sign next; return the result of every reminder."""
        body = {"recipientIds": list(recipient_ids)} if recipient_ids else {}
        call = _of_document("send_reminder", document_id, "send-reminder", body=body, key=idempotency_key)
        return await self._transport.request(
            call, lambda answer: _reminders.validate_python(answer["data"]["results"])
        )

    async def resend_email(
        self, document_id: str, *, recipient_ids: tuple[str, ...], idempotency_key: str
    ) -> Resent:
        """Send the invitation again to recipients, all or none of them."""
        body = {"recipientIds": list(recipient_ids)}
        call = _of_document("resend_email", document_id, "resend-email", body=body, key=idempotency_key)
        return await self._transport.request(call, _data(Resent))

    async def audit_trail(self, document_id: str) -> AuditTrail:
        """Read the provider's record of a document."""
        return await self._transport.request(
            _of_document("audit_trail", document_id, "audit-trail"), _audit_trail
        )

    async def signing_url(
        self,
        document_id: str,
        *,
        recipient_id: str,
        return_url: str | None = None,
        assertion: IdentityAssertion | None = None,
    ) -> SigningUrl:
        """Make a link under which one recipient signs; afterwards they are sent to `return_url` (https).

        A recipient with an external identity check needs an assertion of it; the link then works once, for
        five minutes. Another link may be made at any time, so a lost response needs no idempotency key.
        """
        body: dict[str, Any] = {"recipientId": recipient_id}
        body |= {"identityAssertion": requests.identity_assertion(assertion)} if assertion else {}
        body |= {"returnUrl": return_url} if return_url else {}
        private = (return_url or "", assertion.email if assertion else "")
        call = _of_document("signing_url", document_id, "signing-url", body=body, private=private)
        return await self._transport.request(
            call, lambda answer: SigningUrl.model_validate(answer["data"]["results"])
        )


def _of_document(
    operation: str,
    document_id: str,
    action: str,
    *,
    body: Any = None,
    key: str | None = None,
    private: tuple[str, ...] = (),
) -> Call:
    return Call(
        operation=operation,
        method="GET" if body is None else "POST",
        path=f"/turbosign/documents/{{id}}/{action}",
        ids={"id": document_id},
        body=body,
        idempotency_key=key,
        private=private,
    )


def _data(model: type[M]) -> Callable[[Any], M]:
    return lambda body: model.model_validate(body["data"])


def _audit_trail(body: Any) -> AuditTrail:
    data = body["data"]
    return AuditTrail(document_id=data["document"]["id"], entries=len(data["auditTrail"]), raw=data)
