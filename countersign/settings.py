"""Every setting, in one tree per role; what cannot work is refused at start, all of it at once.

Temporal's own settings (`TEMPORAL_ADDRESS`, ...) are read by the SDK, see `connection.py`.
"""

from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_PLACEHOLDERS = frozenset({"changeme", "change-me", "todo", "xxx", "secret", "your-api-key", "placeholder"})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

SettingsT = TypeVar("SettingsT", bound=BaseSettings)


class SettingsError(Exception):
    """Some settings cannot work; the message names each one and what to do, never a value."""


def _not_placeholder(value: SecretStr | None) -> SecretStr | None:
    if value is not None and (
        not value.get_secret_value().strip() or value.get_secret_value().strip().lower() in _PLACEHOLDERS
    ):
        raise ValueError("is empty or a placeholder; set the real value")
    return value


class CountersignSettings(BaseSettings):
    """Our own settings, `COUNTERSIGN_...`."""

    model_config = SettingsConfigDict(
        env_prefix="COUNTERSIGN_", env_file=".env", extra="ignore", hide_input_in_errors=True, frozen=True
    )

    environment: str = Field(
        default="development",
        pattern=r"^[a-z0-9-]{1,32}$",
        description="Keeps markers of staging and production apart.",
    )
    store: str = Field(
        default=".countersign/store",
        description="Where files go: a folder, or s3://, gs://, az:// with the extra `objects`.",
    )
    task_queue: str = Field(default="countersign", description="Task queue of the workflows.")
    provider_task_queue: str = Field(
        default="countersign-turbodocx", description="Task queue of the provider's activities."
    )
    provider_slots: int = Field(default=20, ge=1, le=1000, description="Provider calls at once, per worker.")
    graceful_stop_seconds: float = Field(
        default=150,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="How long a stopping worker lets calls finish; more than the longest write (120 s).",
    )


class TurboDocxSettings(BaseSettings):
    """The provider's settings, by the provider's own names: `TURBODOCX_...`."""

    model_config = SettingsConfigDict(
        env_prefix="TURBODOCX_", env_file=".env", extra="ignore", hide_input_in_errors=True, frozen=True
    )

    api_key: SecretStr = Field(description="API key, `TDX-...`.")
    org_id: str = Field(min_length=1, description="Organisation id, a UUID.")
    base_url: str = Field(default="https://api.turbodocx.com", description="The API, or a local sandbox.")
    sender_email: str = Field(min_length=3, description="Who asks for signatures, unless the agreement says.")
    sender_name: str = Field(min_length=1, description="The sender's name.")

    _secrets = field_validator("api_key")(_not_placeholder)

    @field_validator("base_url")
    @classmethod
    def _https_only(cls, value: str) -> str:
        url = urlsplit(value)
        if url.username or url.password or not url.hostname:
            raise ValueError("must be https://host, without user or password")
        if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK):
            raise ValueError("must be https; plain http is for a sandbox on this machine only")
        return value.rstrip("/")


class WebhookSettings(BaseSettings):
    """The webhook door's settings."""

    model_config = SettingsConfigDict(
        env_prefix="TURBODOCX_", env_file=".env", extra="ignore", hide_input_in_errors=True, frozen=True
    )

    webhook_secret: SecretStr = Field(description="The subscription's secret, `whsec_...`.")
    webhook_secret_previous: SecretStr | None = Field(default=None, description="The secret it replaced.")
    webhook_secret_previous_until: datetime | None = Field(
        default=None, description="When the previous secret stops being accepted, ISO 8601 with an offset."
    )

    _secrets = field_validator("webhook_secret", "webhook_secret_previous")(_not_placeholder)

    @model_validator(mode="after")
    def _previous_has_an_end(self) -> Self:
        if (self.webhook_secret_previous is None) != (self.webhook_secret_previous_until is None):
            raise ValueError("webhook_secret_previous and webhook_secret_previous_until belong together")
        return self


def load(*kinds: type[SettingsT], **overrides: Any) -> list[SettingsT]:
    """Read settings from the environment and `.env`.

    Raises:
        SettingsError: Something is missing or cannot work; the message lists every such setting by name.
    """
    loaded: list[SettingsT] = []
    problems: list[str] = []
    for kind in kinds:
        try:
            loaded.append(kind(**overrides))
        except ValidationError as error:
            prefix = kind.model_config.get("env_prefix", "")
            problems += [
                _problem(prefix, dict(each)) for each in error.errors(include_input=False, include_url=False)
            ]
    if problems:
        raise SettingsError("These settings cannot work:\n" + "\n".join(f"  {each}" for each in problems))
    return loaded


def _problem(prefix: str, error: dict[str, Any]) -> str:
    name = prefix + "_".join(str(part) for part in error["loc"]).upper()
    if error["type"] == "missing":
        return f"{name} is not set"
    return f"{name}: {error['msg'].removeprefix('Value error, ')}"


def data_folder() -> Path:
    """The folder for local state."""
    return Path(".countersign")
