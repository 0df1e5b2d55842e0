"""What crosses the wire: what an agreement is started with, what it answers, and how it ends.

Services in any language start `AgreementWorkflow` with `AgreementInput` as JSON. Every value is frozen.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticKnownError


class Message(BaseModel):
    """A frozen value; unknown fields are ignored, so that old workers read new messages."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class Stage(StrEnum):
    """Where an agreement is. The last five are ends."""

    GENERATING = "generating"
    SENDING = "sending"
    AWAITING_SIGNATURES = "awaiting_signatures"
    FINALIZATION_FAILED = "finalization_failed"
    ARCHIVING = "archiving"
    COMPLETED = "completed"
    VOIDED = "voided"
    EXPIRED = "expired"
    DECLINED = "declined"
    ABANDONED = "abandoned"


class WaitingFor(StrEnum):
    """Who or what moves an agreement on."""

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


class TemplateSource(Message):
    """Generate the document from a template.

    Args:
        template_id: The provider's id of the template.
        variables: Values by placeholder name, `CustomerName` for `{CustomerName}`.
    """

    kind: Literal["template"] = "template"
    template_id: str
    variables: dict[str, str] = Field(default={})


class DeliverableSource(Message):
    """Send a document that the provider has generated before."""

    kind: Literal["deliverable"] = "deliverable"
    deliverable_id: str


class FileSource(Message):
    """Send a file that was put into the store before; files never travel through Temporal.

    Args:
        key: The file's key in the store.
        file_name: Its name with extension: `.pdf`, `.docx` or `.pptx`.
        sha256: Its hash, checked before it is sent.
    """

    kind: Literal["file"] = "file"
    key: str
    file_name: str
    sha256: str


class LinkSource(Message):
    """Let the provider fetch the document from an https link."""

    kind: Literal["link"] = "link"
    url: str = Field(pattern=r"^https://")


class RolesSource(Message):
    """Send a template whose signer roles and fields are set up at the provider; each signer names a role."""

    kind: Literal["roles"] = "roles"
    template_id: str


Source = Annotated[
    TemplateSource | DeliverableSource | FileSource | LinkSource | RolesSource, Field(discriminator="kind")
]


class Signer(Message):
    """Somebody who must sign.

    Args:
        name: As it shall stand on the document.
        email: Where the provider sends the invitation.
        order: Signers of order 1 sign first, then those of 2, ...; by default in the order they are listed.
        role: The template's signer role, where the source is a template with roles.
    """

    name: str = Field(min_length=1, max_length=255)
    email: str = Field(min_length=3, max_length=255)
    order: int | None = Field(default=None, ge=1)
    role: str | None = None


class Sender(Message):
    """Who asks for the signatures; by default the provider settings' sender."""

    name: str = Field(min_length=1, max_length=255)
    email: str = Field(min_length=3, max_length=255)


class SignatureField(Message):
    """A field for one signer to fill, placed at a text of the document or at a position.

    Args:
        signer: Which signer, counted from 1.
        type: `signature`, `initial`, `date`, `text`, `full_name`, ... as the provider names them.
        anchor: The text that the field replaces, for example `{Signature1}`.
        page: Counted from 1; with `x`, `y`, `width`, `height` in points from the page's top left.
        required: Whether the signer must fill it.
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
    """Refuse what has no unit: pydantic would read 3 as three seconds."""
    if isinstance(value, timedelta) or (isinstance(value, str) and value.lstrip("+-").startswith("P")):
        return value
    raise PydanticKnownError("time_delta_type")


Duration = Annotated[timedelta, BeforeValidator(_with_unit)]
"""A time span: ISO 8601 as JSON, for example `P3D`."""


class ReminderPlan(Message):
    """When signers who have not signed are reminded: first `after`, then `every`, `at_most` times.

    Between one hour and 365 days.
    """

    after: Duration = timedelta(days=3)
    every: Duration = timedelta(days=7)
    at_most: int = Field(default=5, ge=0, le=50)


class AgreementInput(Message):
    """One agreement: a business document that some people must sign.

    Args:
        reference: The caller's order number or the like; names the workflow `agreement-<reference>`. 3 to 40
            characters of `A-Z a-z 0-9 . _ -`; never personal data.
        title: The document's name, as signers see it.
        source: What to sign.
        signers: Who must sign, at least one, each with an address of their own.
        cc: Addresses that get a copy.
        description: A message to the signers.
        sender: Who asks; by default the settings' sender.
        fields: What signers fill; by default one signature for each of them.
        deadline: After it the document is voided at the provider and the agreement is `expired`.
        reminders: When to remind signers; none by default.
        supersedes: The reference of the agreement that this one replaces.
        initiated_by: An opaque id of who started it; appears in logs.
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


