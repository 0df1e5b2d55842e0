"""TurboDocx behind the port: what an agreement asks for, in the provider's terms."""

import ssl
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any, Final

from countersign.agreements.messages import (
    RolesSource,
    Sender,
    Signer,
    SmsCode,
    Source,
    TemplateSource,
    Variable,
)
from countersign.agreements.reference import Marker, mark_title, split_title
from countersign.agreements.validation import texts_of
from countersign.providers.api_parts import transport_of
from countersign.providers.calls import Limits
from countersign.providers.download import DownloadRules
from countersign.providers.errors import RejectedError, UnauthorizedError, is_about_key
from countersign.providers.port import (
    Changes,
    Document,
    Evidence,
    File,
    FileLink,
    Heartbeat,
    IdentityAssertion,
    MarkedDocument,
    MarkedDocuments,
    MarkedEvent,
    OpenDocuments,
    Recipient,
    SearchResult,
    SendOrder,
    SentDocument,
    SignerRole,
    SigningLink,
    Sink,
    TemplateDetails,
    TemplateName,
)
from countersign.providers.transport import Gate
from countersign.providers.turbodocx import requests
from countersign.providers.turbodocx.capabilities import CAPABILITIES
from countersign.providers.turbodocx.changes import changes
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.providers.turbodocx.delivery_log import is_last, marked, marked_events, pages
from countersign.providers.turbodocx.error_bodies import explain
from countersign.providers.turbodocx.models import DocumentRecipient, PreparedRecipient
from countersign.providers.turbodocx.settings import TurboDocxSettings
from countersign.providers.turbodocx.subscription import TurboDocxSubscription
from countersign.providers.turbodocx.templates import TemplateVariables, placeholders
from countersign.providers.turbodocx.webhook import TurboDocxWebhookAdapter
from countersign.secrets.rotation import Rotating
from countersign.settings.provider import ProviderSettings
from countersign.settings.webhooks import WebhookEvents
from countersign.suggestions import did_you_mean

_SEARCH_CALLS: Final = 10
_LOG_PAGES: Final = 1000
_NEAREST: Final = 3
_IN_REVIEW: Final = frozenset({"draft", "setup_complete", "review_ready"})
"""The provider's statuses of a document before any signer is asked."""
_FEW: Final = 5


