"""The port behind which every signature provider stands, and the neutral values that cross it.

Activities, workflows, the command line and the webhook receiver know this module and no provider. A provider
is a package with an adapter that implements `SignatureProvider`, and `DocumentGenerator` if it can generate
documents from templates. `registry.py` finds it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol, runtime_checkable

from pydantic import SecretStr

from countersign.agreements.events import SignatureEvent
from countersign.agreements.messages import Sender, SignatureField, Signer, Source, Variable
from countersign.agreements.reference import Marker
from countersign.documents import PageSize

SourceKind = Literal["template", "deliverable", "file", "link", "roles"]
"""The kinds of `AgreementInput.source`."""
IdentityKind = Literal["email", "sms", "external"]
"""The kinds of `Signer.identity`."""

Heartbeat = Callable[[int], object]
"""Called between parts of a long operation with what is done so far: Temporal then knows that it goes on."""


class Sink(Protocol):
    """Where the bytes of a download go: an open file, a hash, or both."""

    def write(self, chunk: bytes, /) -> object:
        """Take the next bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider can do. What it lacks is refused before an agreement's first step.

    Args:
        sources: The kinds of source that it can send; `template` needs a `DocumentGenerator`.
        file_types: The extensions of the files that it accepts, `.pdf` and the like.
        upload_bytes: The largest file that it accepts, in bytes.
        title_limit: The longest title in characters, with the marker if the title carries it.
        correlation: Where the provider echoes the marker: in the document's title, or in an external id.
        custom_sender: Whether an agreement can name the sender.
        copies: Whether people can get a copy (`cc`).
        anchors: Whether a field can stand at a text of the document.
        field_types: Our names of the types of fields that it has; None if it decides itself.
        identity_verification: The kinds of `Signer.identity` that it has.
        review: Whether a document can be held for a person's review before signers are asked.
        declines: Whether the provider reports who declined, and why.
        conclusive_search: Whether a search that finds nothing after the settle window proves that nothing
            was sent, so that the send is repeated without a person.
        signing_links: Whether it returns a link at which one signer signs.
        return_url: Whether the link's maker can name where the signer goes after signing.
        optional_emails: Whether a document can be sent without any invitation or reminder by e-mail.
        webhook_api: Whether it has an API for webhooks, or a person sets them up in its web app.
        signed_webhooks: What protects its deliveries: a signature with a time, or a shared secret.
    """

    sources: frozenset[SourceKind]
    file_types: frozenset[str]
    upload_bytes: int
    title_limit: int
    correlation: Literal["title", "external id"]
    custom_sender: bool
    copies: bool
    anchors: bool
    field_types: frozenset[str] | None
    identity_verification: frozenset[IdentityKind]
    review: bool
    declines: bool
    conclusive_search: bool
    signing_links: bool
    return_url: bool
    optional_emails: bool
    webhook_api: bool
    signed_webhooks: Literal["signature and time", "shared secret"]


@dataclass(frozen=True, slots=True)
class File:
    """A file to send.

    Args:
        name: With its extension.
        content: Its bytes.
        pages: The size of every page of a PDF; empty for other files.
    """

    name: str = field(repr=False)
    content: bytes = field(repr=False)
    pages: tuple[PageSize, ...] = ()


@dataclass(frozen=True, slots=True)
class FileLink:
    """A file that the provider downloads."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProviderDocument:
    """Something that the provider holds: a generated document, or a template with signer roles."""

    kind: Literal["deliverable", "template"]
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOrder:
    """One request for signatures.

    Args:
        marker: Identifies the document as ours; the adapter puts it where the provider echoes it.
        title: Without the marker.
        description: A message to the signers.
        sender: Who asks for signatures, unless the account's settings decide.
        source: The document.
        signers: In the order of the agreement.
        cc: Addresses that get a copy.
        fields: What signers fill; empty if a template has its own fields.
        review: Only prepare it: a person reviews and sends it, and no signer is asked before.
        send_emails: Whether the provider e-mails invitations and reminders.
    """

    marker: Marker
    title: str = field(repr=False)
    description: str | None = field(repr=False)
    sender: Sender | None = field(repr=False)
    source: File | FileLink | ProviderDocument
    signers: tuple[Signer, ...] = field(repr=False)
    cc: tuple[str, ...] = field(repr=False)
    fields: tuple[SignatureField, ...]
    review: bool = False
    send_emails: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A person who signs a document, as the provider reports.

    Args:
        id: The provider's id.
        email: The address, compared without case.
        viewed_at: ISO 8601; "" if viewed at an unknown time; None if not viewed.
        signed_at: The same for the signature.
        declined: The reason that the person gave, "" without one; None if the person did not decline.
        order: Who has not signed and has the lowest order can sign now.
    """

    id: str
    email: str = field(repr=False)
    viewed_at: str | None = None
    signed_at: str | None = None
    declined: str | None = field(default=None, repr=False)
    order: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document as the provider reports.

    Args:
        id: The provider's id.
        status: An end of `EventKind` (`completed`, `voided`, `declined`, `expired`), `in_review` if no signer
            was asked yet, or any other word.
        marker: What identifies it as ours; None if it carries no marker.
        title: As the provider shows it, without the marker.
        recipients: Who signs.
        sender_email: Who sent it, where the provider reports that.
        created_at: When it was created, where the provider reports that.
        is_own: Whether the account's own key made it; None where the provider does not report that.
    """

    id: str
    status: str
    marker: Marker | None
    title: str = field(repr=False)
    recipients: tuple[Recipient, ...]
    sender_email: str | None = field(default=None, repr=False)
    created_at: datetime | None = None
    is_own: bool | None = None


