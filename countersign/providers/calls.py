"""One request to a provider and the limits it is under, in no HTTP library's terms."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long things may take, in seconds, and how many connections are kept.

    These are constants rather than settings: the time-outs of the steps (`workflows/agreement/policies.py`)
    are made to outlast them. Only the time scale of tests shortens both.

    Args:
        connect: TCP and TLS.
        read: Silence while a response is awaited or read.
        write: Silence while a request is written.
        pool: Waiting for a free connection.
        read_total: A whole read, from first to last.
        write_total: A whole write; the graceful stop of a worker must exceed it.
        download_total: The download of a whole signed document.
        connections: The most open connections.
        keep_alive: How long an idle connection is kept: shorter than the 5 s after which Node servers
            close theirs, since a write on a connection that is being closed has an unknown outcome.
        retry_after: The longest Retry-After that is obeyed.
    """

    connect: float = 5
    read: float = 120
    write: float = 30
    pool: float = 10
    read_total: float = 60
    write_total: float = 120
    download_total: float = 1500
    connections: int = 100
    keep_alive: float = 4
    retry_after: float = 300

    def at(self, time_scale: float) -> "Limits":
        """Return limits that are `time_scale` times shorter for whole calls and for Retry-After."""
        return replace(
            self,
            read_total=self.read_total / time_scale,
            write_total=self.write_total / time_scale,
            download_total=self.download_total / time_scale,
            retry_after=self.retry_after / time_scale,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """The file of a multipart request; sent after its fields, as the part `field`."""

    field: str = "file"
    name: str
    content: bytes = dataclasses.field(repr=False)
    media_type: str


@dataclass(slots=True, kw_only=True)  # not frozen: its setters took an eighth of what our layers cost
class Call:
    """One request to the provider.

    Args:
        operation: The client's method; names the call in logs, metrics and errors.
        method: The HTTP method; anything but GET is a write.
        path: The path with `{placeholders}`, so that it can be logged.
        ids: What fills the placeholders.
        query: Query parameters.
        body: The JSON body; None for none.
        form: The fields of a multipart body.
        file: The file of a multipart body.
        idempotency_key: Names a write, the same on every attempt.
        needs_role: Responds 403 to valid keys that lack a role, so a 403 does not block the queue.
        probes: Asks whether the provider is well, so it passes the circuit by.
        counts: Whether its failure counts for the circuit. One that is made every minute must not: if its
            endpoint alone fails, it would open the circuit for all others.
        private: Texts of the request that the provider's error messages may quote and logs may not.
    """

    operation: str
    method: str = "GET"
    path: str
    ids: Mapping[str, str] = dataclasses.field(default_factory=dict)
    query: Mapping[str, str | int] = dataclasses.field(default_factory=dict)
    body: Any = dataclasses.field(default=None, repr=False)
    form: Mapping[str, str] | None = dataclasses.field(default=None, repr=False)
    file: FilePart | None = dataclasses.field(default=None, repr=False)
    idempotency_key: str | None = None
    needs_role: bool = False
    probes: bool = False
    counts: bool = True
    private: tuple[str, ...] = dataclasses.field(default=(), repr=False)

    @property
    def writes(self) -> bool:
        """Whether it may change something at the provider."""
        return self.method != "GET"

    @property
    def target(self) -> str:
        """The path with its ids filled in, and the query."""
        path = self.path.format(**{name: quote(value, safe="") for name, value in self.ids.items()})
        return f"{path}?{urlencode(self.query)}" if self.query else path
