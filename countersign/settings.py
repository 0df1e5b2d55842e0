"""Every setting, in one group per role; what cannot work is refused at start, all of it at once.

Where values come from, and in which order, is in `configuration.py`. Temporal's own settings
(`TEMPORAL_ADDRESS`, ...) are read by the SDK, see `connection.py`.
"""

import base64
import re
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from countersign.configuration import Settings, SettingsError, Variable, load
from countersign.observability.redaction import protect

PRODUCTION: Final = "production"
LIVE_HOST: Final = "api.turbodocx.com"
TEST_KEY_PREFIX: Final = "TDX-test-"
Environment = Annotated[
    str, Variable("COUNTERSIGN_ENVIRONMENT"), StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")
]
GracefulStop = Annotated[
    float, Variable("COUNTERSIGN_GRACEFUL_STOP_SECONDS"), Field(gt=0, le=3600, allow_inf_nan=False)
]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class CountersignSettings(Settings):
    """Our own settings, `COUNTERSIGN_...`."""

    prefix: ClassVar[str] = "COUNTERSIGN_"

    environment: Environment = Field(
        default="development",
        description="Keeps markers of staging and production apart; `production` means real people.",
    )
    store: str = Field(
        default=".countersign/store",
        min_length=1,
        description="Where files go: a folder, or s3://, gs://, az:// with the extra `objects`.",
    )
    task_queue: str = Field(
        default="countersign",
        min_length=1,
        description="Task queue of the workflows; the provider's is named after it, `countersign-turbodocx`.",
    )
    provider_slots: int = Field(default=20, ge=1, le=1000, description="Provider calls at once, per worker.")
    cached_workflows: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="Agreements that a worker keeps in memory; more are replayed when something happens.",
    )
    graceful_stop_seconds: GracefulStop = Field(
        default=150,
        description="How long a stopping worker lets calls finish; more than the longest write.",
    )
    pace: float = Field(
        default=1,
        ge=1,
        le=1000,
        allow_inf_nan=False,
        description="For tests: agreements started from now on wait so many times faster than usual, for an "
        "answer, for evidence of a send, for the next poll. Always 1 in production.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least severe records to keep."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="`auto` is readable on a terminal and JSON elsewhere."
    )
    secrets: str | None = Field(
        default=None,
        description="A secret manager for what is set nowhere else: `aws:<secret id>`, "
        "`azure:https://<vault>.vault.azure.net`, `gcp:<project>` or `vault:<mount>/<path>`.",
    )
    secrets_dir: str | None = Field(
        default=None, description="Folders of files named like variables, separated by `:`."
    )
    secrets_ttl_seconds: float = Field(
        default=300,
        ge=1,
        le=86_400,
        allow_inf_nan=False,
        description="How old secrets may get before they are read again.",
    )

    @field_validator("pace")
    @classmethod
    def _no_hurry_in_production(cls, value: float, info: ValidationInfo) -> float:
        if value != 1 and info.data.get("environment") == PRODUCTION:
            raise ValueError("must be 1 in production; the waits are as long as providers need")
        return value


