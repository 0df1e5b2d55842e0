"""The webhook receiver: settings → adapters → server, and a graceful stop.

python receiver.py --host 127.0.0.1 --port 8080
"""

if __name__ == "__main__":
    from countersign.installation import require_installed

    require_installed("receiver")

import argparse
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack

from countersign import entry
from countersign.configuration import SettingsError, load
from countersign.connection import ConnectionFailedError, connect
from countersign.listening import CannotListenError
from countersign.observability import logging, tracing
from countersign.observability.monitor import Monitor, serving
from countersign.observability.readiness import Readiness
from countersign.observability.sdk import SdkMetrics
from countersign.settings import CountersignSettings, ReceiverSettings
from countersign.webhooks.outage import report_outages
from countersign.webhooks.wiring import build_server


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    options = _parser().parse_args(arguments)
    logging.configure(service="webhooks")
    try:
        return entry.run(serve(options.host, options.port))
    except (CannotListenError, ConnectionFailedError, SettingsError) as error:
        print(f"webhooks: {error}", file=sys.stderr)  # noqa: T201 (the answer to whoever started it)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python receiver.py",
        description="Receive providers' webhooks and signal the agreements that they are about.",
        epilog="Settings: TURBODOCX_WEBHOOK_SECRET, COUNTERSIGN_WEBHOOKS_..., TEMPORAL_...",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=8080, help="port; 0 picks a free one (default: %(default)s)"
    )
    return parser


async def serve(host: str, port: int) -> int:
    """Serve until a signal, then finish what is in flight; return the exit code.

    Raises:
        SettingsError: A setting is missing or cannot work.
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
    async with AsyncExitStack() as open_things:
        if sdk is not None and settings.metrics_port is not None:
            monitor = Monitor("webhooks", sdk, readiness)
            await open_things.enter_async_context(
                serving(monitor.app(), general.metrics_host, settings.metrics_port)
            )
        await open_things.enter_async_context(report_outages(client, readiness))
        await server.serve()
    return 0


def _announce(url: str) -> None:
    print(f"webhooks: listening on {url}", flush=True)  # noqa: T201 (the one line on stdout)


if __name__ == "__main__":
    entry.leave(main())
