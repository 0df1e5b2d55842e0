"""What every process of Countersign is set up with."""

from typing import ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from countersign.configuration import Settings
from countersign.settings.environment import PRODUCTION, Environment, GracefulStop


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
