"""Batches: many agreements from one table. Messages and names of `BulkWorkflow`."""

from typing import Final

from pydantic import Field

from countersign.agreements.messages import Message

BULK_WORKFLOW: Final = "BulkWorkflow"
BATCH_ID_PREFIX: Final = "batch-"
"""The id of a batch's workflow is `batch-<name>`."""
BATCH_NAME: Final = r"^[a-z0-9][a-z0-9-]{1,38}[a-z0-9]$"
CHUNK_ROWS: Final = 25
"""Rows that one activity starts. A pause takes effect between two of them."""
BULK_PRIORITY: Final = 5
"""The priority of a batch's steps in every queue: after all others."""


class BatchProgress(Message):
    """How far a batch has come.

    Args:
        started: Rows whose agreement was started.
        existed: Rows whose agreement had been started before, with the same content; also by an attempt of
            this batch that was cut off.
        refused: Rows that could not be started; the store has the reasons.
        paused: Whether the batch is paused.
        cancelled: Whether it was cancelled before all rows were started.
    """

    started: int = 0
    existed: int = 0
    refused: int = 0
    paused: bool = False
    cancelled: bool = False

    @property
    def done(self) -> int:
        """Rows that were dealt with."""
        return self.started + self.existed + self.refused


class BatchOwner(Message):
    """The bounds of the token that started a batch: all its rows are within them.

    Args:
        account: The only account at a provider that the token may use; None for all.
        prefix: How every reference begins that the token may use; None for all.
    """

    account: str | None = None
    prefix: str | None = None


class BatchInput(Message):
    """A batch whose rows are in the store.

    Args:
        batch: Its name: 3 to 40 lower-case letters, digits and dashes; never personal data.
        rows: How many rows it has.
        table_sha256: The hash of the table that it was made from.
        next_chunk: The chunk to go on with, from 0.
        progress: What was done before `next_chunk`.
        paused: Whether it waits to be resumed.
        owner: Who started it over HTTP; None if a person or a token without bounds did.
    """

    batch: str = Field(pattern=BATCH_NAME)
    rows: int = Field(ge=1)
    table_sha256: str
    next_chunk: int = 0
    progress: BatchProgress = BatchProgress()
    paused: bool = False
    owner: BatchOwner | None = None

    @property
    def chunks(self) -> int:
        """How many chunks its rows are in."""
        return -(-self.rows // CHUNK_ROWS)


class ChunkRequest(Message):
    """Start or void the agreements of a chunk."""

    batch: str
    table_sha256: str
    chunk: int


class ChunkResult(Message):
    """What became of a chunk's rows."""

    started: int = 0
    existed: int = 0
    refused: int = 0


class RefusedRow(Message):
    """A row that could not be started: its line in the table, its reference, and why, without its content."""

    line: int
    reference: str
    reason: str
