"""Create envelopes: from files, or from a template."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from sandbox.core import docx, pdf
from sandbox.core.bodies import Upload
from sandbox.core.responses import MEDIA_TYPES
from sandbox.core.store import Row
from sandbox.core.validation import Body
from sandbox.documenso import audit, envelopes, errors, events, placement
from sandbox.documenso.ids import envelope_id, nanoid
from sandbox.documenso.sandbox import Sandbox, User
from sandbox.documenso.values import (
    AccessAuth,
    ActionAuth,
    Email,
    ExternalId,
    Meta,
    Name,
    NewRecipient,
    Place,
    SendMeta,
    Title,
    Whole,
)


class PlacedField(Place):
    """A field of a new recipient; `identifier` is the name or the index of its file."""

    identifier: Annotated[str | Whole, Field(union_mode="left_to_right")] | None = None


class Signer(NewRecipient):
    """A recipient with fields."""

    fields: list[PlacedField] = Field(default_factory=list)


class New(Body):
    """The payload of a create."""

    type: Literal["DOCUMENT", "TEMPLATE"]
    title: Title
    external_id: ExternalId | None = None
    visibility: Literal["EVERYONE", "MANAGER_AND_ABOVE", "ADMIN"] = "EVERYONE"
    folder_id: str | None = None
    global_access_auth: AccessAuth = Field(default_factory=list)
    global_action_auth: ActionAuth = Field(default_factory=list)
    form_values: dict[str, str | bool | float] | None = None
    recipients: list[Signer] = Field(default_factory=list)
    meta: Meta | None = None


class TemplateRecipient(Body):
    """Who takes the place of a template's recipient."""

    id: Whole
    email: Email
    name: Name | None = None
    signing_order: Whole | None = None


class CustomFile(Body):
    """An uploaded file, by name or index, that takes the place of a template's file."""

    identifier: Annotated[str | Whole, Field(union_mode="left_to_right")]
    envelope_item_id: str


class Prefill(Body):
    """The value of a template's field."""

    id: Whole
    type: Literal["text", "number", "radio", "checkbox", "dropdown", "date"]
    value: str | list[str] | None = None


class Override(SendMeta):
    """Settings that replace those of a template."""

    title: Title | None = None


class Use(Body):
    """The payload of a document from a template."""

    envelope_id: str
    external_id: ExternalId | None = None
    recipients: list[TemplateRecipient] = Field(default_factory=list)
    distribute_document: bool = False
    custom_document_data: list[CustomFile] = Field(default_factory=list)
    folder_id: str | None = None
    prefill_fields: list[Prefill] = Field(default_factory=list)
    override: Override | None = None
    form_values: dict[str, str | bool | float] | None = None


@dataclass(frozen=True, slots=True)
class File:
    """A file of an envelope."""

    name: str
    content: bytes


DEFAULT_META: dict[str, Any] = {
    "signingOrder": "PARALLEL",
    "distributionMethod": "EMAIL",
    "subject": None,
    "message": None,
    "timezone": "Etc/UTC",
    "dateFormat": "yyyy-MM-dd hh:mm a",
    "redirectUrl": None,
    "typedSignatureEnabled": True,
    "uploadSignatureEnabled": True,
    "drawSignatureEnabled": True,
    "allowDictateNextSigner": False,
    "language": "en",
    "emailSettings": None,
    "emailId": None,
    "emailReplyTo": None,
    "envelopeExpirationPeriod": None,
    "reminderSettings": None,
}


def read_files(sandbox: Sandbox, uploads: list[Upload]) -> list[File]:
    """Read the files of a create.

    Raises:
        ApiError: 400, none, too many, of another type, or unreadable.
    """
    wanted = [upload for upload in uploads if upload.field.removesuffix("[]") == "files"]
    limit = sandbox.behavior.item_limit
    if len(wanted) > limit:
        message = f"You cannot upload more than {limit} envelope items per envelope"
        raise errors.app_error("ENVELOPE_ITEM_LIMIT_EXCEEDED", message)
    return [File(upload.name, _as_pdf(sandbox, upload)) for upload in wanted]


def create(sandbox: Sandbox, asked: New, files: list[File], user: User, team: int) -> Row:
    """Create an envelope and return it; a document is a draft, and its recipients learn nothing.

    Raises:
        ApiError: 400 with one of the documented codes.
    """
    _check_limits(sandbox, asked.type)
    with sandbox.store.transaction():
        document = _insert(
            sandbox,
            user,
            team,
            type=asked.type,
            name=asked.title,
            external_id=asked.external_id,
            visibility=asked.visibility,
            folder_id=asked.folder_id,
            form_values=asked.form_values or {},
            auth={
                "globalAccessAuth": asked.global_access_auth,
                "globalActionAuth": asked.global_action_auth,
            },
            meta=merged(DEFAULT_META, asked.meta),
        )
        audit.record(sandbox, document, "DOCUMENT_CREATED", {"title": document["name"]}, user_id=user.id)
        people = [add_recipient(sandbox, document, person, user.id) for person in asked.recipients]
        items = []
        for place, file in enumerate(files, start=1):
            items.append(_add_file(sandbox, document, file, place, people))
        for person, row in zip(asked.recipients, people, strict=True):
            for field in person.fields:
                item = _identified(field.identifier, items, [file.name for file in files])
                placement.check_page(sandbox.store.file(item["id"]) or b"", field.page)
                add_field(sandbox, document, item, row["id"], columns_of(field))
        created = asked.type == "DOCUMENT"
        _record(sandbox, document, people)
        events.emit(sandbox, "DOCUMENT_CREATED" if created else "TEMPLATE_CREATED", document["id"])
    return document


