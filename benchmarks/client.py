"""Measure the cost of a provider call: Countersign's client, its transport, httpx and the official SDK.

    python -m benchmarks.client [--calls 200] [--rounds 5]

A server in another process returns a status over loopback, plain and over TLS. The CPU time is of this
process only, so it excludes the server. The clients take turns; ratios are within a round, the table shows
medians of rounds. `transport` is the transport of Countersign's client with requests as httpx builds them,
without the client's layers: credentials, ids, circuit, total time limit, log line, metrics, parsing into
types. `floor` is the same with requests and responses as Countersign's client builds and reads them, so
that the difference to `ours` is the cost of the layers. A call runs in its own activity, and an agreement
has six calls as in benchmarks/throttle.py, so the log line is a worker's: redacted JSON with the
agreement's ids. The log is discarded.
"""

import argparse
import asyncio
import json
import os
import secrets
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import httpx
import trustme
from temporalio.activity import Info
from temporalio.testing import ActivityEnvironment
from turbodocx_sdk import TurboSign

from countersign.observability import logging
from countersign.providers.calls import Call as ProviderCall
from countersign.providers.calls import Limits
from countersign.providers.circuit import Circuit, CircuitRules
from countersign.providers.transport import Transport
from countersign.providers.transport.connections import api_transport
from countersign.providers.transport.transport import RequestBuilder, read_body
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.providers.turbodocx.error_bodies import explain

Call = Callable[[], Awaitable[object]]

DOCUMENT_ID: Final = "3f0e9c1a-0000-4000-8000-00000000d0c1"
STATUS: Final = ProviderCall(
    operation="document_status", path="/turbosign/documents/{id}/status", ids={"id": DOCUMENT_ID}
)
PATH: Final = STATUS.target
HEADERS: Final = {
    "Authorization": "Bearer TDX-test-benchmark",
    "x-rapiddocx-org-id": "0f9d3c5e-5a4b-4c1d-8e2f-000000000001",
}
_BODY: Final = json.dumps({"data": {"status": "under_review", "expiresAt": None}}).encode()
_ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY
)
_COMMON: Final = {"User-Agent": "countersign", "Accept": "application/json", "Accept-Encoding": "gzip"}
"""What every client sends, so that the bare transport makes the same request."""
CALLS_OF_ONE: Final = 6
_TIMEOUT: Final = httpx.Timeout(5).as_dict()


class Cost(NamedTuple):
    """A measurement: calls per second, and CPU milliseconds per call."""

    per_second: float
    cpu_ms: float


class Key:
    """Credentials that never change."""

    async def headers(self) -> Mapping[str, str]:
        """Return the headers of every call."""
        return HEADERS

    async def renew(self, _: Mapping[str, str]) -> bool:
        """Do nothing: the credentials never change."""
        return False