class TurboDocx:
    """An account of TurboDocx.

    Args:
        client: Calls the provider.
        sender: Who asks for signatures, unless the agreement names a sender.
        prefix: The prefix of the account's settings.
        name: The account's name.
        webhook_events: The events of its webhook subscription.
    """

    capabilities: Final = CAPABILITIES

    def __init__(
        self,
        client: TurboDocxClient,
        sender: Sender,
        prefix: str = TurboDocxSettings.prefix,
        name: str = "turbodocx",
        webhook_events: WebhookEvents = "all",
    ) -> None:
        self.client = client
        self.sender = sender
        self.webhooks = TurboDocxSubscription(client.webhooks, webhook_events)
        self._prefix = prefix
        self._events = TurboDocxWebhookAdapter(name)
        self._variables = TemplateVariables(client)

    async def close(self) -> None:
        """Close all connections."""
        await self.client.close()

    async def probe(self) -> None:
        """List one generated document."""
        await self.client.probe()

    def advice(self, status: int) -> str:
        """Return what to do about a key that was refused."""
        key, organization = f"{self._prefix}API_KEY", f"{self._prefix}ORG_ID"
        if status == HTTPStatus.UNAUTHORIZED:
            return f"the provider rejects the API key: check {key} and {organization}"
        if status == HTTPStatus.PAYMENT_REQUIRED:
            return "the provider's plan is exhausted: upgrade it, or wait for its renewal"
        return (
            f"the provider rejects the API key for this organization: check that {organization} is the key's "
            "organization, and that the key's role is `contributor` or `administrator`"
        )

    # Before the send

    async def source_problems(self, source: Source, signers: tuple[Signer, ...]) -> list[str]:
        """Compare a template's variables or roles: one call, two if it is unknown; none for other sources."""
        if not isinstance(source, TemplateSource | RolesSource):
            return []
        try:
            if isinstance(source, TemplateSource):
                return await self._variables.misfits(source)
            return await self._role_problems(source, signers)
        except UnauthorizedError:
            raise
        except RejectedError:
            return [await self._unknown_template(source.template_id)]

    async def templates(self) -> tuple[TemplateName, ...]:
        """List the templates without folders: one call."""
        listed = await self.client.list_templates()
        return tuple(TemplateName(item.id, item.name) for item in listed if item.type == "template")

    async def template(self, template_id: str) -> TemplateDetails:
        """Read a template and its signature setup: two calls."""
        found = await self.client.get_template(template_id)
        try:
            setup = (await self.client.signature_setup(template_id)).roles
        except UnauthorizedError:
            raise
        except RejectedError:  # it was not set up with roles
            setup = ()
        roles = sorted(setup, key=lambda role: (role.order or 0, role.key))
        return TemplateDetails(
            found.id,
            found.name,
            tuple(sorted(placeholders(found))),
            tuple(SignerRole(role.key, role.label, not role.has_saved_signer) for role in roles),
        )

    async def _role_problems(self, source: RolesSource, signers: Iterable[Signer]) -> list[str]:
        setup = await self.client.signature_setup(source.template_id)
        roles = {role.key for role in setup.roles}
        filled = {signer.role for signer in signers if signer.role}
        saved = {role.key for role in setup.roles if role.has_saved_signer}
        wrong = [f"it has no role {name}{did_you_mean(name, roles)}" for name in sorted(filled - roles)]
        return wrong + [f"no signer has the role {name}" for name in sorted(roles - filled - saved)]

    async def _unknown_template(self, template_id: str) -> str:
        """Suggest templates with a similar name or id."""
        listed = await self.client.list_templates()
        known = {item.id: item.name for item in listed if item.type == "template"}
        names = {name.lower(): name for name in known.values()}
        near = [names[match] for match in get_close_matches(template_id.lower(), names, _NEAREST)]
        near += [known[match] for match in get_close_matches(template_id, known, _NEAREST, 0.8)]
        ids = {name: template for template, name in known.items()}
        return f"no template has this id; {_suggestion(near, ids)}"

    async def find_generated(self, title: str, marker: Marker) -> str | None:
        """Search generated documents by their whole name."""
        name = mark_title(title, marker)
        found = await self.client.find_deliverables(str(marker))
        return next((deliverable.id for deliverable in found if deliverable.name == name), None)

    async def generate(
        self,
        title: str,
        marker: Marker,
        *,
        template_id: str,
        variables: Mapping[str, Variable],
        images: Mapping[str, bytes],
        idempotency_key: str,
    ) -> str:
        """Generate a deliverable; its name carries the marker."""
        deliverable = await self.client.create_deliverable(
            name=mark_title(title, marker),
            template_id=template_id,
            variables=requests.variables(variables, images),
            private=tuple(text for value in variables.values() for text in texts_of(value)),
            idempotency_key=idempotency_key,
        )
        return deliverable.id

    # The send, and what is left of it

    async def send(self, order: SendOrder, *, idempotency_key: str) -> SentDocument:
        """Send in one call."""
        prepare = self.client.prepare_for_review if order.review else self.client.prepare_for_signing
        prepared = await prepare(signature_request(order, self.sender), idempotency_key=idempotency_key)
        people = tuple(map(_sent_to, prepared.recipients))
        return SentDocument(prepared.document_id, people, prepared.preview_url)

    async def search(self, marker: Marker, *, since: datetime, heartbeat: Heartbeat) -> SearchResult:
        """Search the delivery log, if the key may read it: up to ten calls.

        It proves what was sent, never that nothing was: the log may lag, and events may not be subscribed.
        """
        document_ids: set[str] = set()
        read, is_all = 0, False
        try:
            async for page in pages(self.client.webhooks, since=since, at_most=_SEARCH_CALLS):
                read, is_all = read + len(page), is_last(page, since)
                heartbeat(read)
                document_ids |= {found.document_id for found in marked(page) if found.marker == marker}
        except RejectedError as error:
            if is_about_key(error):  # retried once the key is replaced
                raise
            return SearchResult((), f"delivery log: refused ({error.status})")
        newest = "" if is_all else "only the newest "
        return SearchResult(tuple(sorted(document_ids)), f"delivery log: {newest}{read:,} deliveries read")

    async def marked_documents(self, since: datetime) -> MarkedDocuments:
        """Read the delivery log back to a time: one call for a hundred deliveries."""
        documents: set[MarkedDocument] = set()
        events: list[MarkedEvent] = []
        read, is_all = 0, True
        try:
            async for page in pages(self.client.webhooks, since=since, at_most=_LOG_PAGES, event_type=None):
                read, is_all = read + len(page), is_last(page, since)
                documents |= marked(page)
                events += [event for event in marked_events(page) if event.at >= since]
        except RejectedError as error:
            if is_about_key(error):
                raise
            return MarkedDocuments(None, notes=(_unreadable(error),))
        notes = () if is_all else (f"only the newest {read:,} deliveries read; name fewer --days to see all",)
        return MarkedDocuments(frozenset(documents), tuple(events), notes)

    async def changes(
        self,
        position: Mapping[str, str],
        *,
        settle: timedelta,
        open_documents: OpenDocuments,
        heartbeat: Heartbeat,
    ) -> Changes:
        """Read the delivery log since the last reading; see `changes.py`."""
        del open_documents  # the log names all documents
        return await changes(self.client.webhooks, self._events, position, settle=settle, heartbeat=heartbeat)

    async def document(self, document_id: str) -> Document:
        """Read a document with its recipients: one call."""
        found = await self.client.document_recipients(document_id)
        title, marker = split_title(found.document.name)
        sender = found.document.sent_by
        return Document(
            id=document_id,
            status="in_review" if found.document.status in _IN_REVIEW else found.document.status,
            marker=marker,
            title=title,
            recipients=tuple(map(_progress, found.recipients)),
            sender_email=sender.email if sender else None,
            created_at=_time(found.document.created_on),
        )

    async def void(self, document_id: str, reason: str, *, idempotency_key: str) -> None:
        """Void a document."""
        await self.client.void_document(document_id, reason, idempotency_key=idempotency_key)

    async def remind(self, document_id: str, *, idempotency_key: str) -> None:
        """Remind the signers who can sign now."""
        await self.client.send_reminder(document_id, idempotency_key=idempotency_key)

    async def signing_link(
        self,
        document_id: str,
        recipient_id: str,
        *,
        return_url: str | None = None,
        assertion: IdentityAssertion | None = None,
    ) -> SigningLink:
        """Make a link: one call. A link after an external check works once, for five minutes."""
        made = await self.client.signing_url(
            document_id, recipient_id=recipient_id, return_url=return_url, assertion=assertion
        )
        return SigningLink(url=made.url, embed_url=made.url, expires_at=_time(made.expires_at))

    # The archive

    async def signed_pdf(self, document_id: str, into: Sink, *, max_bytes: int, heartbeat: Heartbeat) -> None:
        """Download from a fresh presigned link: one call and the download."""
        link = await self.client.download_link(document_id)
        heartbeat(0)
        await self.client.download(link.download_url, into, max_bytes=max_bytes, heartbeat=heartbeat)

    async def audit_trail(self, document_id: str) -> Mapping[str, object]:
        """Read the whole audit trail."""
        return dict((await self.client.audit_trail(document_id)).raw)

    async def attachments(self, document_id: str, *, heartbeat: Heartbeat) -> tuple[Evidence, ...]:  # noqa: ARG002  # the port's
        """Return nothing: the signed PDF holds its certificate."""
        return ()


