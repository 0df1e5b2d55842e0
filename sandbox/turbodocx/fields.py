"""Signature fields of a send: checks, and their positions on the pages."""

from dataclasses import astuple
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from sandbox.core.pdf import Box, UnreadablePdfError, hide, page_sizes
from sandbox.core.validation import Body, problems_of
from sandbox.turbodocx import errors
from sandbox.turbodocx.anchors import AnchorError, PageTexts

Number = Annotated[float, Field(ge=-100_000, le=100_000, allow_inf_nan=False)]
Size = Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]

FIELD_TYPES = Literal[
    "signature",
    "initial",
    "date",
    "text",
    "full_name",
    "first_name",
    "last_name",
    "title",
    "company",
    "email",
    "checkbox",
]
_TOLERANCE: Final = 1.0
"""Points that a field may exceed its page by: clients round page sizes."""
BY_HAND: Final = frozenset({"signature", "initial"})


class Extent(Body):
    """The size of a field."""

    width: Size
    height: Size


class Offset(Body):
    """The distance of a field from its anchor."""

    x: Number = 0
    y: Number = 0


Alignment = Literal["left", "center", "right"]


class Condition(Body):
    """A rule that shows or unlocks a field depending on a checkbox."""

    controlling_field_key: Annotated[str, StringConstraints(min_length=1)]
    operator: Literal["is_checked", "is_not_checked"]
    action: Literal["show", "unlock"]


class Anchor(Body):
    """The position of a field relative to a text in the document."""

    anchor: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    search_text: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    placement: Literal["replace", "before", "after", "above", "below"] = "replace"
    size: Extent
    offset: Offset | None = None
    case_sensitive: bool | None = None
    use_regex: bool | None = None
    alignment: Alignment | None = None


class SignatureField(Body):
    """One field of one recipient."""

    type: FIELD_TYPES
    recipient_email: str
    required: Any = None
    default_value: Annotated[str, StringConstraints(max_length=600)] | None = None
    is_readonly: bool | None = None
    is_multiline: bool | None = None
    page: Annotated[int, Field(ge=1, le=100_000)] | None = None
    x: Number | None = None
    y: Number | None = None
    width: Size | None = None
    height: Size | None = None
    page_width: Size | None = None
    page_height: Size | None = None
    template: Anchor | None = None
    alignment: Alignment | None = None
    metadata: dict[str, Any] | None = None


_FIELDS: Final = TypeAdapter(list[SignatureField])


def check(raw: list[Any], emails: list[str], *, content: bytes) -> tuple[list[dict[str, Any]], bytes]:
    """Check the fields of a send and place them.

    Returns:
        The fields as sent, with their `box` on the page; and the document without the anchors that fields
        replace.

    Raises:
        ApiError: 400 with one of the documented codes.
    """
    try:
        parsed = _FIELDS.validate_python(raw)
    except ValidationError as error:
        message = "; ".join(message for _, message in problems_of(error))
        raise errors.single_step(message, "InvalidField") from None
    for number, field in enumerate(parsed, start=1):
        _check_field(field, emails)
        _check_value(field)
        _check_condition(number, field)
    _check_signers_have_fields(parsed, emails)
    try:
        return _placed(raw, parsed, content)
    except UnreadablePdfError:
        raise errors.single_step("The document could not be read", "TemplateProcessingFailed") from None


def _check_field(field: SignatureField, emails: list[str]) -> None:
    if field.recipient_email not in emails:
        raise errors.single_step(
            f'Field references an unknown recipient: "{field.recipient_email}"', "InvalidRecipient"
        )
    if field.required is not None and not isinstance(field.required, bool):
        raise errors.single_step('Field "required" must be a boolean', "InvalidFieldRequired")
    if field.required is False and field.type in BY_HAND:
        raise errors.single_step(f"A {field.type} field cannot be optional", "OptionalNotSupported")
    if field.template is None:
        if None in (field.page, field.x, field.y, field.width, field.height):
            message = "Field needs page, x, y, width and height, or a template anchor"
            raise errors.single_step(message, "InvalidField")
    elif field.template.anchor is None and field.template.search_text is None:
        raise errors.single_step("Field template needs an anchor or searchText", "InvalidField")


def _check_value(field: SignatureField) -> None:
    if field.type == "date" and field.is_readonly:
        raise errors.single_step("A date field cannot be read-only", "InvalidField")
    if not field.default_value:
        return
    if field.type in BY_HAND:
        raise errors.single_step(f"A {field.type} field cannot have a defaultValue", "InvalidField")
    if field.type == "date":
        try:
            datetime.strptime(field.default_value, "%m/%d/%Y")  # noqa: DTZ007 - a date without a time zone
        except ValueError:
            raise errors.single_step("defaultValue must be a date, MM/DD/YYYY", "InvalidDateValue") from None


def _check_condition(number: int, field: SignatureField) -> None:
    """Check the shape of a conditional rule; a rule without a matching checkbox has no effect."""
    condition = (field.metadata or {}).get("conditional")
    if condition is None:
        return
    try:
        Condition.model_validate(condition)
    except ValidationError as error:
        message = "; ".join(message for _, message in problems_of(error))
        raise errors.typed(
            400, f"Field {number}: metadata.conditional: {message}", "InvalidConditionalRule"
        ) from None


def _check_signers_have_fields(fields: list[SignatureField], emails: list[str]) -> None:
    if not fields:
        return
    for email in emails:
        signer_fields = [field for field in fields if field.recipient_email == email]
        if not signer_fields:
            raise errors.single_step(f"Recipient {email} has no fields", "SignerHasNoFields")
        if all(field.is_readonly or field.required is False for field in signer_fields):
            raise errors.single_step(
                f"Recipient {email} has no editable fields", "NoEditableFieldsForRecipient"
            )


def _placed(
    raw: list[Any], parsed: list[SignatureField], content: bytes
) -> tuple[list[dict[str, Any]], bytes]:
    sizes = page_sizes(content)
    texts = PageTexts(content) if any(field.template for field in parsed) else None
    placed, replaced = [], []
    for given, field in zip(raw, parsed, strict=True):
        box, anchor = (
            _by_anchor(given, texts) if texts and field.template else (_by_place(field, sizes), None)
        )
        placed.append(given | {"box": astuple(box)})
        replaced += [anchor] if anchor else []
    return placed, hide(content, replaced) if replaced else content


def _by_anchor(given: dict[str, Any], texts: PageTexts) -> tuple[Box, Box | None]:
    try:
        return texts.place(given["template"])
    except AnchorError as error:
        raise errors.single_step(str(error), "TemplateProcessingFailed") from None


def _by_place(field: SignatureField, sizes: list[tuple[float, float]]) -> Box:
    page = field.page or 1
    if page > len(sizes):
        message = f"Field is on page {page}, but the document has {len(sizes)}"
        raise errors.single_step(message, "FieldPageOutOfRange")
    page_width, page_height = sizes[page - 1]
    given_width, given_height = field.page_width or page_width, field.page_height or page_height
    x, y, width, height = field.x or 0, field.y or 0, field.width or 0, field.height or 0
    if min(x, y) < 0 or x + width > given_width + _TOLERANCE or y + height > given_height + _TOLERANCE:
        message = f"Field is outside page {page}, which is {given_width:g} x {given_height:g}"
        raise errors.single_step(message, "FieldOutOfBounds")
    across, down = page_width / given_width, page_height / given_height
    return Box(page, x * across, y * down, width * across, height * down)
