"""How the provider is called."""

from typing import ClassVar, Self

from pydantic import Field, field_validator, model_validator

from countersign.configuration import Settings
from countersign.proxy import named_proxy
from countersign.settings.environment import GracefulStop, Seconds


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

    @field_validator("trust_env")
    @classmethod
    def _proxy_can_be_used(cls, value: bool) -> bool:  # noqa: FBT001  # pydantic's signature
        proxy = named_proxy() if value else None
        if proxy and not proxy.startswith(("http://", "https://")):
            raise ValueError("has HTTPS_PROXY or ALL_PROXY apply, which must be http://host:port")
        return value

    @model_validator(mode="after")
    def _stop_outlasts_writes(self) -> Self:
        if self.graceful_stop_seconds <= self.write_seconds:
            raise ValueError(
                "COUNTERSIGN_GRACEFUL_STOP_SECONDS must exceed COUNTERSIGN_PROVIDER_WRITE_SECONDS, "
                "or stopping a worker leaves writes of unknown outcome"
            )
        return self
