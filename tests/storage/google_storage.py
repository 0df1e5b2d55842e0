"""A small stand-in for Google Cloud Storage: objects by its XML API, with its precondition.

It follows https://cloud.google.com/storage/docs/xml-api/reference-headers: a write with
`x-goog-if-generation-match: 0` is done only where there is no such object yet; any other write replaces it.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

BUCKET: Final = "archive"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.lock = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        bucket, key = self._names()
        if bucket != BUCKET:
            return self._answer(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        with self.server.lock:
            if self.headers.get("x-goog-if-generation-match") == "0" and key in self.server.objects:
                return self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            self.server.objects[key] = content
        return self._answer(200, b"", etag=content)

    def do_GET(self) -> None:
        bucket, key = self._names()
        if not key:
            prefix = parse_qs(urlsplit(self.path).query).get("prefix", [""])[0]
            return self._answer(200, self._listed(prefix))
        content = self.server.objects.get(key) if bucket == BUCKET else None
        if content is None:
            return self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        return self._answer(200, content, etag=content)

    def do_DELETE(self) -> None:
        _, key = self._names()
        found = self.server.objects.pop(key, None)
        return self._answer(404 if found is None else 204, b"")

    def _listed(self, prefix: str) -> bytes:
        """List objects as https://cloud.google.com/storage/docs/xml-api/get-bucket-list writes them."""
        objects = (
            f"<Contents><Key>{key}</Key><LastModified>2027-01-31T12:00:00.000Z</LastModified>"
            f'<ETag>"0"</ETag><Size>{len(content)}</Size></Contents>'
            for key, content in sorted(self.server.objects.items())
            if key.startswith(prefix)
        )
        return f"<ListBucketResult>{''.join(objects)}</ListBucketResult>".encode()

    def _names(self) -> tuple[str, str]:
        bucket, _, key = unquote(urlsplit(self.path).path).removeprefix("/").partition("/")
        return bucket, key

    def _answer(self, status: int, body: bytes, *, etag: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.md5(etag, usedforsecurity=False).hexdigest()}"')
        self.send_header("Last-Modified", formatdate(usegmt=True))
        self.send_header("x-goog-generation", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (named by the base class)
        pass


@contextmanager
def google_storage() -> Iterator[str]:
    """Run it; gives its address."""
    server = _Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
