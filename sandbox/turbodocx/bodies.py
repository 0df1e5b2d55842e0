"""Bodies that may be JSON or a form with one file, and the provider's errors for unreadable ones."""

from typing import Any

from starlette.requests import Request

from sandbox.core import bodies
from sandbox.core.bodies import BodyError, Upload
from sandbox.turbodocx import errors


async def fields_and_file(request: Request, file_field: str) -> tuple[dict[str, Any], Upload | None]:
    """Read a body that may be JSON or a form, with or without a file part.

    Raises:
        BodyError: It cannot be read.
    """
    if not bodies.is_form(request):
        return await bodies.json_object(request), None
    fields, uploads = await bodies.form(request)
    files = [upload for upload in uploads if upload.field == file_field]
    return dict(fields), files[-1] if files else None


def unreadable(error: BodyError) -> errors.ApiError:
    """Return the provider's response to a body that cannot be read."""
    match error.reason:
        case "json":
            return errors.typed(400, "Unexpected token in JSON", "SyntaxError")
        case "object":
            return errors.invalid([("value", '"value" must be of type object')])
        case "form":
            return errors.invalid([("value", "the form could not be parsed")])
        case "size":
            return errors.single_step("Request body is too large", "PayloadTooLarge", status=413)
        case "disconnect":
            return errors.single_step("Client disconnected", "ClientDisconnected", status=499)
