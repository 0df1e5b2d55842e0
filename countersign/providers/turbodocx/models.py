"""TurboDocx's responses, parsed tolerantly: unknown fields, 0/1 for booleans, either case of a status.

A response without a field that its reader needs fails validation. Links and addresses stay out of reprs.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel


def _empty_if_none(value: Any) -> Any:
    return () if value is None else value


Id = Annotated[str, Field(min_length=1)]
Status = Annotated[str, AfterValidator(str.lower)]
Private = Annotated[str, Field(repr=False)]
OptionalPrivate = Annotated[str | None, Field(repr=False)]


class Wire(BaseModel):
    """A frozen value in the provider's camelCase."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )


class Variable(Wire):
    """A template's placeholder, for example `{CustomerName}`."""

    placeholder: str
    name: str | None = None
    mime_type: str = "text"


class Template(Wire):
    """A template with its variables."""

    id: Id
    name: Private
    variables: Annotated[tuple[Variable, ...], BeforeValidator(_empty_if_none)] = ()


class TemplateItem(Wire):
    """A row of the template list: a template or a folder."""

    id: Id
    name: Private
    type: Status = "template"
    is_active: bool = True


class Deliverable(Wire):
    """A document generated from a template."""

    id: Id
    name: Private
    template_id: str | None = None
    created_on: str | None = None
    is_active: bool = True


class SignerRole(Wire):
    """A signer role that a template was set up with."""

    key: Id
    label: str = ""
    order: int | None = None
    has_saved_signer: bool = False
    field_count: int = 0
    default_name: OptionalPrivate = None
    default_email: OptionalPrivate = None


class SignatureSetup(Wire):
    """A template's signer roles, in signing order."""

    template_id: str | None = None
    roles: tuple[SignerRole, ...] = ()


class PreparedRecipient(Wire):
    """A recipient of a document that was sent."""

    id: Id
    name: Private = ""
    email: Private


class PreparedDocument(Wire):
    """A document that was sent for signing, or prepared for review at `preview_url`."""

    document_id: Id
    status: Status = ""
    preview_url: OptionalPrivate = None
    recipients: tuple[PreparedRecipient, ...]


class DocumentStatus(Wire):
    """Where a document is."""

    status: Status


class DocumentRecipient(Wire):
    """A recipient's progress: `status` is pending, viewed or completed."""

    id: Id
    name: Private = ""
    email: Private
    status: Status
    signed_on: str | None = None
    signing_order: int = 1


class SentBy(Wire):
    """Who asked for the signatures of a document."""

    email: Private


class Document(Wire):
    """A document as its recipients list shows it."""

    id: Id
    name: Private
    status: Status
    created_on: str | None = None
    sent_by: SentBy | None = None


class DocumentRecipients(Wire):
    """A document and the state of its recipients, by signing order."""

    document: Document
    recipients: tuple[DocumentRecipient, ...]


class DownloadLink(Wire):
    """A presigned link, valid for an hour: a credential for the document."""

    download_url: Annotated[str, Field(min_length=1, repr=False)]
    file_name: Private = ""


class VoidedDocument(Wire):
    """A document that was voided."""

    id: str | None = None
    status: Status = "voided"


class Reminder(Wire):
    """What became of one reminder: `sent`, `failed` or `skipped_...`."""

    recipient_id: Id
    status: Status


class Resent(Wire):
    """How many invitations were sent again."""

    recipient_count: int = 0


class SigningUrl(Wire):
    """A link under which one recipient signs."""

    url: Annotated[str, Field(min_length=1, repr=False)]
    expires_at: str | None = None
    recipient_id: str | None = None


class AuditTrail(Wire):
    """The provider's record of a document. `raw` is the whole response, kept as evidence."""

    document_id: Id
    entries: int
    raw: Annotated[Mapping[str, Any], Field(repr=False)]


class Webhook(Wire):
    """The organisation's webhook subscription."""

    id: str | None = None
    name: str = ""
    urls: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    is_active: bool = True


class WebhookSecret(Wire):
    """A subscription's new secret, shown once."""

    id: str | None = None
    secret: SecretStr


class WebhookDelivery(Wire):
    """One delivery of an event to one address; `payload` only where the provider shows it."""

    id: Id
    event_type: str = ""
    url: Private = ""
    http_status: int | None = None
    is_delivered: bool = False
    status: Status = ""
    created_on: str | None = None
    payload: Annotated[Any, Field(repr=False)] = None


class WebhookDeliveries(Wire):
    """A page of the delivery log, newest first."""

    results: tuple[WebhookDelivery, ...]


class WebhookTest(Wire):
    """What became of a test event, per address."""

    deliveries: Annotated[tuple[WebhookDelivery, ...], BeforeValidator(_empty_if_none)] = ()
