"""Open a `TurboDocxClient` from settings whose key may be rotated in use."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from countersign.providers.calls import Limits
from countersign.providers.circuit import Circuit, CircuitRules
from countersign.providers.download import DownloadRules
from countersign.providers.probe import probing
from countersign.providers.slots import CircuitSlots
from countersign.providers.transport import Gate, Transport
from countersign.providers.turbodocx.client import PROVIDER, TurboDocxClient
from countersign.providers.turbodocx.refusals import explain
from countersign.secrets.rotation import Rotating
from countersign.settings import ProviderSettings, TurboDocxSettings


class RotatingKey:
    """The API key and organization of every call; read again after a 401 response.

    Args:
        settings: Holds the current key.
    """

    def __init__(self, settings: Rotating[TurboDocxSettings]) -> None:
        self._settings = settings

    async def headers(self) -> Mapping[str, str]:
        """Return the current key's headers."""
        return _headers(await self._settings.get())

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Read the key again unless it was replaced; return whether another one is in use now."""
        current = self._settings.current
        return _headers(current) != refused or await self._settings.renew(current)


@dataclass(frozen=True, slots=True)
class Provider:
    """What a worker needs: the client, its circuit with slots, calls per second for all workers together."""

    client: TurboDocxClient
    circuit: Circuit
    slots: CircuitSlots
    calls_per_second: float | None


@asynccontextmanager
async def open_provider(
    settings: Rotating[TurboDocxSettings],
    options: ProviderSettings,
    *,
    slots: int,
    rules: CircuitRules | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[Provider]:
    """Open a client behind a circuit that is probed while this is open.

    Args:
        settings: Key, organisation and base URL.
        options: Rate, hosts, circuit and proxy.
        slots: Concurrent calls of the worker.
        rules: The circuit's numbers; those of the options if not given.
        limits: Time limits; by default those of the options' time scale.
    """
    rules = rules or CircuitRules(failures=options.circuit_failures).at(options.time_scale)
    circuit = Circuit(replace(rules, slots=slots))
    async with (
        connect(settings, options, gate=circuit, limits=limits) as client,
        probing(circuit, PROVIDER, client.probe),
    ):
        yield Provider(client, circuit, CircuitSlots(circuit), options.calls_per_second)


def connect(
    settings: Rotating[TurboDocxSettings],
    options: ProviderSettings | None = None,
    *,
    gate: Gate | None = None,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
) -> TurboDocxClient:
    """Open a client; nothing is sent yet. Close it, or use it as an async context manager.

    Args:
        settings: Key, organisation and base URL.
        options: Hosts, proxy and time scale; by default the defaults.
        gate: The circuit that its calls pass; none if not given.
        limits: Time limits; by default those of the options' time scale.
        tls: TLS settings other than the default.
    """
    options = options or ProviderSettings()
    limits = limits or Limits().at(options.time_scale)
    transport = Transport(
        settings.current.base_url,
        provider=PROVIDER,
        credentials=RotatingKey(settings),
        explain=explain,
        gate=gate,
        limits=limits,
        trust_env=options.trust_env,
        tls=tls,
        log_bodies=settings.current.log_bodies == "redacted",
    )
    hosts = tuple(options.download_hosts.lower().split(","))
    downloads = DownloadRules(hosts=hosts, seconds=limits.download_total)
    return TurboDocxClient(transport, downloads=downloads)


def _headers(settings: TurboDocxSettings) -> Mapping[str, str]:
    return {
        "Authorization": f"Bearer {settings.api_key.get_secret_value()}",
        "x-rapiddocx-org-id": settings.org_id,
    }
