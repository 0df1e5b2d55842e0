"""Responses of several routes."""

import json
from typing import Any
from urllib.parse import quote

from starlette.responses import Response


def json_response(body: Any, status: int = 200) -> Response:
    """Build a JSON response as JavaScript serializes it: compact, without escapes for Unicode."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(content, status, media_type="application/json")


def attachment(content: bytes, name: str, media_type: str) -> Response:
    """Build the response of a file download."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\/' else "_" for c in name)
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return Response(content, media_type=media_type, headers={"content-disposition": disposition})


MEDIA_TYPES = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