def use(sandbox: Sandbox, template: Row, asked: Use, files: list[File], user: User) -> Row:
    """Create a document from a template and return it.

    Raises:
        ApiError: 400 `INVALID_BODY`, a recipient or a file is not the template's.
    """
    _check_limits(sandbox, "DOCUMENT")
    override = asked.override
    meta = merged(template["meta"], override)
    with sandbox.store.transaction():
        document = _insert(
            sandbox,
            user,
            template["team_id"],
            type="DOCUMENT",
            name=(override.title if override else None) or template["name"],
            source="TEMPLATE",
            template_id=template["seq"],
            external_id=asked.external_id or template["external_id"],
            visibility=template["visibility"],
            folder_id=asked.folder_id,
            form_values=asked.form_values or template["form_values"],
            auth=template["auth"],
            meta={key: value for key, value in meta.items() if key in DEFAULT_META},
        )
        audit.record(sandbox, document, "DOCUMENT_CREATED", {"title": document["name"]}, user_id=user.id)
        new_people = _copy_recipients(sandbox, template, document, asked, user)
        new_items = _copy_files(sandbox, template, document, asked, files)
        values = {prefill.id: prefill.value for prefill in asked.prefill_fields}
        for field in envelopes.fields(sandbox, template["id"]):
            columns = {key: field[key] for key in ("type", "page", "x", "y", "width", "height", "meta")}
            if (value := values.get(field["id"])) is not None:
                text = value if isinstance(value, str) else ", ".join(value)
                columns["meta"] = columns["meta"] | {"text": text, "value": text}
            item, person_id = new_items[field["item_id"]], new_people[field["recipient_id"]]
            add_field(sandbox, document, item, person_id, columns)
        _record(sandbox, document, envelopes.recipients(sandbox, document["id"]))
        events.emit(sandbox, "DOCUMENT_CREATED", document["id"])
        events.emit(sandbox, "TEMPLATE_USED", template["id"])
    return document


def add_recipient(sandbox: Sandbox, document: Row, asked: NewRecipient, user_id: int) -> Row:
    """Add a recipient with a new token and return the row; a CC is born sent and signed."""
    is_copied = asked.role == "CC"
    token = nanoid()
    sandbox.store.insert(
        "recipients",
        {
            "document_id": document["id"],
            "name": asked.name,
            "email": asked.email,
            "role": asked.role,
            "signing_order": asked.signing_order,
            "auth": {"accessAuth": asked.access_auth, "actionAuth": asked.action_auth},
            "token": token,
            "send_status": "SENT" if is_copied else "NOT_SENT",
            "status": "SIGNED" if is_copied else "NOT_SIGNED",
        },
    )
    row = sandbox.store.row("SELECT * FROM recipients WHERE token = ?", token) or {}
    details = audit.of_recipient(row) | row["auth"]
    audit.record(sandbox, document, "RECIPIENT_CREATED", details, user_id=user_id)
    return row


def add_field(sandbox: Sandbox, document: Row, item: Row, recipient_id: int, columns: dict[str, Any]) -> Row:
    """Add a field and return its row."""
    secondary_id = f"field_{nanoid(16)}"
    sandbox.store.insert(
        "fields",
        {
            "secondary_id": secondary_id,
            "document_id": document["id"],
            "item_id": item["id"],
            "recipient_id": recipient_id,
            "meta": {},
            **columns,
        },
    )
    return sandbox.store.row("SELECT * FROM fields WHERE secondary_id = ?", secondary_id) or {}


def columns_of(place: Place) -> dict[str, Any]:
    """Return the columns of a field's place."""
    return {
        "type": place.type,
        "page": place.page,
        "x": place.position_x,
        "y": place.position_y,
        "width": place.width,
        "height": place.height,
        "meta": place.field_meta or {},
    }


def merged(meta: dict[str, Any], changes: SendMeta | None) -> dict[str, Any]:
    """Return settings with the given ones replaced."""
    if changes is None:
        return dict(meta)
    return meta | changes.model_dump(by_alias=True, exclude_none=True, exclude_unset=True)


def _check_limits(sandbox: Sandbox, kind: str) -> None:
    limit = sandbox.behavior.document_limit
    if kind != "DOCUMENT" or limit is None:
        return
    count = sandbox.store.row("SELECT COUNT(*) AS n FROM ledger WHERE kind = 'document_created'")
    if count is not None and count["n"] >= limit:
        message = "You have reached your document limit for this month. Please upgrade your plan."
        raise errors.app_error("LIMIT_EXCEEDED", message)


