"""Measure the sandbox on one core, against a server without work, and its memory for 1,000 agreements.

    python -m benchmarks.sandbox [--agreements 1000]

It runs agreements (generate, send, two status calls, all sign, recipients, audit trail, download link,
download: 9 requests and 4 webhooks) against a new sandbox on one core, and receives the webhooks. Then it
sends as many requests to the idle server of benchmarks/webhooks.py, which returns 200 without work. It fails
if a delivery is lost or the memory is over its limit; rates depend on the machine, so it asserts none.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from benchmarks.measurement import cpu_seconds, show_table
from countersign.free_ports import free_port

ADMIN = {"authorization": "Bearer TDX-test-administrator"}
ORG = {"x-rapiddocx-org-id": "0f9d3c5e-5a4b-4c1d-8e2f-000000000001"}
TEMPLATE = "7e3a1c00-0000-4000-8000-000000000002"
EVENTS = ("sent", "viewed", "recipient_signed", "completed")
PEOPLE = json.dumps([{"name": "Ada", "email": "ada@example.com", "signingOrder": 1}])
FIELDS = json.dumps(
    [
        {
            "type": kind,
            "recipientEmail": "ada@example.com",
            "template": {"anchor": anchor, "placement": "replace", "size": {"width": 100, "height": 24}},
        }
        for kind, anchor in (("signature", "{signature1}"), ("date", "{date1}"))
    ]
)
AT_ONCE = 16
MEGABYTES = 300


class Connection:
    """A keep-alive connection with minimal cost, so that the sandbox dominates the measurement."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.requests = 0

    async def call(
        self, method: str, target: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> bytes:
        """Make a request that must succeed, and return the body of the response."""
        if self._streams is None or self._streams[0].at_eof():
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        content = b"" if body is None else json.dumps(body).encode()
        lines = {
            "host": "localhost",
            "content-length": str(len(content)),
            **(ADMIN | ORG if headers is None else headers),
        }
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
        writer.write(head.encode() + b"\r\n" + content)
        answer = await reader.readuntil(b"\r\n\r\n")
        result = await reader.readexactly(content_length(answer))
        assert answer.startswith(b"HTTP/1.1 200"), (target, answer[:20], result[:200])
        self.requests += 1
        return result

    async def json(self, method: str, target: str, body: Any = None) -> Any:
        """Make a request and parse its response as JSON."""
        return json.loads(await self.call(method, target, body))

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()


async def agreement(connection: Connection, number: int) -> None:
    """Run one agreement, from the document to the download."""
    variables = [{"placeholder": "{CustomerName}", "text": f"Customer {number}", "mimeType": "text"}]
    body = {"name": f"Contract {number}", "templateId": TEMPLATE, "variables": variables}
    made = await connection.json("POST", "/v1/deliverable", body)
    send = {
        "deliverableId": made["data"]["results"]["deliverable"]["id"],
        "documentName": f"Contract [{number}]",
        "senderEmail": "me@example.com",
        "recipients": PEOPLE,
        "fields": FIELDS,
    }
    document = (await connection.json("POST", "/turbosign/single/prepare-for-signing", send))["documentId"]
    base = f"/turbosign/documents/{document}"
    await connection.json("GET", f"{base}/status")
    await connection.json("POST", f"/_sandbox/documents/{document}/complete")
    assert (await connection.json("GET", f"{base}/status"))["data"]["status"] == "completed"
    await connection.json("GET", f"{base}/recipients")
    await connection.json("GET", f"{base}/audit-trail")
    link = urlsplit((await connection.json("GET", f"{base}/download"))["downloadUrl"])
    content = await connection.call("GET", f"{link.path}?{link.query}", headers={})
    assert content.startswith(b"%PDF")


class Receiver:
    """Counts deliveries, and waits for all of them."""

    def __init__(self, expected: int) -> None:
        self.seen: Counter[str] = Counter()
        self.all_there = asyncio.Event()
        self._expected = expected

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read deliveries from one connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                event = json.loads(await reader.readexactly(content_length(head)))
                self.seen[f"{event['data']['document_id']} {event['event']}"] += 1
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                if len(self.seen) >= self._expected:
                    self.all_there.set()
        writer.close()


@dataclass(frozen=True)
class Result:
    """The measurements.

    Args:
        agreements: Number of agreements.
        requests: Number of requests with a response.
        lost: Number of lost deliveries.
        doubled: Number of repeated deliveries.
        answered: Seconds until the last response.
        delivered: Seconds until the last delivery.
        cpu: CPU seconds of the sandbox.
        megabytes: Peak memory of the sandbox.
    """

    agreements: int
    requests: int
    lost: int
    doubled: int
    answered: float
    delivered: float
    cpu: float
    megabytes: float


def run(count: int) -> Result:
    """Start a sandbox on one core and run agreements."""
    core = max(os.sched_getaffinity(0))
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sandbox", "--port", "0", "--data-dir", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            os.sched_setaffinity(process.pid, {core})
            assert process.stdout is not None
            address = urlsplit(process.stdout.readline().split()[1])
            try:
                return asyncio.run(measure(count, address.hostname or "", address.port or 0, process.pid))
            finally:
                process.terminate()


async def measure(count: int, host: str, port: int, pid: int) -> Result:
    """Run agreements until all webhooks have arrived, or none arrives for a minute."""
    receiver = Receiver(count * len(EVENTS))
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    connections = [Connection(host, port) for _ in range(AT_ONCE)]
    names = [f"signature.document.{event}" for event in EVENTS]
    await connections[0].json("POST", "/api/webhooks", {"name": "signature", "urls": [url], "events": names})
    numbers = iter(range(count))

    async def work(connection: Connection) -> None:
        for number in numbers:
            await agreement(connection, number)

    cpu, started = cpu_seconds(pid), time.perf_counter()
    await asyncio.gather(*(work(one) for one in connections))
    answered = time.perf_counter() - started
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(receiver.all_there.wait(), 60)
    delivered = time.perf_counter() - started
    for one_connection in connections:
        one_connection.close()
    server.close()
    return Result(
        agreements=count,
        requests=sum(one_connection.requests for one_connection in connections),
        lost=count * len(EVENTS) - len(receiver.seen),
        doubled=sum(times > 1 for times in receiver.seen.values()),
        answered=answered,
        delivered=delivered,
        cpu=cpu_seconds(pid) - cpu,
        megabytes=peak_megabytes(pid),
    )


def idle_cpu_ms(requests: int) -> float:
    """Return the CPU milliseconds per request of a server that returns 200 without work."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.webhooks", "--serve", str(port)]
    with subprocess.Popen(command) as process:
        try:
            return asyncio.run(_idle_cpu_ms(port, process.pid, requests))
        finally:
            process.terminate()


async def _idle_cpu_ms(port: int, pid: int, requests: int) -> float:
    connections = [Connection("127.0.0.1", port) for _ in range(AT_ONCE)]
    while True:  # until it listens
        with contextlib.suppress(ConnectionError):
            await connections[0].call("GET", "/")
            break
        await asyncio.sleep(0.1)
    numbers = iter(range(requests))

    async def work(connection: Connection) -> None:
        for _ in numbers:
            await connection.call("POST", "/", {"id": "4b8ee0d3-77f4-4d2c-9a34-0d7c4c2a3c1e"})

    before = cpu_seconds(pid)
    await asyncio.gather(*(work(one) for one in connections))
    spent = cpu_seconds(pid) - before
    for one in connections:
        one.close()
    return 1000 * spent / requests


def content_length(head: bytes) -> int:
    """Return the content length in the head of a message."""
    line = next(part for part in head.lower().split(b"\r\n") if part.startswith(b"content-length:"))
    return int(line.partition(b":")[2])


def peak_megabytes(pid: int) -> float:
    """Return the peak memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main() -> None:
    """Measure, print, and check the targets."""
    options = argparse.ArgumentParser(description="Measure the sandbox.")
    options.add_argument("--agreements", type=int, default=1000)
    result = run(options.parse_args().agreements)
    idle = idle_cpu_ms(result.requests)
    per_request = 1000 * result.cpu / result.requests
    rows = [
        ("agreements", result.agreements),
        ("requests", result.requests),
        ("webhooks lost, repeated", f"{result.lost}, {result.doubled}"),
        ("CPU ms per agreement", f"{1000 * result.cpu / result.agreements:.1f}"),
        ("CPU ms per request, webhooks included", f"{per_request:.2f}"),
        ("the same to a request to an idle server", f"{per_request / idle:.1f}"),
        ("requests per CPU second", f"{result.requests / result.cpu:.0f}"),
        ("last webhook after the last response, s", f"{result.delivered - result.answered:.1f}"),
        ("memory at most, MB", f"{result.megabytes:.0f}"),
    ]
    show_table(("sandbox, on one core", ""), rows)
    assert result.lost == 0, "deliveries were lost"
    assert result.megabytes < MEGABYTES, f"more than {MEGABYTES} MB"


if __name__ == "__main__":
    main()
