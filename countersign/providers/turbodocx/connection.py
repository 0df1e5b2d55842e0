"""How to get a `TurboDocxClient`: from settings whose key may be rotated while it is used."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

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
    """The API key and organisation of every call; read again when the provider answers 401.

    Args:
        settings: Holds the current key.
    """

    def __init__(self, settings: Rotating[TurboDocxSettings]) -> None:
        self._settings = settings

    async def headers(self) -> Mapping[str, str]:
        """Return the current key's headers."""
        return _headers(await self._settings.get())

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Have the key read again, unless it was already replaced; True if there is another now."""
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
    settings: Rotating[TurboDocxSettings], options: ProviderSettings, *, slots: int
) -> AsyncIterator[Provider]:
    """Open a client behind a circuit that is probed while this is open.

    Args:
        settings: Key, organisation and base URL.
        options: Time limits, rate and circuit.
        slots: How many calls the worker makes at once.
    """
    circuit = Circuit(
        CircuitRules(
            failures=options.circuit_failures,
            cooldown=options.circuit_cooldown_seconds,
            held_probe=options.held_probe_seconds,
            slots=slots,
        )
    )
    async with (
        connect(settings, options, gate=circuit) as client,
        probing(circuit, PROVIDER, client.probe),
    ):
        yield Provider(client, circuit, CircuitSlots(circuit), options.calls_per_second)


def connect(
    settings: Rotating[TurboDocxSettings],
    options: ProviderSettings | None = None,
    *,
    gate: Gate | None = None,
    tls: ssl.SSLContext | None = None,
) -> TurboDocxClient:
    """Open a client; nothing is sent yet. Close it, or use it as an async context manager.

    Args:
        settings: Key, organisation and base URL.
        options: Time limits and the like; the defaults if not given.
        gate: The circuit that its calls pass; none if not given.
        tls: TLS settings other than the default.
    """
    options = options or ProviderSettings()
    transport = Transport(
        settings.current.base_url,
        provider=PROVIDER,
        credentials=RotatingKey(settings),
        explain=explain,
        gate=gate,
        limits=Limits(
            connect=options.connect_seconds,
            read_total=options.read_seconds,
            write_total=options.write_seconds,
            retry_after=options.retry_after_limit_seconds,
        ),
        trust_env=options.trust_env,
        tls=tls,
        log_bodies=settings.current.log_bodies == "redacted",
    )
    downloads = DownloadRules(
        hosts=tuple(options.download_hosts.lower().split(",")), seconds=options.download_seconds
    )
    return TurboDocxClient(transport, downloads=downloads)


def _headers(settings: TurboDocxSettings) -> Mapping[str, str]:
    return {
        "Authorization": f"Bearer {settings.api_key.get_secret_value()}",
        "x-rapiddocx-org-id": settings.org_id,
    }