async def serve(certificate: str | None) -> None:
    """Return the same response to all requests; print the port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(_ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def server(certificate: str | None) -> Iterator[str]:
    """Run the server in another process; yields its base URL."""
    command = [sys.executable, "-m", "benchmarks.client", "--serve", *([certificate] if certificate else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"{'https' if certificate else 'http'}://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


@asynccontextmanager
async def clients(base_url: str) -> AsyncIterator[dict[str, Call]]:
    """Open the clients; yields the same call for all of them."""
    TurboSign.configure(
        api_key="TDX-test-benchmark",
        org_id="0f9d3c5e-5a4b-4c1d-8e2f-000000000001",
        base_url=base_url,
        sender_email="a@example.com",
    )
    tls = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    transport = Transport(
        base_url,
        provider="turbodocx",
        credentials=Key(),
        explain=explain,
        gate=Circuit(CircuitRules()),
        tls=tls,
    )
    async with (
        TurboDocxClient(transport) as client,
        httpx.AsyncClient(base_url=base_url) as bare,
        api_transport(Limits(), tls, proxy=None) as beneath,
        api_transport(Limits(), tls, proxy=None) as floor,
    ):
        requests = RequestBuilder(base_url, Limits(), proxied=False)
        yield {
            "sdk": lambda: TurboSign.get_status(DOCUMENT_ID),
            "httpx": lambda: _bare(bare),
            "transport": lambda: _beneath(beneath, base_url + PATH),
            "floor": lambda: _floor(floor, requests),
            "ours": lambda: client.document_status(DOCUMENT_ID),
        }


async def _bare(client: httpx.AsyncClient) -> object:
    return (await client.get(PATH, headers=HEADERS)).json()


async def _beneath(transport: httpx.AsyncBaseTransport, url: str) -> object:
    request = httpx.Request("GET", url, headers=HEADERS | _COMMON, extensions={"timeout": _TIMEOUT})
    response = await transport.handle_async_request(request)
    try:
        return json.loads(await response.aread())
    finally:
        await response.aclose()


async def _floor(transport: httpx.AsyncBaseTransport, requests: RequestBuilder) -> object:
    async with aclosing(await transport.handle_async_request(requests.call(STATUS, "an-id", HEADERS))) as got:
        return json.loads(await read_body(got))


def activities(count: int) -> list[Info]:
    """Yield activities of new agreements."""
    any_one, made = ActivityEnvironment.default_info(), list[Info]()
    while len(made) < count:
        workflow_id, run_id = f"agreement-so-{secrets.token_hex(6)}", str(uuid.uuid4())
        first = replace(any_one, workflow_id=workflow_id, workflow_run_id=run_id)
        made += [replace(first, activity_id=str(number)) for number in range(CALLS_OF_ONE)]
    return made[:count]


async def measure(call: Call, *, calls: int, at_once: int) -> Cost:
    """Make `calls` calls, `at_once` in parallel."""
    environment, left = ActivityEnvironment(), iter(activities(calls))

    async def work() -> None:
        for environment.info in left:
            await call()

    async def work_at_once() -> None:
        await asyncio.gather(*(work() for _ in range(at_once)))

    started, cpu = time.perf_counter(), time.process_time()
    await environment.run(work_at_once)
    return Cost(calls / (time.perf_counter() - started), (time.process_time() - cpu) * 1000 / calls)


async def compare(base_url: str, *, calls: int, rounds: int) -> None:
    """Measure all clients in turn, `rounds` times, with 1 and with 16 parallel calls; print medians."""
    async with clients(base_url) as by_name:
        for at_once in (1, 16):
            costs: dict[str, list[Cost]] = {name: [] for name in by_name}
            for call in by_name.values():
                await measure(call, calls=calls // 4, at_once=at_once)  # connections, caches
            for _ in range(rounds):
                for name, call in by_name.items():
                    costs[name].append(await measure(call, calls=calls, at_once=at_once))
            _print(base_url.partition(":")[0], at_once, costs)


def _print(scheme: str, at_once: int, costs: dict[str, list[Cost]]) -> None:
    def ratio(name: str, base: str, field: str) -> float:
        pairs = zip(costs[name], costs[base], strict=True)
        return statistics.median(float(a._asdict()[field] / b._asdict()[field]) for a, b in pairs)

    for name, all_costs in costs.items():
        speed = statistics.median(cost.per_second for cost in all_costs)
        cpu = statistics.median(cost.cpu_ms for cost in all_costs)
        print(
            f"| {scheme:5} | {at_once:2} | {name:9} | {speed:7.0f} | {cpu:5.2f} "
            f"| {ratio(name, 'sdk', 'per_second'):5.2f} | {ratio(name, 'httpx', 'cpu_ms'):5.2f} "
            f"| {ratio(name, 'transport', 'cpu_ms'):5.2f} | {ratio(name, 'floor', 'cpu_ms'):5.2f} |"
        )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, default=200, help="calls per measurement (default 200)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements per client (default 5)")
    parser.add_argument("--serve", nargs="?", const="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        asyncio.run(serve(options.serve or None))
        return
    logging.configure(style="json", service="worker", stream=Path(os.devnull).open("w"))  # noqa: SIM115  # open until the exit
    with tempfile.TemporaryDirectory() as folder:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(f"{folder}/ca.pem")
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(f"{folder}/server.pem")
        os.environ["SSL_CERT_FILE"] = f"{folder}/ca.pem"
        print(
            "| | at once | client | calls/s | CPU ms/call "
            "| speed to SDK | CPU to httpx | CPU to transport | CPU to floor |"
        )
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        for certificate in (None, f"{folder}/server.pem"):
            with server(certificate) as base_url:
                asyncio.run(compare(base_url, calls=options.calls, rounds=options.rounds))


if __name__ == "__main__":
    main()
