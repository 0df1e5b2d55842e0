"""Signature fields of a send: checked, and placed on the page."""

from dataclasses import astuple
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from sandbox import errors
from sandbox.anchors import AnchorError, PageTexts
from sandbox.pdf import UnreadablePdfError, page_sizes
from sandbox.validation import Body, problems_of

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
BY_HAND: Final = frozenset({"signature", "initial"})


class Extent(Body):
    """How large a field is."""

    width: Size
    height: Size


class Offset(Body):
    """How far from its anchor a field is."""

    x: Number = 0
    y: Number = 0


class Anchor(Body):
    """Where a field stands, by a text in the document."""

    anchor: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    search_text: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    placement: Literal["replace", "before", "after", "above", "below"] = "replace"
    size: Extent
    offset: Offset | None = None
    case_sensitive: bool | None = None
    use_regex: bool | None = None


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


_FIELDS: Final = TypeAdapter(list[SignatureField])


def check(raw: list[Any], emails: list[str], *, content: bytes) -> list[dict[str, Any]]:
    """Check fields and place them.

    Returns:
        The fields as they came, each with its `box` on the page.

    Raises:
        ApiError: 400 with one of the documented codes.
    """
    try:
        parsed = _FIELDS.validate_python(raw)
    except ValidationError as error:
        message = "; ".join(message for _, message in problems_of(error))
        raise errors.single_step(message, "InvalidField") from None
    for field in parsed:
        _check_one(field, emails)
    _check_everybody_signs(parsed, emails)
    try:
        return _placed(raw, parsed, content)
    except UnreadablePdfError:
        raise errors.single_step("The document could not be read", "TemplateProcessingFailed") from None


def _check_one(field: SignatureField, emails: list[str]) -> None:
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


def _check_everybody_signs(fields: list[SignatureField], emails: list[str]) -> None:
    if not fields:
        return
    for email in emails:
        own = [field for field in fields if field.recipient_email == email]
        if not own:
            raise errors.single_step(f"Recipient {email} has no fields", "SignerHasNoFields")
        if all(field.is_readonly for field in own):
            raise errors.single_step(
                f"Recipient {email} has no editable fields", "NoEditableFieldsForRecipient"
            )


def _placed(raw: list[Any], parsed: list[SignatureField], content: bytes) -> list[dict[str, Any]]:
    sizes = page_sizes(content)
    texts = PageTexts(content) if any(field.template for field in parsed) else None
    return [
        given | (_by_anchor(given, texts) if field.template and texts else _by_place(field, sizes))
        for given, field in zip(raw, parsed, strict=True)
    ]


def _by_anchor(given: dict[str, Any], texts: PageTexts) -> dict[str, Any]:
    try:
        box, cover = texts.place(given["template"])
    except AnchorError as error:
        raise errors.single_step(str(error), "TemplateProcessingFailed") from None
    return {"box": astuple(box), "cover": astuple(cover) if cover else None}


def _by_place(field: SignatureField, sizes: list[tuple[float, float]]) -> dict[str, Any]:
    page = field.page or 1
    if page > len(sizes):
        message = f"Field is on page {page}, but the document has {len(sizes)}"
        raise errors.single_step(message, "FieldPageOutOfRange")
    across = sizes[page - 1][0] / (field.page_width or sizes[page - 1][0])
    down = sizes[page - 1][1] / (field.page_height or sizes[page - 1][1])
    x, y, width, height = field.x or 0, field.y or 0, field.width or 0, field.height or 0
    return {"box": [page, x * across, y * down, width * across, height * down], "cover": None}
