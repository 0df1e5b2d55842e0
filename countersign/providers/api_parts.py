"""Build what every API is called through, from its settings: a transport, and a circuit."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from countersign.providers.calls import Call, Limits
from countersign.providers.circuit import Circuit, CircuitRules
from countersign.providers.keys import RotatingKey
from countersign.providers.outcomes import Refusal
from countersign.providers.transport import Gate, Transport
from countersign.secrets.rotation import Rotating
from countersign.settings.account import AccountSettings
from countersign.settings.provider import ProviderSettings

SettingsT = TypeVar("SettingsT", bound=AccountSettings)


def circuit_of(options: ProviderSettings, *, slots: int, rules: CircuitRules | None = None) -> Circuit:
    """Build an API's circuit.

    Args:
        options: How many failures open it, and the time scale.
        slots: Concurrent calls while it is closed.
        rules: Its other numbers; those of the options if not given.
    """
    rules = rules or CircuitRules(failures=options.circuit_failures).at(options.time_scale)
    return Circuit(replace(rules, slots=slots))


def transport_of(
    name: str,
    settings: Rotating[SettingsT],
    options: ProviderSettings,
    *,
    headers: Callable[[SettingsT], Mapping[str, str]],
    explain: Callable[[Any, Call], Refusal],
    path: str = "",
    gate: Gate | None = None,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
    throttling_names_a_wait: bool = False,
) -> Transport:
    """Build an API's transport; nothing is sent yet.

    Args:
        name: The API's name, for logs and metrics.
        settings: Its key and base URL.
        options: Proxy and time scale.
        headers: Writes the key as the API expects it.
        explain: Reads an error body.
        path: What follows the base URL in every path.
        gate: The circuit that its calls pass; none if not given.
        limits: Time limits; by default those of the options' time scale.
        tls: TLS settings other than the default.
        throttling_names_a_wait: See `Transport`.
    """
    current = settings.current
    return Transport(
        current.base_url + path,
        provider=name,
        credentials=RotatingKey(settings, headers),
        explain=explain,
        gate=gate,
        limits=limits or Limits().at(options.time_scale),
        trust_env=options.trust_env,
        tls=tls,
        log_bodies=current.log_bodies == "redacted",
        throttling_names_a_wait=throttling_names_a_wait,
    )
