"""Messages of the agreement workflow: its input, query and update values, and its result.

Services in any language start `AgreementWorkflow` with `AgreementInput` as JSON. All values are frozen.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from operator import not_
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    model_validator,
)
from pydantic_core import PydanticKnownError


class Message(BaseModel):
    """A frozen value. Ignores unknown fields, so that old workers can read new messages."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class Short(Message):
    """A message whose payload has no field at its default value: a history pays for each byte.

    A default must therefore stay what it is. It is part of every recorded history.
    """


class Stage(StrEnum):
    """The stage of an agreement. The last five stages are final."""

    GENERATING = "generating"
    SENDING = "sending"
    IN_REVIEW = "in_review"
    AWAITING_SIGNATURES = "awaiting_signatures"
    FINALIZATION_FAILED = "finalization_failed"
    ARCHIVING = "archiving"
    COMPLETED = "completed"
    VOIDED = "voided"
    EXPIRED = "expired"
    DECLINED = "declined"
    ABANDONED = "abandoned"


class WaitingFor(StrEnum):
    """Who or what an agreement waits for."""

    PROVIDER = "provider"
    SIGNATURES = "signatures"
    OPERATOR = "operator"
    NO_ONE = "nobody"


class Outcome(StrEnum):
    """How an agreement ended."""

    COMPLETED = "completed"
    VOIDED = "voided"
    EXPIRED = "expired"
    DECLINED = "declined"
    ABANDONED = "abandoned"


class RichText(Message):
    """A value with markup, or a text with placeholders of its own.

    Args:
        kind: The markup: `text` is none.
        text: The content.
        variables: Values by placeholder name, for placeholders within the text or beside it in the template.
    """

    kind: Literal["text", "html", "markdown"]
    text: str
    variables: dict[str, str] = Field(default={})


class Image(Message):
    """A PNG, JPEG or GIF from the store.

    Args:
        key: The file's key in the store.
        sha256: The file's hash in hexadecimal. The worker checks it before the document is generated.
    """

    kind: Literal["image"] = "image"
    key: str
    sha256: str


class Table(Message):
    """A table, written as HTML with escaped cells.

    Args:
        columns: The headings.
        rows: The cells, as many in each row as there are columns.
    """

    kind: Literal["table"] = "table"
    columns: tuple[str, ...] = Field(min_length=1, max_length=50)
    rows: tuple[tuple[str, ...], ...] = Field(min_length=1, max_length=5000)


class JsonData(Message):
    """Data for the template's loops, conditions and expressions: `{#Items}{name}: {price}{/Items}`.

    Args:
        value: Any JSON. The provider's advanced engine evaluates the template with it.
    """

    kind: Literal["json"] = "json"
    value: JsonValue


def _kind(value: Any) -> str | None:
    """Return the tag of a variable's value: `plain` for a text, else its kind."""
    if isinstance(value, str):
        return "plain"
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    if not isinstance(kind, str):
        return None
    return "rich" if kind in {"text", "html", "markdown"} else kind


Single = Annotated[
    Annotated[str, Tag("plain")] | Annotated[RichText, Tag("rich")] | Annotated[Image, Tag("image")],
    Discriminator(_kind),
]
"""A value that can be repeated."""


class Repeated(Message):
    """Several values of one placeholder: the template repeats what stands around it.

    Args:
        items: The values, in their order.
    """

    kind: Literal["list"] = "list"
    items: tuple[Single, ...] = Field(min_length=1, max_length=5000)


Variable = Annotated[
    Annotated[str, Tag("plain")]
    | Annotated[RichText, Tag("rich")]
    | Annotated[Image, Tag("image")]
    | Annotated[Repeated, Tag("list")]
    | Annotated[Table, Tag("table")]
    | Annotated[JsonData, Tag("json")],
    Discriminator(_kind),
]
"""The value of a template's variable: a text, or an object with a `kind`."""


class TemplateSource(Message):
    """Generate the document from a template.

    Args:
        template_id: The provider's id of the template.
        variables: Values by placeholder name, `CustomerName` for `{CustomerName}`.
    """

    kind: Literal["template"] = "template"
    template_id: str
    variables: dict[str, Variable] = Field(default={})


class DeliverableSource(Message):
    """Send a document that the provider has already generated."""

    kind: Literal["deliverable"] = "deliverable"
    deliverable_id: str


class FileSource(Message):
    """Send a file from the store. Files never pass through Temporal.

    Args:
        key: The file's key in the store.
        file_name: The file's name with its extension: `.pdf`, `.docx` or `.pptx`.
        sha256: The file's hash in hexadecimal. The worker checks it before the send.
    """

    kind: Literal["file"] = "file"
    key: str
    file_name: str
    sha256: str


