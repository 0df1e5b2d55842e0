"""Settings that every process shares."""

from typing import ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from countersign.agreements.names import DEFAULT_ACCOUNT, TASK_QUEUE
from countersign.configuration import Settings
from countersign.settings.account import AccountKinds
from countersign.settings.environment import PRODUCTION, Environment, GracefulStop, TimeScale


class CountersignSettings(Settings):
    """Settings that every process shares, `COUNTERSIGN_...`."""

    prefix: ClassVar[str] = "COUNTERSIGN_"

    environment: Environment = Field(
        default="development",
        description="Keeps markers of staging and production apart; `production` means real people.",
    )
    accounts: AccountKinds = Field(
        default=((DEFAULT_ACCOUNT, DEFAULT_ACCOUNT),),
        description="The accounts at providers, separated by commas, the default first: "
        f"`{DEFAULT_ACCOUNT}, uk={DEFAULT_ACCOUNT}`. What stands before `=` names the account and the prefix "
        "of its settings, here `UK_`; what stands after it is the kind of provider.",
    )
    store: str = Field(
        default=".countersign/store",
        min_length=1,
        description="Where files go: a folder, or s3://, gs://, az:// with the extra `objects`.",
    )
    task_queue: str = Field(
        default=TASK_QUEUE,
        min_length=1,
        description="Task queue of the workflows; an account's is named after it, "
        f"`{TASK_QUEUE}-{DEFAULT_ACCOUNT}`.",
    )
    provider_slots: int = Field(
        default=20, ge=1, le=1000, description="Concurrent provider calls per worker."
    )
    graceful_stop_seconds: GracefulStop = Field(
        default=150,
        description="How long a stopping worker lets calls finish; more than the longest write.",
    )
    check_interval_hours: float = Field(
        default=720,
        ge=0.25,
        le=720,
        allow_inf_nan=False,
        description="The longest wait between two checks of an agreement with the provider, from 0.25 to "
        "720. If its account is watched, it checks after 7 days, then every 30 days; else after 1, 5 and 15 "
        "minutes, hourly for a day, then daily. Holds for agreements that start from now on.",
    )
    watch_seconds: int = Field(
        default=60,
        ge=15,
        le=900,
        description="From one reading of what changed at the provider to the next, in seconds, from 15 to "
        "900. A reading is one provider call and two billable actions, for all agreements of an account.",
    )
    time_scale: TimeScale = Field(
        default=1,
        description="For tests: divides every wait of agreements that start from now on, the time limits of "
        "provider calls and the waits of the circuit. Must be 1 in production.",
    )
    temporal_ui: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+(/\S*)?$",
        description="The address of Temporal's UI, for the links that commands print: "
        "`https://cloud.temporal.io` or your own.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least severe records to keep."
    )
    secrets: str | None = Field(
        default=None,
        description="A secret manager for what is set nowhere else: `aws:<secret id>`, "
        "`azure:https://<vault>.vault.azure.net`, `gcp:<project>` or `vault:<mount>/<path>`.",
    )
    secrets_dir: str | None = Field(
        default=None, description="Folders of files named like variables, separated by `:`."
    )
    metrics_host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Where a worker, a receiver and an API offer their metrics.",
    )

    @field_validator("time_scale")
    @classmethod
    def _no_hurry_in_production(cls, value: float, info: ValidationInfo) -> float:
        if value != 1 and info.data.get("environment") == PRODUCTION:
            raise ValueError("must be 1 in production; the waits are as long as providers need")
        return value