class TurboDocxSettings(Settings):
    """The provider's settings, by the provider's own names: `TURBODOCX_...`."""

    prefix: ClassVar[str] = "TURBODOCX_"

    environment: Environment = Field(
        default="development", description="Which keys and addresses may be used."
    )
    allow_live: Annotated[bool, Variable("COUNTERSIGN_ALLOW_LIVE")] = Field(
        default=False,
        description="Lets an environment other than `production` use the live service and keys.",
    )
    api_key: SecretStr = Field(description="API key, `TDX-...`.")
    org_id: str = Field(description="Organisation id, a UUID.")
    base_url: str = Field(default=f"https://{LIVE_HOST}", description="The API, or a local sandbox.")
    sender_email: str = Field(
        repr=False,
        description="Who asks for signatures, unless the agreement says.",
    )
    sender_name: str = Field(repr=False, description="The sender's name.")
    log_bodies: Annotated[Literal["off", "redacted"], Variable("COUNTERSIGN_LOG_BODIES")] = Field(
        default="off", description="Whether the provider's bodies are logged at DEBUG; never in production."
    )

    @field_validator("log_bodies")
    @classmethod
    def _no_bodies_in_production(cls, value: str, info: ValidationInfo) -> str:
        if value != "off" and info.data.get("environment") == PRODUCTION:
            raise ValueError("must be off in production; bodies hold people's data")
        return value

    @field_validator("api_key")
    @classmethod
    def _key_fits_environment(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        is_test = value.get_secret_value().startswith(TEST_KEY_PREFIX)
        if info.data.get("environment") == PRODUCTION:
            if is_test:
                raise ValueError("is a test key; production needs a live one")
        elif not is_test and not info.data.get("allow_live"):
            raise ValueError(
                f"is a live key outside production; use one that starts with {TEST_KEY_PREFIX}, "
                "or set COUNTERSIGN_ALLOW_LIVE=true"
            )
        return value

    @field_validator("sender_email")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if re.fullmatch(r"[^@\s]+@[^@\s]+", value) is None:
            raise ValueError("must be an e-mail address, name@example.com")
        return value

    @field_validator("base_url")
    @classmethod
    def _address_fits_environment(cls, value: str, info: ValidationInfo) -> str:
        host = _host(value)
        if info.data.get("environment") == PRODUCTION:
            if host in LOOPBACK:
                raise ValueError("is a sandbox on this machine; production needs the live service")
        elif host == LIVE_HOST and not info.data.get("allow_live"):
            raise ValueError(
                "is the live service outside production; use a sandbox, or set COUNTERSIGN_ALLOW_LIVE=true"
            )
        return value.rstrip("/")


class ProviderSettings(Settings):
    """How the provider is called: time limits, rate, and the circuit."""

    prefix: ClassVar[str] = "COUNTERSIGN_PROVIDER_"

    calls_per_second: float | None = Field(
        default=None,
        gt=0,
        le=10_000,
        allow_inf_nan=False,
        description="Calls to the provider per second, for all workers together; unlimited if not set.",
    )
    connect_seconds: Seconds = Field(default=5, description="How long connecting may take, TLS included.")
    read_seconds: float = Field(
        default=60, gt=0, le=60, allow_inf_nan=False, description="How long a read may take in all."
    )
    write_seconds: float = Field(
        default=120,
        gt=0,
        le=120,
        allow_inf_nan=False,
        description="How long a write may take in all; less than the graceful stop.",
    )
    download_seconds: float = Field(
        default=1500,
        gt=0,
        le=1500,
        allow_inf_nan=False,
        description="How long the download of a signed document may take in all.",
    )
    download_hosts: str = Field(
        default=".amazonaws.com",
        pattern=r"^[A-Za-z0-9.-]+(,[A-Za-z0-9.-]+)*$",
        description="Hosts that signed documents may be downloaded from, separated by `,`; one that begins "
        "with a dot stands for its whole domain.",
    )
    retry_after_limit_seconds: Seconds = Field(
        default=300, description="The longest Retry-After of the provider that is obeyed."
    )
    circuit_failures: int = Field(
        default=10,
        ge=0,
        le=1000,
        description="So many failures in a row open the circuit: calls wait in Temporal. 0 switches it off.",
    )
    circuit_cooldown_seconds: Seconds = Field(
        default=60, description="How long the circuit stays open before a harmless GET probes the provider."
    )
    held_probe_seconds: Seconds = Field(
        default=30,
        description="How often the provider is probed, and the key read again, while it refuses our key.",
    )
    trust_env: bool = Field(
        default=False,
        description="Whether HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE apply to calls of the provider.",
    )
    graceful_stop_seconds: GracefulStop = Field(default=150, description="See above.")

    @model_validator(mode="after")
    def _stop_outlasts_writes(self) -> Self:
        if self.graceful_stop_seconds <= self.write_seconds:
            raise ValueError(
                "COUNTERSIGN_GRACEFUL_STOP_SECONDS must exceed COUNTERSIGN_PROVIDER_WRITE_SECONDS, "
                "or stopping a worker leaves writes of unknown outcome"
            )
        return self


class WorkerSettings(Settings):
    """What a worker tells about itself, `COUNTERSIGN_WORKER_...`."""

    prefix: ClassVar[str] = "COUNTERSIGN_WORKER_"

    metrics_host: str = Field(
        default="127.0.0.1", min_length=1, description="Where a worker offers its metrics and its health."
    )
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        description="The port of `/metrics`, `/healthz`, `/readyz`, `/status`; without one there are none.",
    )
    census_seconds: Seconds = Field(
        default=30, description="How old the numbers of waiting agreements and tasks may get."
    )
    build_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="This build's id, for Temporal's worker versioning; without one workers are unversioned.",
    )
    deployment: str = Field(
        default="countersign",
        pattern=r"^[^.]{1,255}$",
        description="The worker deployment that the build belongs to.",
    )
    versioning: Literal["auto_upgrade", "pinned"] = Field(
        default="auto_upgrade",
        description="Whether running agreements move to the current build or stay with their own.",
    )