class LinkSource(Message):
    """Let the provider download the document from an https link."""

    kind: Literal["link"] = "link"
    url: str = Field(pattern=r"^https://")


class RolesSource(Message):
    """Send a template that defines signer roles and fields. Every signer has a role."""

    kind: Literal["roles"] = "roles"
    template_id: str


SEND_EMAILS: Final[Any] = Field(default=True, exclude_if=bool)
"""The field `send_emails`; histories do not repeat its default."""

Source = Annotated[
    TemplateSource | DeliverableSource | FileSource | LinkSource | RolesSource, Field(discriminator="kind")
]


class EmailCode(Message):
    """The provider sends the signer a one-time code by e-mail before the document opens."""

    kind: Literal["email"] = "email"


class SmsCode(Message):
    """The provider sends the signer a one-time code by SMS before the document opens.

    Args:
        phone: The number with the country code, `+493012345678` (E.164).
    """

    kind: Literal["sms"] = "sms"
    phone: str = Field(pattern=r"^\+[1-9]\d{6,14}$")


class ExternalCheck(Message):
    """The caller's own identity provider checks the signer.

    The provider sends no invitation. The caller makes a signing link with an assertion of the check.

    Args:
        provider: The identity provider's name, as the assertion has it.
        max_age_minutes: How old the check may be when the link is made.
    """

    kind: Literal["external"] = "external"
    provider: str = Field(min_length=1, max_length=255)
    max_age_minutes: int = Field(default=60, ge=5, le=10_080)


IdentityCheck = Annotated[EmailCode | SmsCode | ExternalCheck, Field(discriminator="kind")]


class Signer(Message):
    """A person who must sign.

    Args:
        name: The name for the document.
        email: The address for the provider's invitation.
        order: Signers of order 1 sign first, then those of order 2, and so on. By default, signers sign in
            the order of the list.
        role: The template's signer role, if the source is a template with roles.
        identity: How the signer's identity is verified; by default as the provider's account is set up.
    """

    name: str = Field(min_length=1, max_length=255)
    email: str = Field(min_length=3, max_length=255)
    order: int | None = Field(default=None, ge=1)
    role: str | None = None
    identity: IdentityCheck | None = None


class Sender(Message):
    """The person who requests the signatures. The default is the sender in the provider's settings."""

    name: str = Field(min_length=1, max_length=255)
    email: str = Field(min_length=3, max_length=255)


class SignatureField(Message):
    """A field for one signer to fill, placed at a text of the document or at a position.

    Args:
        signer: The number of the signer, from 1.
        type: The provider's name of the type: `signature`, `initial`, `date`, `text`, `full_name`, ...
        anchor: The text that the field replaces, for example `{Signature1}`.
        page: The number of the page, from 1. `x`, `y`, `width` and `height` are points from its top left.
        required: Whether the signer must fill the field.
    """

    signer: int = Field(ge=1)
    type: str = "signature"
    anchor: str | None = None
    page: int | None = Field(default=None, ge=1)
    x: float | None = None
    y: float | None = None
    width: float = 200
    height: float = 40
    required: bool = True


def _with_unit(value: Any) -> Any:
    """Refuse a number without a unit, which pydantic reads as seconds."""
    if isinstance(value, timedelta) or (isinstance(value, str) and value.lstrip("+-").startswith("P")):
        return value
    raise PydanticKnownError("time_delta_type")


Duration = Annotated[timedelta, BeforeValidator(_with_unit)]
"""A time span: ISO 8601 as JSON, for example `P3D`."""


class ReminderPlan(Message):
    """The schedule of reminders to signers who have not signed.

    Args:
        after: The time from the send to the first reminder: 1 hour to 365 days.
        every: The time between two reminders: 1 hour to 365 days.
        at_most: The maximum number of reminders.
    """

    after: Duration = timedelta(days=3)
    every: Duration = timedelta(days=7)
    at_most: int = Field(default=5, ge=0, le=50)


Metadata = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=40)],
        Annotated[str, Field(max_length=500)],
    ],
    Field(max_length=20),
]
"""The caller's own data, which callbacks repeat: at most 20 texts of up to 500 characters, by name."""


