"""Presigned download links like those of S3."""

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

from sandbox.core.clock import iso, parse
from sandbox.turbodocx.sandbox import Sandbox

_SETTING: Final = "presign_key"


def link(sandbox: Sandbox, base_url: str, document_id: str) -> str:
    """Return a link to a signed document."""
    expires = iso(sandbox.clock.now() + timedelta(seconds=sandbox.behavior.presigned_seconds))
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Expires-At": expires,
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": _signature(sandbox, document_id, expires),
    }
    return f"{base_url}_sandbox/storage/{document_id}.pdf?{urlencode(query)}"


def problem(
    sandbox: Sandbox, document_id: str, query: dict[str, str], *, authorized: bool
) -> tuple[int, str] | None:
    """Return the status and the XML body with which S3 rejects a link; None if the link is valid.

    `authorized`: the request has an Authorization header, which S3 rejects.
    """
    expires, given = query.get("X-Amz-Expires-At", ""), query.get("X-Amz-Signature", "")
    if authorized:
        return 400, _xml("InvalidArgument", "Only one auth mechanism allowed; only the X-Amz-Algorithm query")
    expected = _signature(sandbox, document_id, expires)
    if not hmac.compare_digest(given.encode(), expected.encode()):
        return 403, _xml("SignatureDoesNotMatch", "The request signature does not match")
    if sandbox.clock.now() >= parse(expires):
        return 403, _xml("AccessDenied", "Request has expired")
    return None


def _signature(sandbox: Sandbox, document_id: str, expires: str) -> str:
    key = sandbox.store.setting(_SETTING)
    if key is None:
        key = secrets.token_hex(32)
        sandbox.store.set(_SETTING, key)
    return hmac.new(key.encode(), f"{document_id}\n{expires}".encode(), hashlib.sha256).hexdigest()


def _xml(code: str, message: str) -> str:
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return f"{head}\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
