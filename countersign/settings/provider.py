"""How the provider is called."""

import os
import ssl
from typing import ClassVar, Self

from pydantic import Field, field_validator, model_validator

from countersign.configuration import Settings
from countersign.providers.calls import Limits
from countersign.proxy import named_proxy
from countersign.settings.environment import GracefulStop, TimeScale


class ProviderSettings(Settings):
    """How the provider is called: rate, hosts, circuit and proxy."""

    prefix: ClassVar[str] = "COUNTERSIGN_PROVIDER_"

    calls_per_second: float | None = Field(
        default=None,
        gt=0,
        le=10_000,
        allow_inf_nan=False,
        description="Calls to the provider per second, for all workers together; unlimited if not set.",
    )
    download_hosts: str = Field(
        default=".amazonaws.com",
        pattern=r"^[A-Za-z0-9.-]+(,[A-Za-z0-9.-]+)*$",
        description="Hosts that signed documents may be downloaded from, separated by commas; `.example.com` "
        "means the whole domain.",
    )
    circuit_failures: int = Field(
        default=10,
        ge=0,
        le=1000,
        description="Consecutive failures that open the circuit: calls wait in Temporal. 0 turns it off.",
    )
    trust_env: bool = Field(
        default=False,
        description="Whether HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE apply to calls of the provider.",
    )
    graceful_stop_seconds: GracefulStop = Field(default=150, description="See above.")
    time_scale: TimeScale = Field(default=1, description="See above.")

    @field_validator("trust_env")
    @classmethod
    def _proxy_can_be_used(cls, value: bool) -> bool:  # noqa: FBT001  # pydantic's signature
        proxy = named_proxy() if value else None
        if proxy and not proxy.startswith(("http://", "https://")):
            raise ValueError("has HTTPS_PROXY or ALL_PROXY apply, which must be http://host:port")
        if value and (file := os.environ.get("SSL_CERT_FILE")):
            try:
                ssl.create_default_context(cafile=file)
            except OSError:  # ssl.SSLError is one
                raise ValueError(
                    "has SSL_CERT_FILE apply, which must name a PEM file of certificates"
                ) from None
        return value

    @model_validator(mode="after")
    def _stop_outlasts_writes(self) -> Self:
        write = Limits().at(self.time_scale).write_total
        if self.graceful_stop_seconds <= write:
            raise ValueError(
                f"COUNTERSIGN_GRACEFUL_STOP_SECONDS must exceed the {write:g} s that a write may take, "
                "or stopping a worker leaves writes of unknown outcome"
            )
        return self