@dataclass(frozen=True, slots=True)
class SentDocument:
    """What a send returns: the document's id, who signs it, and where it is reviewed."""

    id: str
    recipients: tuple[Recipient, ...]
    review_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search for a marker found.

    Args:
        document_ids: Sent documents that carry the marker.
        evidence: What was read, in one sentence without personal data.
        is_conclusive: Whether it proves that nothing else was sent.
    """

    document_ids: tuple[str, ...]
    evidence: str
    is_conclusive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityAssertion:
    """What the caller's identity provider found out about a signer.

    Args:
        provider: The name that the signer's `ExternalCheck` has.
        verification_id: The identity provider's id of the check.
        verified_at: When it was made, with an offset.
        email: The address that was checked; compared with the signer's.
    """

    provider: str
    verification_id: str
    verified_at: datetime
    email: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningLink:
    """Where one recipient signs. Whoever has the link can sign, so it is a secret.

    Args:
        url: For a window of its own.
        embed_url: For an iframe; often the same.
        expires_at: When the link stops working; None if it works until the document ends.
    """

    url: str = field(repr=False)
    embed_url: str = field(repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A file that proves how a document was signed, or another signed file of it.

    Args:
        name: Its name in the archive, for example `certificate.pdf`.
        content: Its bytes.
    """

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MarkedDocument:
    """A document at the provider, and the marker that it carries."""

    document_id: str
    marker: Marker


@dataclass(frozen=True, slots=True)
class MarkedEvent:
    """An event of such a document.

    Args:
        event_id: The provider's id of it.
        kind: As the provider names it, without prefix.
        at: When it happened, by the provider's clock.
        about: The document.
    """

    event_id: str
    kind: str
    at: datetime
    about: MarkedDocument


