"""From settings to a server: what the receiver is made of."""

from collections.abc import Callable
from typing import Final

from temporalio.client import Client

from countersign.observability.readiness import Readiness
from countersign.settings import CountersignSettings, ReceiverSettings
from countersign.webhooks.app import Receiver, create_app
from countersign.webhooks.callers import Callers
from countersign.webhooks.delivery import Delivery
from countersign.webhooks.journal import Journal
from countersign.webhooks.providers import open_endpoints
from countersign.webhooks.routing import Documents, Markers, Routes
from countersign.webhooks.server import Certificate, Server

CONNECTION_LIMIT: Final = 2500
"""Connections at once; more are turned away with 503. Providers need a few; the limit bounds the memory that
strangers can take."""


def build_server(
    own: CountersignSettings,
    settings: ReceiverSettings,
    client: Client,
    readiness: Readiness,
    *,
    host: str,
    port: int,
    on_start: Callable[[str], None],
) -> Server:
    """Put a receiver together.

    Args:
        own: The environment.
        settings: The receiver's own.
        client: The connection to the agreements' namespace.
        readiness: Whether it answers.
        host: The address to listen on.
        port: The port; 0 picks a free one.
        on_start: Called with the receiver's own URL once it answers.

    Raises:
        SettingsError: A secret or the providers' file is missing or cannot work.
        CannotListenError: The certificate cannot be used.
    """
    endpoints = open_endpoints(settings)
    markers = Markers(environment=own.environment, namespace=client.namespace)
    receiver = Receiver(
        Delivery(client, Routes(markers, Documents(client) if settings.find_unmarked else None)),
        Journal(),
        Callers(settings.allowed_callers, settings.trusted_proxies),
    )
    return Server(
        create_app(receiver, endpoints, is_ready=readiness),
        host=host,
        port=port,
        connection_limit=CONNECTION_LIMIT,
        certificate=_certificate(settings),
        on_start=on_start,
    )


def _certificate(settings: ReceiverSettings) -> Certificate | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return Certificate(settings.tls_certificate, settings.tls_key)
