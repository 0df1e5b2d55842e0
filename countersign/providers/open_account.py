"""Open an account as a worker needs it: behind a circuit that is probed, with slots and a rate."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from countersign.providers.api_parts import circuit_of
from countersign.providers.calls import Limits
from countersign.providers.circuit import Circuit, CircuitRules
from countersign.providers.port import SignatureProvider
from countersign.providers.probe import probing
from countersign.providers.registry import Account
from countersign.providers.slots import CircuitSlots
from countersign.secrets.rotation import Rotating
from countersign.settings.account import AccountSettings
from countersign.settings.provider import ProviderSettings

SettingsT = TypeVar("SettingsT", bound=AccountSettings)


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """What a worker needs of an account.

    Args:
        name: The account's name.
        provider: The provider.
        circuit: Its circuit.
        slots: The worker's slots, by the circuit.
        calls_per_second: The limit for all workers together; None for no limit.
    """

    name: str
    provider: SignatureProvider
    circuit: Circuit
    slots: CircuitSlots
    calls_per_second: float | None


@asynccontextmanager
async def open_account(
    account: Account,
    settings: Rotating[SettingsT],
    options: ProviderSettings,
    *,
    slots: int,
    rules: CircuitRules | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[OpenAccount]:
    """Open an account behind a circuit that is probed while this is open.

    Args:
        account: The account.
        settings: Its settings, whose key may be replaced.
        options: Rate, hosts, circuit and proxy.
        slots: Concurrent calls of the worker.
        rules: The circuit's numbers; those of the options if not given.
        limits: Time limits; by default those of the options' time scale.
    """
    circuit = circuit_of(options, slots=slots, rules=rules)
    provider = account.plugin.connect(account.name, settings, options, gate=circuit, limits=limits)
    rate = settings.current.calls_per_second or options.calls_per_second
    try:
        async with probing(circuit, account.name, provider.probe):
            yield OpenAccount(account.name, provider, circuit, CircuitSlots(circuit), rate)
    finally:
        await provider.close()