def _as_pdf(sandbox: Sandbox, upload: Upload) -> bytes:
    """Read a file by the content type of its part."""
    kind = upload.media_type.partition(";")[0].strip().lower()
    try:
        if kind == MEDIA_TYPES["pdf"]:
            pdf.page_sizes(upload.content)
            return upload.content
        if kind == MEDIA_TYPES["docx"] and sandbox.behavior.converts_docx:
            _, paragraphs = docx.read_paragraphs(upload.content)
            return pdf.render(upload.name, paragraphs)
    except (pdf.UnreadablePdfError, docx.UnreadableOfficeFileError):
        raise errors.app_error("INVALID_DOCUMENT_FILE", "The document is not a valid PDF") from None
    raise errors.app_error("UNSUPPORTED_FILE_TYPE", f"Unsupported file type: {kind}")


def _insert(sandbox: Sandbox, user: User, team: int, **columns: Any) -> Row:
    now = sandbox.clock.stamp()
    row = {
        "id": envelope_id(),
        "status": "DRAFT",
        "source": "DOCUMENT",
        "user_id": user.id,
        "team_id": team,
        "created_on": now,
        "updated_on": now,
        **columns,
    }
    row["meta"] = row["meta"] | {"id": nanoid()}
    sandbox.store.insert("documents", row)
    return sandbox.store.find("documents", row["id"]) or {}


def _add_file(sandbox: Sandbox, document: Row, file: File, place: int, people: list[Row]) -> Row:
    """Add a file; its text placeholders become fields of the recipients that exist."""
    try:
        found, content = placement.placeholders(file.content)
    except pdf.UnreadablePdfError:
        found, content = [], file.content
    item = _add_item(sandbox, document, file.name, place, content)
    for number, columns in found:
        if number <= len(people):
            add_field(sandbox, document, item, people[number - 1]["id"], columns)
    return item


def _add_item(sandbox: Sandbox, document: Row, title: str, place: int, content: bytes) -> Row:
    row = {
        "id": f"envelope_item_{nanoid(16)}",
        "document_id": document["id"],
        "title": title,
        "place": place,
        "data_id": nanoid(),
    }
    sandbox.store.insert("items", row)
    sandbox.store.keep_file(row["id"], content)
    return row


def _identified(identifier: str | int | None, items: list[Row], names: list[str]) -> Row:
    try:
        if isinstance(identifier, str):
            return items[names.index(identifier)]
        return items[identifier or 0]
    except (ValueError, IndexError):
        raise errors.app_error("NOT_FOUND", f"Document data not found: {identifier}") from None


def _copy_recipients(
    sandbox: Sandbox, template: Row, document: Row, asked: Use, user: User
) -> dict[int, int]:
    """Copy a template's recipients; returns the new id for each old one."""
    given = {person.id: person for person in asked.recipients}
    old = envelopes.recipients(sandbox, template["id"])
    if unknown := given.keys() - {person["id"] for person in old}:
        message = f"Recipient with ID {min(unknown)} not found in the template."
        raise errors.app_error("INVALID_BODY", message)
    copied = {}
    for person in old:
        new = given.get(person["id"])
        order = person["signing_order"] if new is None or new.signing_order is None else new.signing_order
        wanted = NewRecipient(
            email=person["email"] if new is None else new.email,
            name=person["name"] if new is None or new.name is None else new.name,
            role=person["role"],
            signing_order=order,
            access_auth=person["auth"]["accessAuth"],
            action_auth=person["auth"]["actionAuth"],
        )
        copied[person["id"]] = add_recipient(sandbox, document, wanted, user.id)["id"]
    return copied


def _copy_files(
    sandbox: Sandbox, template: Row, document: Row, asked: Use, files: list[File]
) -> dict[str, Row]:
    """Copy a template's files, or take uploaded ones; returns the new item for each old id."""
    old = envelopes.items(sandbox, template["id"])
    uploaded: dict[str, File] = {}
    for custom in asked.custom_document_data:
        if custom.envelope_item_id not in {item["id"] for item in old}:
            message = f"Envelope item {custom.envelope_item_id} not found in the template."
            raise errors.app_error("INVALID_BODY", message)
        names = [file.name for file in files]
        try:
            wanted = custom.identifier
            index = names.index(wanted) if isinstance(wanted, str) else wanted
            uploaded[custom.envelope_item_id] = files[index]
        except (ValueError, IndexError):
            raise errors.app_error("INVALID_BODY", f"File not found: {custom.identifier}") from None
    copied = {}
    for item in old:
        file = uploaded.get(item["id"]) or File(item["title"], sandbox.store.file(item["id"]) or b"")
        title = file.name.removesuffix(".pdf")
        copied[item["id"]] = _add_item(sandbox, document, title, item["place"], file.content)
    return copied


def _record(sandbox: Sandbox, document: Row, people: list[Row]) -> None:
    is_document = document["type"] == "DOCUMENT"
    sandbox.ledger.record(
        "document_created" if is_document else "template_created",
        document["id"],
        title=document["name"],
        external_id=document["external_id"],
        status=document["status"],
        recipients=[person["email"] for person in people],
    )
