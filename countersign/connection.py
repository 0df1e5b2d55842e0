"""The connection to Temporal, with the pydantic data converter.

Address, namespace, API key and TLS come from `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`,
`TEMPORAL_TLS_...` or a profile (https://docs.temporal.io/develop/environment-configuration). The environment
has priority over `.env`, and `.env` over the profile.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from temporalio.client import Client, Interceptor
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec
from temporalio.envconfig import ClientConfig
from temporalio.runtime import Runtime
from temporalio.service import RPCError

from countersign.configuration import SettingsError, load
from countersign.observability.core_logs import quiet_runtime
from countersign.observability.redaction import protect
from countersign.payloads import PayloadConverter
from countersign.secrets.local import Problems, env_file
from countersign.settings import EncryptionSettings

DEFAULT_ADDRESS: Final = "localhost:7233"
CONNECT_TIMEOUT: Final = timedelta(seconds=10)
_PREFIX: Final = "TEMPORAL_"
_DATA_CONVERTER: Final = DataConverter(payload_converter_class=PayloadConverter)


class ConnectionFailedError(Exception):
    """Temporal is unreachable or refused the connection; the message names the address and what to do."""


def data_converter(codec: PayloadCodec | None = None) -> DataConverter:
    """Build the data converter of clients, workers and replays.

    Args:
        codec: Encrypts payloads, and also messages and stack traces of failures, which the history would
            otherwise hold in plain text.
    """
    if codec is None:
        return _DATA_CONVERTER
    return replace(
        _DATA_CONVERTER,
        payload_codec=codec,
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


def encryption_codec() -> PayloadCodec | None:
    """Build the codec for `COUNTERSIGN_ENCRYPTION_KEYS`; None if the setting is empty.

    Raises:
        SettingsError: The keys are invalid.
    """
    (settings,) = load(EncryptionSettings)
    if settings.keys is None:
        return None
    from countersign.encryption import EncryptionCodec  # noqa: PLC0415  # slow to import, rarely used

    return EncryptionCodec(settings.by_id())


async def connect(
    *,
    environment: Mapping[str, str] | None = None,
    codec: PayloadCodec | None = None,
    interceptors: Sequence[Interceptor] = (),
    runtime: Runtime | None = None,
    lazy: bool = False,
) -> Client:
    """Connect to the configured Temporal server. The connection is limited to 10 s.

    Args:
        environment: Variables to use instead of the process's environment and `.env`.
        codec: Encrypts payloads, see `data_converter`; by default the codec of the settings.
        interceptors: Client interceptors. Workers of this client use those that are worker interceptors too.
        runtime: The SDK's runtime, with its metrics; by default a shared one with quiet logs.
        lazy: Connect at the first call instead of now, so that an unreachable server is no error yet.

    Raises:
        ConnectionFailedError: The configuration cannot be read, or the server does not respond.
        SettingsError: The encryption keys or the address are invalid, or `.env` cannot be read.
    """
    if codec is None and environment is None:
        codec = encryption_codec()
    options = _options(_environment() if environment is None else environment)
    address = options["target_host"]
    try:
        return await Client.connect(
            **options,
            data_converter=data_converter(codec),
            interceptors=interceptors,
            runtime=runtime or quiet_runtime(),
            lazy=lazy,
            connect_timeout=CONNECT_TIMEOUT,
        )
    except (RuntimeError, ValueError, RPCError):
        raise ConnectionFailedError(
            f"Temporal does not respond at {address}{_port_hint(address)}: start it, or set TEMPORAL_ADDRESS "
            "(and TEMPORAL_API_KEY or TEMPORAL_TLS_... if the server needs them)"
        ) from None


def server_name() -> str:
    """Return the address and namespace that `connect` uses, for a message.

    Raises:
        ConnectionFailedError: The configuration cannot be read.
        SettingsError: See `connect`.
    """
    options = _options(_environment())
    return f"{options['target_host']}, namespace {_namespace(options)}"


def namespace() -> str:
    """Return the namespace that `connect` uses.

    Raises:
        ConnectionFailedError: The configuration cannot be read.
        SettingsError: See `connect`.
    """
    return _namespace(_options(_environment()))


def _namespace(options: Mapping[str, Any]) -> str:
    return str(options.get("namespace", "default"))


def _environment() -> dict[str, str]:
    """Return the environment, completed with Temporal's variables from `.env`, without empty ones."""
    problems: Problems = {}
    dotenv = {name: value for name, value in env_file(problems).items() if name.startswith(_PREFIX)}
    if problems:
        raise SettingsError.listing(problems.values())
    environment = {name: value for name, value in os.environ.items() if value or not name.startswith(_PREFIX)}
    return {**{name: value for name, value in dotenv.items() if value}, **environment}


def _options(environment: Mapping[str, str]) -> dict[str, Any]:
    """Read the connection options as Temporal's tools do, and mask the API key in later log lines."""
    options: dict[str, Any] = {"target_host": DEFAULT_ADDRESS}
    if environment.get("TEMPORAL_TLS", "true").lower() not in {"true", "1", "false", "0"}:
        raise SettingsError("TEMPORAL_TLS: must be true or false")  # else all but the last two mean true
    try:
        options.update(ClientConfig.load_client_connect_config(override_env_vars=environment))
    except (RuntimeError, ValueError) as error:
        raise ConnectionFailedError(f"Temporal's configuration cannot be read: {error}") from None
    if "://" in options["target_host"]:
        raise SettingsError(
            "TEMPORAL_ADDRESS: write host:port, without http:// or https:// (TEMPORAL_TLS=true turns TLS on)"
        )
    protect(options.get("api_key") or "")
    return options


def _port_hint(address: str) -> str:
    """Suggest the default port for an address without a port, which is seldom correct."""
    return "" if ":" in address else f" (it has no port: did you mean {address}:7233?)"