class StoredDocument(Message):
    """A file in the store: its key, its size in bytes and its SHA-256."""

    key: str
    size: int
    sha256: str
    url: str


class Archive(Message):
    """The signed document with its evidence."""

    document: StoredDocument
    audit_trail: StoredDocument
    timeline: StoredDocument


ResolvedBy = Literal["webhook", "poll", "operator"]
"""What made us know how an agreement ended; `poll` is our own clock."""


class AgreementResult(Message):
    """How an agreement ended.

    Args:
        reference: Its reference.
        outcome: What became of it.
        document_id: The provider's id of the document, if there is one.
        resolved_by: What made us know: `webhook`, `poll` (our own clock), or `operator`.
        reason: Why it was voided or abandoned.
        archive: The signed document, if completed.
    """

    reference: str
    outcome: Outcome
    document_id: str | None = None
    resolved_by: ResolvedBy
    reason: str | None = None
    archive: Archive | None = None


class SignerStatus(Message):
    """One signer's progress. Times are ISO 8601 as the provider wrote them; "" if nobody told when."""

    name: str
    order: int
    viewed_at: str | None = None
    signed_at: str | None = None


class AgreementStatus(Message):
    """What the `status` query answers.

    Args:
        reference: The agreement's reference.
        stage: Where it is.
        waiting_for: Who or what moves it on.
        needs_attention: What a person must decide, in one sentence; None if nothing.
        document_id: The provider's id of the document, once known.
        candidates: Documents that carry our marker, where it is unclear which is ours.
        signers: Each signer's progress, as they were listed at the start: the first is signer 1.
        deadline: When it expires.
        ready_at: When its document was ready to be sent.
        sent_at: When the provider was known to have it.
        ended_at: When it ended.
        supersedes: The reference of the agreement that it replaces.
        next_check_at: When the provider is asked next, if no webhook comes first; None once there is an end.
        next_reminder_at: When signers are reminded next.
        last_error: The last failure of a step that was not simply tried again, with its time.
        reminders: How many reminders went out.
        ignored: How many events were recorded and not applied.
        result: How it ended, if it has.
    """

    reference: str
    stage: Stage
    waiting_for: WaitingFor
    needs_attention: str | None = None
    document_id: str | None = None
    candidates: tuple[str, ...] = ()
    signers: tuple[SignerStatus, ...] = ()
    deadline: datetime | None = None
    ready_at: datetime | None = None
    sent_at: datetime | None = None
    ended_at: datetime | None = None
    supersedes: str | None = None
    next_check_at: datetime | None = None
    next_reminder_at: datetime | None = None
    last_error: str | None = None
    reminders: int = 0
    ignored: int = 0
    result: AgreementResult | None = None


class VoidRequest(Message):
    """Void an agreement: the document is voided at the provider, the agreement ends `voided`.

    Args:
        reason: Why; the provider shows it to the signers.
    """

    reason: str = Field(min_length=1, max_length=500)


class Resolution(Message):
    """A person's decision on an agreement that needs attention.

    Args:
        action: While it is unknown whether a send went out: `adopt` the document `document_id`, `send_again`,
            or `abandon` the agreement. When another document carries our marker, or finalisation failed:
            `keep` the agreement as it is, the other document having been dealt with, or `abandon` it.
        document_id: The document to adopt.
    """

    action: Literal["adopt", "send_again", "abandon", "keep"]
    document_id: str | None = None

    @model_validator(mode="after")
    def _adopt_names_a_document(self) -> Self:
        if (self.action == "adopt") != (self.document_id is not None):
            raise ValueError("name the document_id to adopt, and only then")
        return self


class RecipientProgress(Message):
    """One recipient, by the provider's id, and the earliest times known for what they did.

    Args:
        recipient_id: The provider's id.
        viewed_at: When they opened the document.
        signed_at: When they signed.
    """

    recipient_id: str
    viewed_at: str | None = None
    signed_at: str | None = None


class TimelineEntry(Message):
    """One thing that we came to know, in the order we did.

    Args:
        at: When it happened, ISO 8601, as the provider wrote it.
        what: The event's kind, or our own step.
        event_id: The provider's event id, if an event told us.
        recipient_id: Whom it is about.
        ignored: Why it was recorded and not applied.
    """

    at: str | None
    what: str
    event_id: str | None = None
    recipient_id: str | None = None
    ignored: str | None = None


class Observation(Message):
    """What the provider's API says of a document now: its truth.

    Args:
        status: The document's status, lower case.
        recipients: Each recipient's state.
        at: When it said so, by the worker's clock.
    """

    status: str
    recipients: tuple[RecipientProgress, ...] = ()
    at: datetime | None = None