def connect(
    name: str,
    settings: Rotating[TurboDocxSettings],
    options: ProviderSettings,
    *,
    gate: Gate | None = None,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
) -> TurboDocx:
    """Open an account; nothing is sent yet. Close it after use.

    Args:
        name: The account's name, for logs and metrics.
        settings: Key, organization, base URL and sender.
        options: Hosts, proxy and time scale.
        gate: The circuit that its calls pass; none if not given.
        limits: Time limits; by default those of the options' time scale.
        tls: TLS settings other than the default.
    """
    limits = limits or Limits().at(options.time_scale)
    current = settings.current
    transport = transport_of(
        name, settings, options, headers=headers, explain=explain, gate=gate, limits=limits, tls=tls
    )
    hosts = tuple(options.download_hosts.lower().split(","))
    downloads = DownloadRules(hosts=hosts, seconds=limits.download_total)
    client = TurboDocxClient(transport, downloads=downloads)
    sender = Sender(name=current.sender_name, email=current.sender_email)
    return TurboDocx(client, sender, current.prefix, name, current.webhook_events)


def headers(settings: TurboDocxSettings) -> Mapping[str, str]:
    """Write a key and its organization as the provider expects them."""
    return {
        "Authorization": f"Bearer {settings.api_key.get_secret_value()}",
        "x-rapiddocx-org-id": settings.org_id,
    }


