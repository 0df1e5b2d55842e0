"""`/envelope/field/…`: read, add, change and remove fields."""

from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from sandbox.core import pdf
from sandbox.core.bodies import json_object
from sandbox.core.responses import json_response
from sandbox.core.store import Row
from sandbox.core.validation import Body, Query, check
from sandbox.documenso import creation, envelopes, errors, placement, views
from sandbox.documenso import sandbox as sandboxes
from sandbox.documenso.auth import procedure
from sandbox.documenso.routes.paths import both
from sandbox.documenso.sandbox import Sandbox
from sandbox.documenso.values import FIELD_TYPES, Percent, Place, Whole, WholeText


class PlacedField(Place):
    """A field of a recipient by its place."""

    recipient_id: Whole
    envelope_item_id: str | None = None


class TextField(Body):
    """A field of a recipient on a text of the document."""

    type: FIELD_TYPES
    recipient_id: Whole
    envelope_item_id: str | None = None
    placeholder: Annotated[str, Field(min_length=1)]
    width: Percent | None = None
    height: Percent | None = None
    match_all: bool = False
    field_meta: dict[str, Any] | None = None


class CreateMany(Body):
    """The body of an addition."""

    envelope_id: str
    data: Annotated[list[PlacedField | TextField], Field(min_length=1)]


class Change(Body):
    """New values of a field."""

    id: Whole
    type: FIELD_TYPES
    envelope_item_id: str | None = None
    page: Annotated[Whole, Field(ge=1)] | None = None
    position_x: Percent | None = None
    position_y: Percent | None = None
    width: Percent | None = None
    height: Percent | None = None
    field_meta: dict[str, Any] | None = None


class UpdateMany(Body):
    """The body of a change."""

    envelope_id: str
    data: Annotated[list[Change], Field(min_length=1)]


class Delete(Body):
    """The body of a removal."""

    field_id: Whole


class PathId(Query):
    """A field's id in a path."""

    id: WholeText


async def get(request: Request, team: int) -> Response:
    """Return a field."""
    field_id = check(PathId, {"id": request.path_params["id"]}, errors.invalid_input).id
    _, field = _find(sandboxes.of(request), field_id, team)
    return json_response(views.field(field))


async def create_many(request: Request, team: int) -> Response:
    """Add fields to recipients that have not signed."""
    sandbox = sandboxes.of(request)
    asked = check(CreateMany, await json_object(request), errors.invalid_input)
    document = _changeable(sandbox, asked.envelope_id, team)
    with sandbox.store.transaction():
        added = [row for field in asked.data for row in _add(sandbox, document, field)]
        envelopes.touch(sandbox, document["id"])
    return json_response({"data": [views.field(row) for row in added]})


async def update_many(request: Request, team: int) -> Response:
    """Change fields of recipients that have not signed."""
    sandbox = sandboxes.of(request)
    asked = check(UpdateMany, await json_object(request), errors.invalid_input)
    document = _changeable(sandbox, asked.envelope_id, team)
    changed = []
    with sandbox.store.transaction():
        for change in asked.data:
            field = sandbox.store.find("fields", str(change.id))
            if field is None or field["document_id"] != document["id"]:
                raise errors.not_found("Field")
            changed.append(_change(sandbox, document, field, change))
        envelopes.touch(sandbox, document["id"])
    return json_response({"data": [views.field(row) for row in changed]})


async def delete(request: Request, team: int) -> Response:
    """Remove a field of a recipient that has not signed."""
    sandbox = sandboxes.of(request)
    asked = check(Delete, await json_object(request), errors.invalid_input)
    document, field = _find(sandbox, asked.field_id, team)
    _changeable(sandbox, document["id"], team)
    _unsigned(sandbox, document, field["recipient_id"])
    with sandbox.store.transaction():
        sandbox.store.execute("DELETE FROM fields WHERE id = ?", field["id"])
        envelopes.touch(sandbox, document["id"])
    return json_response({"success": True})


def _find(sandbox: Sandbox, field_id: int, team: int) -> tuple[Row, Row]:
    field = sandbox.store.find("fields", str(field_id))
    document = None if field is None else envelopes.visible(sandbox, field["document_id"], team)
    if field is None or document is None:
        raise errors.not_found("Field")
    return document, field


def _changeable(sandbox: Sandbox, envelope_id: str, team: int) -> Row:
    document = envelopes.find(sandbox, envelope_id, team)
    if document["status"] in envelopes.ENDED:
        raise errors.app_error("INVALID_REQUEST", "Envelope already complete")
    return document


def _unsigned(sandbox: Sandbox, document: Row, recipient_id: int) -> None:
    for person in envelopes.recipients(sandbox, document["id"]):
        if person["id"] == recipient_id:
            if person["status"] != "NOT_SIGNED":
                message = (
                    "Recipient type cannot have fields, or they have already interacted with the document"
                )
                raise errors.app_error("INVALID_REQUEST", message)
            return
    raise errors.app_error("INVALID_REQUEST", f"Recipient {recipient_id} not found")


def _add(sandbox: Sandbox, document: Row, asked: PlacedField | TextField) -> list[Row]:
    _unsigned(sandbox, document, asked.recipient_id)
    item = _item(sandbox, document, asked.envelope_item_id)
    content = sandbox.store.file(item["id"]) or b""
    if isinstance(asked, PlacedField):
        placement.check_page(content, asked.page)
        places = [creation.columns_of(asked)]
    else:
        places = _places(content, asked)
    return [creation.add_field(sandbox, document, item, asked.recipient_id, place) for place in places]


def _places(content: bytes, asked: TextField) -> list[dict[str, Any]]:
    try:
        found = placement.search(content, asked.placeholder)
    except pdf.UnreadablePdfError:
        found = []
    if not found:
        message = f'Placeholder "{asked.placeholder}" was not found in the document'
        raise errors.app_error("INVALID_REQUEST", message)
    sizes = {"width": asked.width, "height": asked.height}
    given = {key: value for key, value in sizes.items() if value is not None}
    more = {"type": asked.type, "meta": asked.field_meta or {}} | given
    return [place | more for place in (found if asked.match_all else found[:1])]


def _item(sandbox: Sandbox, document: Row, item_id: str | None) -> Row:
    items = envelopes.items(sandbox, document["id"])
    for item in items:
        if item_id in {None, item["id"]}:
            return item
    raise errors.app_error("INVALID_REQUEST", "Envelope item not found")


def _change(sandbox: Sandbox, document: Row, field: Row, change: Change) -> Row:
    _unsigned(sandbox, document, field["recipient_id"])
    given: dict[str, Any] = {
        "type": change.type,
        "page": change.page,
        "x": change.position_x,
        "y": change.position_y,
        "width": change.width,
        "height": change.height,
        "meta": change.field_meta,
        "item_id": change.envelope_item_id,
    }
    columns = {key: value for key, value in given.items() if value is not None}
    item = _item(sandbox, document, columns.get("item_id", field["item_id"]))
    placement.check_page(sandbox.store.file(item["id"]) or b"", change.page or field["page"])
    sandbox.store.update("fields", field["id"], **columns)
    return field | columns


ROUTES = both(
    [
        ("POST", "/envelope/field/create-many", procedure("envelope.field.createMany", create_many)),
        ("POST", "/envelope/field/update-many", procedure("envelope.field.updateMany", update_many)),
        ("POST", "/envelope/field/delete", procedure("envelope.field.delete", delete)),
        ("GET", "/envelope/field/{id}", procedure("envelope.field.get", get)),
    ]
)
