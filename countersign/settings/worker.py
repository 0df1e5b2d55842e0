"""How a worker runs, and what it reports about itself."""

from typing import ClassVar, Literal

from pydantic import Field

from countersign.configuration import Settings


class WorkerSettings(Settings):
    """How a worker runs, and what it reports about itself, `COUNTERSIGN_WORKER_...`."""

    prefix: ClassVar[str] = "COUNTERSIGN_WORKER_"

    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        description="The port of `/metrics`, `/healthz`, `/readyz` and `/status`. Not set: none of them.",
    )
    build_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="This build's id, for Temporal's worker versioning; without one workers are unversioned. "
        "The worker deployment is named like the task queue.",
    )
    workflow_sandbox: bool = Field(
        default=False,
        description="Whether workflows run in the Temporal SDK's sandbox, for a third more CPU. Set it while "
        "you change workflows; the tests always use it.",
    )
    versioning: Literal["auto_upgrade", "pinned"] = Field(
        default="auto_upgrade",
        description="Whether running agreements move to the current build or stay with their own.",
    )