class WebhookSettings(Settings):
    """The webhook door's settings."""

    prefix: ClassVar[str] = "TURBODOCX_"

    webhook_secret: SecretStr = Field(description="The subscription's secret, `whsec_...`.")
    webhook_secret_previous: SecretStr | None = Field(default=None, description="The secret it replaced.")
    webhook_secret_previous_until: datetime | None = Field(
        default=None, description="When the previous secret stops being accepted, ISO 8601 with an offset."
    )

    @field_validator("webhook_secret_previous_until")
    @classmethod
    def _has_offset(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("needs an offset, for example 2026-01-31T12:00:00Z")
        return value

    @model_validator(mode="after")
    def _previous_has_an_end(self) -> Self:
        if (self.webhook_secret_previous is None) != (self.webhook_secret_previous_until is None):
            raise ValueError(
                f"{self.prefix}WEBHOOK_SECRET_PREVIOUS and {self.prefix}WEBHOOK_SECRET_PREVIOUS_UNTIL "
                "belong together; set both or neither"
            )
        return self

    def accepted(self, now: datetime) -> tuple[SecretStr, ...]:
        """Return the secrets that a delivery may be signed with at this time, the current one first."""
        previous, until = self.webhook_secret_previous, self.webhook_secret_previous_until
        return (
            (self.webhook_secret, previous) if previous and until and now < until else (self.webhook_secret,)
        )


class EncryptionSettings(Settings):
    """Encryption of what Temporal keeps, `COUNTERSIGN_ENCRYPTION_...`."""

    prefix: ClassVar[str] = "COUNTERSIGN_ENCRYPTION_"

    keys: SecretStr | None = Field(
        default=None,
        description="`<id>:<32 bytes in base64>`, several separated by commas: the first encrypts, all "
        "decrypt. Make one with `openssl rand -base64 32`. Without any, Temporal keeps plain text.",
    )

    @field_validator("keys")
    @classmethod
    def _are_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            protect(*(text for _, text in _named_keys(value)))
        return value

    def by_id(self) -> dict[str, bytes]:
        """Return the keys by id, the one that encrypts first."""
        named = _named_keys(self.keys) if self.keys else []
        return {key_id: base64.b64decode(text) for key_id, text in named}


class CodecServerSettings(Settings):
    """The codec server, which shows encrypted payloads in Temporal's UI, `COUNTERSIGN_CODEC_...`."""

    prefix: ClassVar[str] = "COUNTERSIGN_CODEC_"

    token: SecretStr | None = Field(
        default=None,
        description="What callers must show as bearer token; without one it listens on this machine only.",
    )


def _named_keys(value: SecretStr) -> list[tuple[str, str]]:
    """Split `id:base64,id:base64`.

    Raises:
        ValueError: It has another form; the message does not repeat it.
    """
    named = [each.strip().partition(":") for each in value.get_secret_value().split(",")]
    for key_id, _, text in named:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,32}", key_id) or not _is_key(text):
            raise ValueError("must be <id>:<32 bytes in base64>, several separated by commas")
    if len({key_id for key_id, _, _ in named}) < len(named):
        raise ValueError("has two keys of the same id")
    return [(key_id, text) for key_id, _, text in named]


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 32  # noqa: PLR2004 - AES-256
    except ValueError:
        return False


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return tuple(ip_network(each.strip()) for each in value.split(",") if each.strip())
    except ValueError:
        raise ValueError(
            "must be addresses or networks such as 203.0.113.7 or 203.0.113.0/24, separated by commas"
        ) from None


Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks)]


