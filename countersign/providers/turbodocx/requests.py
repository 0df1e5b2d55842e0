"""What TurboDocx is asked to generate and to have signed, and how it is written on the wire."""

import base64
import html
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final

from countersign.agreements.messages import (
    ExternalCheck,
    IdentityCheck,
    Image,
    JsonData,
    Repeated,
    RichText,
    Table,
    Variable,
)
from countersign.agreements.validation import IMAGE_TYPES
from countersign.providers.calls import FilePart
from countersign.providers.port import IdentityAssertion

PATH: Final = "/turbosign/single/prepare-for-signing"
REVIEW_PATH: Final = "/turbosign/single/prepare-for-review"

_MEDIA_TYPES: Final = {
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A person who is asked to sign.

    Args:
        name: As the document shows it.
        email: Where the invitation goes; unique within the request.
        signing_order: From 1; not with a role.
        role: The template's signer role.
        phone: In E.164; for a code by SMS.
        identity: The check of the person's identity, as the provider reads it; None for its default.
    """

    name: str = field(repr=False)
    email: str = field(repr=False)
    signing_order: int | None = None
    role: str | None = None
    phone: str | None = field(default=None, repr=False)
    identity: Mapping[str, Any] | None = None

    def wire(self) -> dict[str, Any]:
        """Write it as the provider reads it."""
        return _present(
            name=self.name,
            email=self.email,
            signingOrder=self.signing_order,
            role=self.role,
            phone=self.phone,
            identityVerification=self.identity,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Something a recipient fills, at a text of the document (`anchor`) or at a position.

    Args:
        type: `signature`, `initial`, `date`, `text`, ...
        recipient_email: The signer's address; compared with case.
        anchor: The text that it replaces.
        page: From 1, with `x` and `y` in points from the page's top left.
        x: See `page`.
        y: See `page`.
        width: In points.
        height: In points.
        required: None leaves it to the provider, which says yes; False is refused for signatures.
    """

    type: str
    recipient_email: str = field(repr=False)
    anchor: str | None = None
    page: int | None = None
    x: float | None = None
    y: float | None = None
    width: float
    height: float
    required: bool | None = None

    def wire(self) -> dict[str, Any]:
        """Write it as the provider reads it."""
        size = {"width": self.width, "height": self.height}
        if self.anchor is not None:
            place: dict[str, Any] = {
                "template": {"anchor": self.anchor, "placement": "replace", "size": size}
            }
        else:
            place = {"page": self.page, "x": self.x, "y": self.y, **size}
        who = _present(type=self.type, recipientEmail=self.recipient_email, required=self.required)
        return who | place


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadFile:
    """A file to sign: its name with `.pdf`, `.docx` or `.pptx`, and its bytes."""

    file_name: str = field(repr=False)
    content: bytes = field(repr=False)

    def part(self) -> FilePart:
        """Name the multipart's part by its type, as the provider checks the part's extension.

        Raises:
            ValueError: The name has another extension.
        """
        extension = PurePath(self.file_name).suffix.lower()
        if extension not in _MEDIA_TYPES:
            raise ValueError("file_name: must end in .pdf, .docx or .pptx")
        return FilePart(name=f"document{extension}", content=self.content, media_type=_MEDIA_TYPES[extension])


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureRequest:
    """A document to have signed, from exactly one source.

    Args:
        document_name: Its title; webhooks echo it, so it carries our marker. At most 255 characters.
        recipients: Who signs.
        sender_email: The sender; required by the provider.
        sender_name: The sender's name.
        fields: What recipients fill; none for a template with roles.
        description: A message to the recipients, at most 1,000 characters.
        cc: Who gets a copy.
        send_email: False to send no invitations; None leaves it to the provider, which sends them.
        deliverable_id: The source: a generated document.
        template_id: The source: a template with signer roles.
        file_link: The source: an https link.
        file: The source: a file.
        review: Only prepare it for a person's review; it may then have no fields.

    Raises:
        ValueError: No source is given, or more than one.
    """

    document_name: str = field(repr=False)
    recipients: tuple[Recipient, ...]
    sender_email: str = field(repr=False)
    sender_name: str = field(repr=False)
    fields: tuple[Field, ...] = ()
    description: str | None = field(default=None, repr=False)
    cc: tuple[str, ...] = field(default=(), repr=False)
    send_email: bool | None = None
    deliverable_id: str | None = None
    template_id: str | None = None
    file_link: str | None = field(default=None, repr=False)
    file: UploadFile | None = None
    review: bool = False

    def __post_init__(self) -> None:
        sources = (self.deliverable_id, self.template_id, self.file_link, self.file)
        if sum(source is not None for source in sources) != 1:
            raise ValueError("name exactly one source: deliverable_id, template_id, file_link or file")

    def wire(self) -> dict[str, Any]:
        """Write the body: recipients, fields and copies are JSON in strings, also inside JSON."""
        return _present(
            recipients=json.dumps([recipient.wire() for recipient in self.recipients]),
            fields=(
                json.dumps([field.wire() for field in self.fields]) if self.fields or self.review else None
            ),
            documentName=self.document_name,
            documentDescription=self.description or None,
            senderEmail=self.sender_email,
            senderName=self.sender_name,
            ccEmails=json.dumps(list(self.cc)) if self.cc else None,
            sendEmail=self.send_email,
            fileLink=self.file_link,
            deliverableId=self.deliverable_id,
            templateId=self.template_id,
            fileName=self.file.file_name if self.file else None,
        )

    def private(self) -> tuple[str, ...]:
        """List the texts that no log may quote."""
        people = [text for recipient in self.recipients for text in (recipient.name, recipient.email)]
        people += [recipient.phone for recipient in self.recipients if recipient.phone]
        texts = (self.document_name, self.description, self.sender_email, self.sender_name, self.file_link)
        return (*people, *self.cc, *(text for text in texts if text))


def identity(check: IdentityCheck) -> dict[str, Any]:
    """Write the check of a signer's identity."""
    if isinstance(check, ExternalCheck):
        return {
            "mode": "external_idv",
            "provider": check.provider,
            "maxAgeMinutes": check.max_age_minutes,
        }
    return {"mode": "otp", "channel": check.kind}


def identity_assertion(assertion: IdentityAssertion) -> dict[str, Any]:
    """Write the result of an external check."""
    return {
        "provider": assertion.provider,
        "verificationId": assertion.verification_id,
        "verifiedAt": assertion.verified_at.isoformat(),
        "subjectEmail": assertion.email,
    }


def variables(values: Mapping[str, Variable], images: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Write the variables of a template.

    Args:
        values: By placeholder name, `CustomerName` for `{CustomerName}`.
        images: The content of their images, by key.
    """
    return [{"placeholder": f"{{{name}}}", **_variable(value, images)} for name, value in values.items()]


def _variable(value: Variable, images: Mapping[str, bytes]) -> dict[str, Any]:
    match value:
        case str():
            return {"text": value, "mimeType": "text"}
        case RichText():
            inner = variables(value.variables, images)
            return {"text": value.text, "mimeType": value.kind} | ({"subvariables": inner} if inner else {})
        case Image():
            media_type = IMAGE_TYPES[PurePath(value.key).suffix.lower()]
            content = base64.b64encode(images[value.key]).decode()
            return {"text": f"data:{media_type};base64,{content}", "mimeType": "image"}
        case Table():
            return {"text": _table(value), "mimeType": "html"}
        case JsonData():
            return {"value": value.value, "mimeType": "json", "usesAdvancedTemplatingEngine": True}
        case Repeated():
            stack = [_variable(item, images) for item in value.items]
            kinds = {item["mimeType"] for item in stack}
            return {
                "variableStack": {str(number): item for number, item in enumerate(stack)},
                "mimeType": kinds.pop() if len(kinds) == 1 else "html",
            }


def _table(table: Table) -> str:
    head = _cells("th", table.columns)
    return f"<table>{head}{''.join(_cells('td', row) for row in table.rows)}</table>"


def _cells(tag: str, texts: Iterable[str]) -> str:
    cells = (html.escape(text).replace("\n", "<br>") for text in texts)
    return f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in cells)}</tr>"


def form(body: dict[str, Any]) -> dict[str, str]:
    """Write a body as the fields of a form: booleans and numbers as the provider reads them there."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in body.items()}


def _present(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
