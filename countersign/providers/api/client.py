"""An API of your own behind a circuit that is probed, with slots and a rate."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from countersign.configuration import load
from countersign.providers.api.error_bodies import explain as explain_body
from countersign.providers.api.settings import ApiSettings, bearer
from countersign.providers.api_parts import circuit_of, transport_of
from countersign.providers.calls import Call
from countersign.providers.circuit import Circuit
from countersign.providers.outcomes import Refusal
from countersign.providers.probe import probing
from countersign.providers.slots import CircuitSlots
from countersign.providers.transport import Transport
from countersign.secrets.rotation import Rotating
from countersign.settings import CountersignSettings, ProviderSettings

T = TypeVar("T")
SettingsT = TypeVar("SettingsT", bound=ApiSettings)


@dataclass(frozen=True, slots=True)
class ApiClient:
    """An open API. `open_api` makes it.

    Args:
        name: Its name in logs and metrics.
        circuit: Its circuit.
        slots: The slots of the worker that calls it, by the circuit.
        calls_per_second: The limit for all workers together; None for no limit.
        transport: Its connections.
    """

    name: str
    circuit: Circuit
    slots: CircuitSlots
    calls_per_second: float | None
    transport: Transport = field(repr=False)

    async def request(self, call: Call, parse: Callable[[Any], T]) -> T:
        """Make a call, once; Temporal retries the activity.

        Args:
            call: What to ask. A write that is retried needs an `idempotency_key`, the same on every attempt.
            parse: Reads the JSON of a 2xx response (None for an empty one); its ValueError, KeyError,
                TypeError or AttributeError means that the response breaks the API's contract.

        Raises:
            ProviderError: Exactly one of its kinds, by the table of `countersign/providers/outcomes.py`.
        """
        return await self.transport.request(call, parse)


@asynccontextmanager
async def open_api(
    kind: type[SettingsT],
    *,
    probe: str,
    headers: Callable[[SettingsT], Mapping[str, str]] = bearer,
    explain: Callable[[Any, Call], Refusal] = explain_body,
) -> AsyncIterator[ApiClient]:
    """Load an API's settings, and open it behind a circuit that is probed while this is open.

    `COUNTERSIGN_PROVIDER_...` holds how it is called: circuit, slots and proxy. A rotated key is read again
    while this is open.

    Args:
        kind: The API's settings. Their prefix names the API: `BILLING_` is `billing`.
        probe: The path of a harmless GET with a JSON response, which shows whether the API is well and the
            key good.
        headers: Writes the key; by default as a bearer token.
        explain: Reads an error body; by default `code` and `message`, bare or in `error`, or RFC 9457.

    Raises:
        SettingsError: Settings are missing or invalid.
    """
    name = kind.account()
    own, options, settings = load(CountersignSettings, ProviderSettings, kind)
    circuit = circuit_of(options, slots=own.provider_slots)
    transport = transport_of(
        name, Rotating(settings), options, headers=headers, explain=explain, gate=circuit
    )
    call = Call(operation="probe", path=probe, probes=True)
    async with transport, probing(circuit, name, lambda: transport.request(call, lambda _: None)):
        rate = settings.calls_per_second or options.calls_per_second
        yield ApiClient(name, circuit, CircuitSlots(circuit), rate, transport)