class DoorSettings(Settings):
    """How the webhook door listens, `COUNTERSIGN_WEBHOOKS_...`."""

    prefix: ClassVar[str] = "COUNTERSIGN_WEBHOOKS_"

    allowed_callers: Networks = Field(
        default=(),
        description="Addresses or networks that may deliver, separated by commas; empty admits anybody, and "
        "the signature decides.",
    )
    trusted_proxies: Networks = Field(
        default=(),
        description="Addresses or networks of our own proxies: their `X-Forwarded-For` is believed, nobody "
        "else's.",
    )
    body_limit_bytes: int = Field(default=65_536, ge=1024, le=1_048_576, description="Size of a delivery.")
    connection_limit: int = Field(
        default=2500, ge=10, le=50_000, description="Connections at once; more are turned away with 503."
    )
    metrics_host: str = Field(
        default="127.0.0.1", min_length=1, description="Where the door offers its metrics."
    )
    metrics_port: int | None = Field(
        default=None, ge=1, le=65_535, description="The port of the metrics; without one there are none."
    )
    tls_certificate: Path | None = Field(
        default=None, description="PEM file of the certificate chain, where no proxy speaks TLS."
    )
    tls_key: Path | None = Field(default=None, description="PEM file of its private key.")
    find_unmarked: bool = Field(
        default=False,
        description="Look up events of unmarked documents by document id; only for agreements that are sent "
        "without a marker.",
    )
    providers: Path | None = Field(
        default=None,
        description="TOML file of providers that speak Standard Webhooks, see "
        "`countersign/providers/standard_webhooks/README.md`.",
    )

    @model_validator(mode="after")
    def _certificate_has_a_key(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError(
                "COUNTERSIGN_WEBHOOKS_TLS_CERTIFICATE and COUNTERSIGN_WEBHOOKS_TLS_KEY belong together; "
                "set both or neither"
            )
        return self


def _host(address: str) -> str:
    """Return the host of an API's address.

    Raises:
        ValueError: It is not https to a host, or plain http to this machine.
    """
    try:
        url = urlsplit(address)
        _ = url.port
    except ValueError:
        raise ValueError("is not an address; use https://host") from None
    if url.scheme not in ("https", "http") or not url.hostname or url.username or url.password:
        raise ValueError("must be https://host, without user or password")
    if url.query or url.fragment:
        raise ValueError("must end after its path; take away what follows ? or #")
    if url.scheme == "http" and url.hostname not in LOOPBACK:
        raise ValueError("must be https; plain http is for a sandbox on this machine only")
    return url.hostname


def data_folder() -> Path:
    """The folder for local state."""
    return Path(".countersign")


__all__ = [
    "CodecServerSettings",
    "CountersignSettings",
    "DoorSettings",
    "EncryptionSettings",
    "ProviderSettings",
    "Settings",
    "SettingsError",
    "TurboDocxSettings",
    "WebhookSettings",
    "WorkerSettings",
    "data_folder",
    "load",
]
