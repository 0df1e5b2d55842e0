"""The webhook receiver: verify the providers' webhooks and signal the agreements that they concern.

python receiver.py --host 127.0.0.1 --port 8080
"""

if __name__ == "__main__":
    from countersign.installation import require_installed

    require_installed("receiver")

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

from temporalio.client import Client

from countersign import entry
from countersign.configuration import SettingsError, load
from countersign.connection import ConnectionFailedError, connect
from countersign.http_server.limits import Rejection
from countersign.http_server.listening import CannotListenError, Certificate
from countersign.http_server.server import Server
from countersign.observability import logging, tracing
from countersign.observability.monitor import Monitor
from countersign.observability.outage import report_outages
from countersign.observability.readiness import Readiness
from countersign.observability.sdk import SdkMetrics
from countersign.settings import CountersignSettings, ReceiverSettings
from countersign.webhooks import receiver as journal
from countersign.webhooks.callers import Callers
from countersign.webhooks.delivery import Delivery, Documents, Markers, WorkflowFinder
from countersign.webhooks.outcome import DeliveryOutcome
from countersign.webhooks.receiver import Receiver
from countersign.webhooks.routes import open_routes

CONNECTION_LIMIT: Final = 2500
"""Connections that may be open at once; more get a 503. Providers need a few. The limit bounds the memory
that other callers can use."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    options = _parser().parse_args(arguments)
    logging.configure(service="webhooks")
    try:
        return entry.run(serve(options.host, options.port), serves=True)
    except (CannotListenError, ConnectionFailedError, SettingsError) as error:
        print(f"webhooks: {error}", file=sys.stderr)  # noqa: T201  # for the user who started it
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python receiver.py",
        description="Receive providers' webhooks and signal the agreements that they concern.",
        epilog="Settings: <ACCOUNT>_WEBHOOK_SECRET, COUNTERSIGN_WEBHOOKS_..., TEMPORAL_...",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=8080, help="port; 0 selects a free one (default: %(default)s)"
    )
    return parser


async def serve(host: str, port: int) -> int:
    """Serve until a signal, then finish the requests that have started; return the exit code.

    Raises:
        SettingsError: A setting is missing or invalid.
        ConnectionFailedError: Temporal's configuration cannot be read.
        CannotListenError: An address or the certificate cannot be used.
    """
    general, settings = load(CountersignSettings, ReceiverSettings)
    logging.configure(level=general.log_level, service="webhooks")
    sdk = SdkMetrics() if settings.metrics_port is not None else None
    client = await connect(
        interceptors=tracing.interceptors("webhooks"),
        runtime=sdk.runtime if sdk else None,
        lazy=True,
    )
    readiness = Readiness(client)
    server = build_server(general, settings, client, readiness, host=host, port=port, on_start=_announce)
    async with AsyncExitStack() as resources:
        if sdk is not None and settings.metrics_port is not None:
            monitor = Monitor("webhooks", sdk, readiness)
            await resources.enter_async_context(
                monitor.server(general.metrics_host, settings.metrics_port).running()
            )
        await resources.enter_async_context(report_outages(client, readiness, "deliveries"))
        await server.serve()
    return 0


def build_server(
    general: CountersignSettings,
    settings: ReceiverSettings,
    client: Client,
    readiness: Readiness,
    *,
    host: str,
    port: int,
    on_start: Callable[[str], None] = lambda _url: None,
) -> Server:
    """Build the receiver's server.

    Args:
        general: Settings of all processes.
        settings: Settings of the receiver.
        client: The connection to the agreements' namespace.
        readiness: Checks the connection, for `/readyz`.
        host: The address to listen on.
        port: The port; 0 selects a free one.
        on_start: Called with the server's URL once it accepts connections.

    Raises:
        SettingsError: A secret or the providers' file is missing or invalid.
        CannotListenError: The certificate cannot be used.
    """
    routes = open_routes(settings)
    markers = Markers(environment=general.environment, namespace=client.namespace)
    documents = Documents(client) if settings.find_unmarked else None
    receiver = Receiver(
        Delivery(client, WorkflowFinder(markers, documents)),
        journal.Journal(),
        Callers(settings.allowed_callers, settings.trusted_proxies),
    )
    return Server(
        receiver.app(routes, is_ready=readiness),
        host=host,
        port=port,
        connection_limit=CONNECTION_LIMIT,
        certificate=_certificate(settings),
        on_start=on_start,
        on_reject=_count_rejection,
    )


def _certificate(settings: ReceiverSettings) -> Certificate | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return Certificate(settings.tls_certificate, settings.tls_key)


def _count_rejection(rejection: Rejection) -> None:
    journal.count("none", DeliveryOutcome(rejection))


def _announce(url: str) -> None:
    print(f"webhooks: listening on {url}", flush=True)  # noqa: T201  # the only line on stdout


if __name__ == "__main__":
    entry.leave(main())
