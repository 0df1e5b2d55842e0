"""The one way to Temporal: configured as every Temporal tool is, speaking pydantic.

Address, namespace, API key and TLS come from `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`,
`TEMPORAL_TLS_...` or a profile (https://docs.temporal.io/develop/environment-configuration). The environment
goes before `.env`, and `.env` before the profile.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from temporalio.client import Client, Interceptor
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec
from temporalio.envconfig import ClientConfig
from temporalio.runtime import Runtime
from temporalio.service import RPCError

from countersign.configuration import SettingsError, load
from countersign.observability.core_logs import quiet_runtime
from countersign.observability.redaction import protect
from countersign.secrets.local import Problems, env_file
from countersign.settings import EncryptionSettings

DEFAULT_ADDRESS: Final = "localhost:7233"
CONNECT_TIMEOUT: Final = timedelta(seconds=10)
_PREFIX: Final = "TEMPORAL_"


class ConnectionFailedError(Exception):
    """Temporal could not be reached or did not let us in; the message says where and what to do."""


def data_converter(codec: PayloadCodec | None = None) -> DataConverter:
    """Build the converter that every client, worker and replay uses.

    Args:
        codec: Encrypts payloads; failures' messages and stack traces then go through it too, since they
            would stand in the history in plain text otherwise.
    """
    if codec is None:
        return pydantic_data_converter
    return replace(
        pydantic_data_converter,
        payload_codec=codec,
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


def encryption_codec() -> PayloadCodec | None:
    """Build the codec of `COUNTERSIGN_ENCRYPTION_KEYS`; None if there are no keys.

    Raises:
        SettingsError: The keys cannot work.
    """
    (settings,) = load(EncryptionSettings)
    if settings.keys is None:
        return None
    from countersign.encryption import EncryptionCodec  # noqa: PLC0415 - few encrypt, and all would wait

    return EncryptionCodec(settings.by_id())


async def connect(
    *,
    environment: Mapping[str, str] | None = None,
    codec: PayloadCodec | None = None,
    interceptors: Sequence[Interceptor] = (),
    runtime: Runtime | None = None,
    lazy: bool = False,
) -> Client:
    """Connect to the Temporal server that the environment names.

    Args:
        environment: Read instead of the process's own environment and `.env`.
        codec: Encrypts payloads, see `data_converter`; by default that of the settings, if they have keys.
        interceptors: Client interceptors; those that are worker interceptors too serve its workers.
        runtime: Where the SDK's metrics go; made before the first client.
        lazy: Connect at the first call instead of now, so that a server that is down is no failure yet.

    Raises:
        ConnectionFailedError: The configuration cannot be read, or the server does not answer.
        SettingsError: The encryption keys or the address cannot work, or `.env` cannot be read.
    """
    if codec is None and environment is None:
        codec = encryption_codec()
    options = _options(_surroundings() if environment is None else environment)
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
            f"Temporal does not answer at {address}{_port_hint(address)}: start it, or set TEMPORAL_ADDRESS "
            "(and TEMPORAL_API_KEY or TEMPORAL_TLS_... where it asks for them)"
        ) from None


def server_name() -> str:
    """Name the server and the namespace that `connect` uses, for a sentence.

    Raises:
        ConnectionFailedError: The configuration cannot be read.
        SettingsError: See `connect`.
    """
    options = _options(_surroundings())
    return f"{options['target_host']}, namespace {options.get('namespace', 'default')}"


def _surroundings() -> dict[str, str]:
    """Return the environment, with what only `.env` says of Temporal; an empty variable is not set."""
    problems: Problems = {}
    dotenv = {name: value for name, value in env_file(problems).items() if name.startswith(_PREFIX)}
    if problems:
        raise SettingsError.listing(problems.values())
    given = {name: value for name, value in os.environ.items() if value or not name.startswith(_PREFIX)}
    return {**{name: value for name, value in dotenv.items() if value}, **given}


def _options(environment: Mapping[str, str]) -> dict[str, Any]:
    """Read how to connect, as every Temporal tool does; the key is masked in logs from now on."""
    options: dict[str, Any] = {"target_host": DEFAULT_ADDRESS}
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
    """Ask about a port where an address has none: one may be right behind TLS, and seldom is."""
    return "" if ":" in address else f" (it has no port: did you mean {address}:7233?)"
