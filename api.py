"""The HTTP API: start, follow and end agreements over HTTP.

python api.py --host 127.0.0.1 --port 8090
"""

if __name__ == "__main__":
    from countersign.installation import require_installed

    require_installed("api")

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

from temporalio.client import Client

from countersign import entry
from countersign.api.access import Gate, RateLimit
from countersign.api.app import create_app
from countersign.api.service import Service
from countersign.api.tokens import Verifier, open_tokens
from countersign.configuration import SettingsError, load
from countersign.connection import ConnectionFailedError, connect
from countersign.http_server.listening import CannotListenError
from countersign.http_server.server import Server
from countersign.observability import logging, tracing
from countersign.observability.monitor import Monitor
from countersign.observability.outage import report_outages
from countersign.observability.readiness import Readiness
from countersign.observability.sdk import SdkMetrics
from countersign.settings import ApiSettings, CountersignSettings
from countersign.storage import UnusableStoreError, open_store
from countersign.storage.store import StoreKeys

CONNECTION_LIMIT: Final = 1000
"""Connections that may be open at once, long polls among them; more get a 503."""
RECEIVE_SECONDS: Final = 60
"""From the first byte of a request to its last byte: a file of 10 MB takes long on a slow line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    options = _parser().parse_args(arguments)
    logging.configure(service="api")
    try:
        return entry.run(serve(options.host, options.port), serves=True)
    except (CannotListenError, ConnectionFailedError, SettingsError, UnusableStoreError) as error:
        print(f"api: {error}", file=sys.stderr)  # noqa: T201  # for the user who started it
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python api.py",
        description="Start, follow and end agreements over HTTP. A proxy in front of it speaks TLS.",
        epilog="Settings: COUNTERSIGN_API_..., COUNTERSIGN_STORE, TEMPORAL_...",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=8090, help="port; 0 selects a free one (default: %(default)s)"
    )
    return parser


async def serve(host: str, port: int) -> int:
    """Serve until a signal, then finish the requests that have started; return the exit code.

    Raises:
        SettingsError: A setting is missing or invalid.
        ConnectionFailedError: Temporal's configuration cannot be read.
        UnusableStoreError: The store cannot be opened.
        CannotListenError: An address cannot be used.
    """
    general, settings = load(CountersignSettings, ApiSettings)
    logging.configure(level=general.log_level, service="api")
    sdk = SdkMetrics() if settings.metrics_port is not None else None
    client = await connect(
        interceptors=tracing.interceptors("api"), runtime=sdk.runtime if sdk else None, lazy=True
    )
    readiness = Readiness(client)
    server = build_server(general, settings, client, readiness, host=host, port=port, on_start=_announce)
    async with AsyncExitStack() as resources:
        if sdk is not None and settings.metrics_port is not None:
            monitor = Monitor("api", sdk, readiness)
            await resources.enter_async_context(
                monitor.server(general.metrics_host, settings.metrics_port).running()
            )
        await resources.enter_async_context(report_outages(client, readiness, "requests"))
        await server.serve()
    return 0


def build_server(
    general: CountersignSettings,
    settings: ApiSettings,
    client: Client,
    readiness: Readiness,
    *,
    host: str,
    port: int,
    on_start: Callable[[str], None] = lambda _url: None,
) -> Server:
    """Build the API's server.

    Args:
        general: Settings of all processes.
        settings: Settings of the API.
        client: The connection to the agreements' namespace.
        readiness: Checks the connection, for `/readyz`.
        host: The address to listen on.
        port: The port; 0 selects a free one.
        on_start: Called with the server's URL once it accepts connections.

    Raises:
        SettingsError: The tokens cannot be read.
        UnusableStoreError: The store cannot be opened.
    """
    store = open_store(general.store)
    tokens = open_tokens(settings.tokens, store, general.environment)
    closing = asyncio.Event()
    service = Service(
        client=client,
        gate=Gate(Verifier(tokens), RateLimit(settings.requests_per_second)),
        store=store,
        keys=StoreKeys(general.environment, client.namespace),
        task_queue=general.task_queue,
        default_account=general.accounts[0][0],
        closing=closing,
    )
    return Server(
        create_app(service, is_ready=readiness, allowed_origins=settings.allowed_origins),
        host=host,
        port=port,
        connection_limit=CONNECTION_LIMIT,
        receive_seconds=RECEIVE_SECONDS,
        on_start=on_start,
        on_stop=closing.set,
    )


def _announce(url: str) -> None:
    print(f"api: listening on {url}", flush=True)  # noqa: T201  # the only line on stdout


if __name__ == "__main__":
    entry.leave(main())