def signature_request(order: SendOrder, sender: Sender) -> requests.SignatureRequest:
    """Write an order as the provider's request.

    Args:
        order: What is to be signed.
        sender: The sender, unless the order names one.
    """
    who = order.sender or sender
    return requests.SignatureRequest(
        document_name=mark_title(order.title, order.marker),
        description=order.description,
        recipients=tuple(_recipient(number, signer) for number, signer in enumerate(order.signers, start=1)),
        cc=order.cc,
        sender_email=who.email,
        sender_name=who.name,
        fields=tuple(_fields(order)),
        review=order.review,
        send_email=None if order.send_emails else False,
        **_source(order),
    )


def _recipient(number: int, signer: Signer) -> requests.Recipient:
    return requests.Recipient(
        name=signer.name,
        email=signer.email,
        signing_order=None if signer.role else signer.order or number,
        role=signer.role,
        phone=signer.identity.phone if isinstance(signer.identity, SmsCode) else None,
        identity=requests.identity(signer.identity) if signer.identity else None,
    )


def _fields(order: SendOrder) -> Iterable[requests.Field]:
    for field in order.fields:
        yield requests.Field(
            type=field.type,
            recipient_email=order.signers[field.signer - 1].email,
            anchor=field.anchor,
            page=field.page,
            x=field.x,
            y=field.y,
            width=field.width,
            height=field.height,
            required=field.required,
        )


def _source(order: SendOrder) -> dict[str, Any]:
    match order.source:
        case File() as file:
            return {"file": requests.UploadFile(file_name=file.name, content=file.content)}
        case FileLink(url=url):
            return {"file_link": url}
        case document:
            return {f"{document.kind}_id": document.id}


def _sent_to(recipient: PreparedRecipient) -> Recipient:
    return Recipient(id=recipient.id, email=recipient.email)


def _progress(recipient: DocumentRecipient) -> Recipient:
    signed = recipient.status == "completed"
    return Recipient(
        id=recipient.id,
        email=recipient.email,
        viewed_at="" if signed or recipient.status == "viewed" else None,
        signed_at=(recipient.signed_on or "") if signed else None,
        order=recipient.signing_order,
    )


def _time(text: str | None) -> datetime | None:
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _unreadable(error: RejectedError) -> str:
    if error.status == HTTPStatus.NOT_FOUND:
        log = "without a delivery log, because no webhook subscription exists"
    else:
        log = f"without the provider's delivery log, which this key may not read ({error.status})"
    return f"{log}: only documents that Temporal knows are checked, and no late events"


def _suggestion(near: Sequence[str], ids: Mapping[str, str]) -> str:
    """List the nearest templates, or all templates if there are few."""
    if not ids:
        return "the organization has no templates"
    if not near and len(ids) > _FEW:
        return f"none of the {len(ids)} templates has a similar name: see the provider's web app"
    shown = ", ".join(f"{name} ({ids[name]})" for name in dict.fromkeys(near or ids))
    return f"{'nearest' if near else 'existing'}: {shown}"