class AgreementInput(Short):
    """One agreement: a business document that some people must sign.

    Args:
        reference: The caller's key, such as an order number; the workflow's id is `agreement-<reference>`.
            3 to 40 characters of `A-Z a-z 0-9 . _ -`; never personal data.
        title: The document's name for the signers.
        source: The document to sign.
        signers: The persons who must sign, at least one, with different e-mail addresses.
        cc: E-mail addresses that receive a copy.
        description: A message to the signers.
        sender: The person who requests the signatures; by default the sender in the settings.
        fields: The fields that signers fill; by default one signature per signer.
        deadline: The time at which the worker voids the document and the agreement becomes `expired`.
        reminders: The schedule of reminders; no reminders by default.
        supersedes: The reference of the agreement that this agreement replaces.
        initiated_by: An opaque id of the person or service that starts the agreement. Logs contain it.
        review: Whether a person reviews the document before signers are asked. The person sends it in the
            provider's app, or decides `send_now`.
        account: The account at a provider; by default the first one in the worker's settings. Fixed once the
            agreement has started.
        send_emails: Whether the provider e-mails invitations and reminders. If not, signing links are the
            only way to sign: `countersign signing-link`.
        callback_url: An https URL that receives the agreement's events. It is called as written, so it may
            hold a credential of its own. The worker's settings name the hosts that may be called.
        callback_secret_key: The key in the store of the secret that signs its callbacks, `whsec_...`; by
            default the secret in the worker's settings. `start` puts the draft's `callback_secret` there.
        metadata: Texts of the caller, by name, which callbacks repeat. Histories hold them; no names.
    """

    reference: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{2,39}$")
    title: str = Field(min_length=1, max_length=200)
    source: Source
    signers: tuple[Signer, ...] = Field(min_length=1, max_length=100)
    cc: tuple[str, ...] = ()
    description: str | None = Field(default=None, max_length=1000)
    sender: Sender | None = None
    fields: tuple[SignatureField, ...] = ()
    deadline: datetime | None = None
    reminders: ReminderPlan | None = None
    supersedes: str | None = None
    initiated_by: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._:-]{1,64}$")
    review: bool = False
    account: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9-]{0,30}[a-z0-9]$")
    send_emails: bool = SEND_EMAILS
    callback_url: str | None = Field(default=None, max_length=2048, repr=False, exclude_if=not_)
    callback_secret_key: str | None = Field(
        default=None, pattern=r"^files/[0-9a-f]{64}\.secret$", exclude_if=not_
    )
    metadata: Metadata = Field(default={}, exclude_if=not_)


class StoredDocument(Message):
    """A file in the store: its key, its size in bytes, its SHA-256 in hexadecimal, and its URL."""

    key: str
    size: int
    sha256: str
    url: str


class Archive(Message):
    """The signed document with its evidence; `attachments` are the provider's further files."""

    document: StoredDocument
    audit_trail: StoredDocument
    timeline: StoredDocument
    attachments: tuple[StoredDocument, ...] = ()


ResolvedBy = Literal["webhook", "watcher", "poll", "operator"]
"""How the outcome became known: by a webhook, by the account's watcher, which found an event that no webhook
had delivered, by the agreement's own check (`poll`), or by an operator's decision."""


class AgreementResult(Message):
    """How an agreement ended.

    Args:
        reference: The agreement's reference.
        outcome: The final state.
        document_id: The provider's id of the document, if there is a document.
        resolved_by: How the outcome became known: `webhook`, `watcher` (the account's watcher found an event
            that no webhook had delivered), `poll` (the agreement's own check) or `operator`.
        reason: The reason for voiding or abandoning it.
        archive: The signed document, if completed.
    """

    reference: str
    outcome: Outcome
    document_id: str | None = None
    resolved_by: ResolvedBy
    reason: str | None = None
    archive: Archive | None = None


class SignerStatus(Message):
    """The progress of a signer. Times are ISO 8601 as the provider wrote them; "" if the time is unknown."""

    name: str
    order: int
    viewed_at: str | None = None
    signed_at: str | None = None


