"""What several routes answer alike."""

import json
from typing import Any
from urllib.parse import quote

from starlette.responses import Response


def reply(body: Any, status: int = 200) -> Response:
    """Answer JSON as JavaScript writes it: compact, any letter as it is."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(content, status, media_type="application/json")


def attachment(content: bytes, name: str, media_type: str) -> Response:
    """Answer a file to be saved under a name."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\/' else "_" for c in name)
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return Response(content, media_type=media_type, headers={"content-disposition": disposition})


MEDIA_TYPES = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
