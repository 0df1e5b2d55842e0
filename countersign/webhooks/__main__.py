"""Run the door: `python -m countersign.webhooks --host 127.0.0.1 --port 8080`."""

import argparse
import logging
import sys
from collections.abc import Sequence
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError

from countersign import entry
from countersign.configuration import SettingsError, load
from countersign.connection import ConnectionFailedError, connect
from countersign.providers.turbodocx.webhook import TurboDocxDialect
from countersign.settings import CountersignSettings, WebhookSettings
from countersign.webhooks.app import Door, create_app
from countersign.webhooks.delivery import Delivery
from countersign.webhooks.endpoint import open_endpoint
from countersign.webhooks.journal import Journal
from countersign.webhooks.server import CannotListenError, Server


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    try:
        return entry.run(serve(options.host, options.port))
    except (CannotListenError, ConnectionFailedError, SettingsError) as error:
        print(f"webhooks: {error}", file=sys.stderr)  # noqa: T201 (the answer to whoever started it)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m countersign.webhooks",
        description="Receive providers' webhooks and signal the agreements they are about.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port; 0 picks a free one (default: 8080)")
    return parser


async def serve(host: str, port: int) -> int:
    """Serve until a signal, then finish what is in flight; return the exit code.

    Raises:
        SettingsError: A setting is missing or cannot work.
        ConnectionFailedError: Temporal's configuration cannot be read.
        CannotListenError: The address cannot be used.
    """
    (ours,) = load(CountersignSettings)
    endpoint = open_endpoint(TurboDocxDialect(), WebhookSettings, ttl_seconds=ours.secrets_ttl_seconds)
    client = await connect(lazy=True)
    door = Door(Delivery(client, environment=ours.environment), Journal())
    app = create_app(door, [endpoint], is_ready=lambda: _is_ready(client))
    await Server(app, host=host, port=port, on_start=_announce).serve()
    return 0


async def _is_ready(client: Client) -> bool:
    try:
        return await client.service_client.check_health(timeout=timedelta(seconds=2))
    except (RPCError, RuntimeError):
        return False


def _announce(url: str) -> None:
    print(f"webhooks: listening on {url}", flush=True)  # noqa: T201 (the one line on stdout)


if __name__ == "__main__":
    entry.leave(main())
