"""What a worker tells about itself."""

from typing import ClassVar, Literal

from pydantic import Field

from countersign.configuration import Settings
from countersign.settings.environment import Seconds


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