@dataclass(frozen=True, slots=True)
class MarkedDocuments:
    """All documents that carry a marker, of any environment.

    Args:
        documents: The documents; None if the key may not read them.
        events: Their events, where the provider keeps them.
        notes: What is missing from the search, one sentence each.
    """

    documents: frozenset[MarkedDocument] | None
    events: tuple[MarkedEvent, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to a document, as the provider reports it when asked.

    Args:
        event: The event. If a webhook announces it, too, both have the same id, or are the same end of the
            same document.
        marker: What identifies the document as ours; None if the provider does not return it.
        is_delivered: Whether the provider has delivered the event, to every address.
    """

    event: SignatureEvent
    marker: Marker | None
    is_delivered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What changed at the provider.

    Args:
        found: The changes, the oldest first.
        position: From where the next reading goes on, in the provider's own terms.
        calls: How many calls it took.
        blind: Why the changes cannot be read, in one clause without personal data; None if they were.
        missed: Why some of them were not read, in the same form; None if all were.
    """

    found: tuple[Change, ...] = ()
    position: Mapping[str, str]
    calls: int = 1
    blind: str | None = None
    missed: str | None = None


OpenDocuments = Callable[[], Awaitable[frozenset[str]]]
"""Lists the documents of the account's open agreements. A provider without a log of events asks for them."""


class SignatureProvider(Protocol):
    """What an adapter does with a document.

    Every method raises `ProviderError` and never retries. A write that may have reached the provider raises
    `OutcomeUnknownError`.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this provider can do."""

    @property
    def sender(self) -> Sender | None:
        """Who asks for signatures if the agreement names no sender, where the settings decide that."""

    @property
    def webhooks(self) -> "WebhookSubscription | None":
        """The API for webhooks; None if a person sets them up in the provider's web app."""

    async def close(self) -> None:
        """Close all connections."""

    async def probe(self) -> None:
        """Make one harmless read, past the circuit: does the provider respond, and accept the key?"""

    def advice(self, status: int) -> str:
        """Return what to do about a key that was refused with a status (401, 402 or 403)."""

    async def source_problems(self, source: Source, signers: tuple[Signer, ...]) -> list[str]:
        """Compare a source and the signers' roles with the provider's template, with reads only.

        Returns:
            What does not fit, one clause each; empty if all fits.
        """

    async def send(self, order: SendOrder, *, idempotency_key: str) -> SentDocument:
        """Ask for signatures. Never called twice for one attempt.

        Raises:
            ValueError: The order cannot be written for this provider; nothing was sent.
        """

    async def document(self, document_id: str) -> Document:
        """Read a document and who has signed it."""

    async def search(self, marker: Marker, *, since: datetime, heartbeat: Heartbeat) -> SearchResult:
        """Find sent documents that carry a marker, created since a time."""

    async def marked_documents(self, since: datetime) -> MarkedDocuments:
        """Find all documents that carry a marker, created or changed since a time."""

    async def changes(
        self,
        position: Mapping[str, str],
        *,
        settle: timedelta,
        open_documents: OpenDocuments,
        heartbeat: Heartbeat,
    ) -> Changes:
        """Read what changed at the provider, usually in one call.

        Args:
            position: What the last reading returned; empty at first.
            settle: How long the provider's webhook may be under way: younger events are left for later.
            open_documents: Lists the documents of the account's open agreements.
            heartbeat: Called between the calls.
        """

    async def void(self, document_id: str, reason: str, *, idempotency_key: str) -> None:
        """Void a document; the signers read the reason. Voiding what is void is harmless."""

    async def remind(self, document_id: str, *, idempotency_key: str) -> None:
        """Remind the signers who can sign now."""

    async def signing_link(
        self,
        document_id: str,
        recipient_id: str,
        *,
        return_url: str | None = None,
        assertion: IdentityAssertion | None = None,
    ) -> SigningLink:
        """Make a link for a recipient whose turn it is. Called only if the capabilities have `signing_links`.

        Args:
            document_id: The document.
            recipient_id: The recipient.
            return_url: Where the signer goes afterwards, if the capabilities have `return_url`.
            assertion: For a recipient with an external identity check.
        """

    async def signed_pdf(self, document_id: str, into: Sink, *, max_bytes: int, heartbeat: Heartbeat) -> None:
        """Write the signed PDF of a completed document.

        Raises:
            NotReadyError: It is not finished yet.
        """

    async def audit_trail(self, document_id: str) -> Mapping[str, object]:
        """Read the provider's record of a completed document, as JSON."""

    async def attachments(self, document_id: str, *, heartbeat: Heartbeat) -> tuple[Evidence, ...]:
        """Read the further files of a completed document: certificates, and signed files after the first.

        Args:
            document_id: The document.
            heartbeat: Called while the files are read, with the bytes of the current one.
        """


@runtime_checkable
class DocumentGenerator(Protocol):
    """A provider that generates documents from templates."""

    async def find_generated(self, title: str, marker: Marker) -> str | None:
        """Find a document that an earlier attempt generated; None if there is none."""

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
        """Generate a document and return its id; `images` holds the variables' images by key."""


@dataclass(frozen=True, slots=True)
class TemplateName:
    """A template: its id, and its name for people."""

    id: str
    name: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignerRole:
    """A signer role of a template: its key and name, and whether an agreement must name a signer for it."""

    key: str
    label: str
    needs_signer: bool


@dataclass(frozen=True, slots=True)
class TemplateDetails:
    """A template with the names of its variables and its signer roles."""

    id: str
    name: str = field(repr=False)
    variables: tuple[str, ...]
    roles: tuple[SignerRole, ...]


@runtime_checkable
class TemplateCatalog(Protocol):
    """A provider whose templates can be listed."""

    async def templates(self) -> tuple[TemplateName, ...]:
        """List the templates."""

    async def template(self, template_id: str) -> TemplateDetails:
        """Read a template.

        Raises:
            RejectedError: There is no such template.
        """


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook subscription at a provider.

    Args:
        urls: The addresses that get deliveries.
        events: The provider's names of the subscribed events.
        missing: The events that we need and that are not subscribed.
        is_active: Whether the provider delivers.
    """

    urls: tuple[str, ...]
    events: tuple[str, ...]
    missing: tuple[str, ...]
    is_active: bool


@dataclass(frozen=True, slots=True)
class DeliveredTest:
    """What became of a test event at one address; no status if no response came."""

    url: str = field(repr=False)
    http_status: int | None


class WebhookSubscription(Protocol):
    """A provider's API for webhooks. Every method raises `ProviderError`."""

    @property
    def url_limit(self) -> int:
        """How many addresses a subscription may have."""

    async def find(self) -> Subscription | None:
        """Return the subscription; None if there is none."""

    async def create(self, url: str) -> SecretStr:
        """Subscribe an address to all events that we need; return the secret, which is shown once."""

    async def extend(self, current: Subscription, url: str) -> Subscription:
        """Add an address and the missing events, and switch the subscription on."""

    async def remove(self, current: Subscription, url: str) -> Subscription:
        """Take away an address that is not the last."""

    async def rotate_secret(self) -> SecretStr:
        """Make a new secret; the old one becomes invalid at once."""

    async def test(self, document_id: str) -> tuple[DeliveredTest, ...]:
        """Deliver a test event that belongs to no agreement to every address.

        Args:
            document_id: The event's document, `test_document_id` of the environment.
        """