class AgreementStatus(Message):
    """The value of the `status` query.

    Args:
        reference: The agreement's reference.
        stage: The current stage.
        waiting_for: Who or what the agreement waits for.
        needs_attention: What a person must decide, in one sentence; None if there is nothing to decide.
        document_id: The provider's id of the document, once known.
        candidates: Documents with the agreement's marker, if it is unclear which of them was sent.
        signers: The progress of the signers, in the order of the input: the first is signer 1.
        review_url: The page on which a person reviews the document, while it is in review. Whoever has the
            link can read the document.
        deadline: When the agreement expires.
        ready_at: When the document was ready to send.
        sent_at: When the worker knew that the provider had the document.
        ended_at: When the agreement ended.
        supersedes: The reference of the agreement that this agreement replaces.
        next_check_at: When the worker checks with the provider, unless a webhook comes earlier.
        next_reminder_at: When the worker sends the next reminder.
        last_error: The last failure of a step that was not retried automatically, with its time.
        provider_message: The provider's own words about that failure, cleaned and cut. They may name people.
        reminders: The number of reminders sent.
        ignored: The number of events that were recorded but not applied.
        result: The result, once the agreement has ended.
    """

    reference: str
    stage: Stage
    waiting_for: WaitingFor
    needs_attention: str | None = None
    document_id: str | None = None
    candidates: tuple[str, ...] = ()
    signers: tuple[SignerStatus, ...] = ()
    review_url: str | None = None
    deadline: datetime | None = None
    ready_at: datetime | None = None
    sent_at: datetime | None = None
    ended_at: datetime | None = None
    supersedes: str | None = None
    next_check_at: datetime | None = None
    next_reminder_at: datetime | None = None
    last_error: str | None = None
    provider_message: str | None = None
    reminders: int = 0
    ignored: int = 0
    result: AgreementResult | None = None


class CircuitStatus(Message):
    """The value of the `circuit` query: what the worker that answers knows of an account's provider.

    Args:
        state: `closed`, `open` (the provider fails), `recovering`, `blocked` (only a person can mend it), or
            `unknown` (the worker does not serve the account).
        reason: Why it is not closed; "" if it is.
        since: When it entered this state for this reason, unless it is unknown.
        next_probe_at: When the worker tries the provider again, if the circuit is open or blocked.
    """

    state: Literal["closed", "open", "recovering", "blocked", "unknown"]
    reason: str = ""
    since: datetime | None = None
    next_probe_at: datetime | None = None


class VoidRequest(Message):
    """The argument of the `void` update: the worker voids the document, and the agreement ends `voided`.

    Args:
        reason: The reason. The provider shows it to the signers.
    """

    reason: str = Field(min_length=1, max_length=500)


class CallbackAddress(Message):
    """The argument of the `change_callback` signal: who receives the agreement's events from now on.

    Args:
        callback_url: As in `AgreementInput`.
        callback_secret_key: As in `AgreementInput`.
        metadata: As in `AgreementInput`.
    """

    callback_url: str = Field(max_length=2048, repr=False)
    callback_secret_key: str | None = Field(default=None, pattern=r"^files/[0-9a-f]{64}\.secret$")
    metadata: Metadata = Field(default={})


class Resolution(Message):
    """A person's decision on an agreement that needs attention.

    Args:
        action: If the outcome of a send is unknown: `adopt` the document `document_id`, `send_again`, or
            `abandon` the agreement. If a second document has the marker, or the finalization failed: `keep`
            the agreement unchanged after you have handled the problem at the provider, or `abandon` it. In
            review: `send_now`, which voids the reviewed document and sends the same one to the signers, or
            `abandon` it.
        document_id: The document to adopt; only with `adopt`.
    """

    action: Literal["adopt", "send_again", "send_now", "abandon", "keep"]
    document_id: str | None = None

    @model_validator(mode="after")
    def _adopt_names_a_document(self) -> Self:
        if (self.action == "adopt") != (self.document_id is not None):
            raise ValueError("set document_id with the action adopt, and only then")
        return self


class RecipientProgress(Message):
    """The progress of a recipient, with the earliest known times.

    Args:
        recipient_id: The provider's id of the recipient.
        viewed_at: When the recipient opened the document.
        signed_at: When the recipient signed.
        declined: The reason that the recipient gave, "" without one; None if the recipient did not decline.
    """

    recipient_id: str
    viewed_at: str | None = None
    signed_at: str | None = None
    declined: str | None = None


class TimelineEntry(Message):
    """An entry of the timeline. Entries are in the order in which the workflow received them.

    Args:
        at: When it happened, in ISO 8601, as the provider wrote it.
        what: The event's kind, or the workflow's step.
        event_id: The provider's id of the event, if the entry comes from an event.
        recipient_id: The provider's id of the recipient that it is about.
        ignored: Why the event was recorded but not applied.
    """

    at: str | None = None
    what: str
    event_id: str | None = None
    recipient_id: str | None = None
    ignored: str | None = None


class Observation(Message):
    """The current state of a document, from the provider's API.

    Args:
        status: The document's status in lower case.
        recipients: The progress of the recipients.
        at: The time of the API's response, by the worker's clock.
    """

    status: str
    recipients: tuple[RecipientProgress, ...] = ()
    at: datetime | None = None


class Unwatched(Message):
    """The account's watcher lost sight at a time: the agreement checks by itself from then on."""

    at: datetime
