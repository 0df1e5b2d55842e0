"""Makes the HTTP requests.

What is the same for every call is made once: parsing an address takes as long as all else about a request,
and each timer as long as an id (benchmarks/client.py).
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import httpx

from countersign.providers.calls import Call, Limits

_HEADERS: Final = {"User-Agent": "countersign", "Accept": "application/json", "Accept-Encoding": "gzip"}
_OF_FILES: Final = {"User-Agent": "countersign", "Accept": "*/*", "Accept-Encoding": "identity"}
_NO_BODY: Final = httpx.ByteStream(b"")


class RequestBuilder:
    """Makes requests for one base URL.

    Args:
        base_url: It, without a slash at its end.
        limits: How long the phases of a request may take.
        proxied: Whether a proxy is used.
    """

    def __init__(self, base_url: str, limits: Limits, *, proxied: bool) -> None:
        self._base_url = base_url
        self._url = httpx.URL(base_url)
        self._host = self._url.netloc.decode("ascii")
        self._prefix = self._url.raw_path.rstrip(b"/")
        self._proxied = proxied
        self._reading = _phases(limits, limits.read_total)
        self._writing = _phases(limits, limits.write_total)
        self._of_files = _phases(limits, math.inf)

    def call(self, call: Call, correlation: str, credentials: Mapping[str, str]) -> httpx.Request:
        """Make the request of a call; `correlation` is its id, `credentials` are headers."""
        headers = {"Host": self._host, **_HEADERS, **credentials, "X-Request-ID": correlation}
        if not call.writes:
            return self._request(call, headers, self._reading, stream=_NO_BODY)
        headers["Idempotency-Key"] = call.idempotency_key or correlation
        if call.file is None:
            headers["Content-Type"] = "application/json"
            return self._request(call, headers, self._writing, json=call.body)
        file = call.file.name, call.file.content, call.file.media_type
        return self._request(call, headers, self._writing, data=call.form, files={"file": file})

    def file(self, url: str) -> httpx.Request:
        """Build the request for a file of another host, without headers of ours."""
        return httpx.Request("GET", url, headers=_OF_FILES, extensions={"timeout": self._of_files})

    def _request(
        self, call: Call, headers: dict[str, str], phases: Mapping[str, float | None], **body: Any
    ) -> httpx.Request:
        url: httpx.URL | str = self._url
        extensions: dict[str, Any] = {"timeout": phases}
        if self._proxied:  # its CONNECT would take the target over
            url = self._base_url + call.target
        else:
            extensions["target"] = self._prefix + call.target.encode("ascii")
        return httpx.Request(call.method, url, headers=headers, extensions=extensions, **body)


def _phases(limits: Limits, total: float) -> dict[str, float | None]:
    """Limit the phases of a request; a phase that may last as long as the whole needs no timer.

    Connecting and waiting for a connection always end before the whole does: only their own time-outs prove
    that nothing left.
    """
    before = {"connect": min(limits.connect, total / 2), "pool": min(limits.pool, total / 2)}
    after = {"read": limits.read, "write": limits.write}
    return before | {name: limit if limit < total else None for name, limit in after.items()}
