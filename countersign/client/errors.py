"""Errors of the Python API and the command line, with their exit codes.

| code | when |
|------|------|
| 0 | done |
| 1 | unexpected error; please report it |
| 2 | invalid input: a flag, a file, an agreement or a setting |
| 3 | no such agreement |
| 4 | the agreement's state does not allow it: it has ended, or needs no such decision |
| 5 | Temporal, the provider, the store or all workers are unreachable; retrying later is safe |
| 6 | the agreement failed, or ended with another outcome than completed; a row or a file failed |
| 7 | a part of the local stack did not start, or stopped unexpectedly |
| 8 | `doctor` found a problem that must be fixed |
| 9 | the reference belongs to an agreement with other content |
| 10 | not confirmed; nothing was done |
| 11 | not yet: other signers sign first, or the document is not sent; retry later |
| 130 | stopped by Ctrl-C or SIGTERM |
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

START_WORKER: Final = "start one with `python worker.py` or as a service"
"""What to do if no worker runs."""


class ExitCode(IntEnum):
    """The exit codes of the command line."""

    DONE = 0
    UNFORESEEN = 1
    BAD_INPUT = 2
    UNKNOWN = 3
    REFUSED = 4
    UNREACHABLE = 5
    NOT_COMPLETED = 6
    PART_FAILED = 7
    UNHEALTHY = 8
    REFERENCE_TAKEN = 9
    NOT_CONFIRMED = 10
    NOT_YET = 11


class CommandError(Exception):
    """A command failed; the message is one sentence that includes what to do."""

    exit_code = ExitCode.UNFORESEEN


class BadInputError(CommandError):
    """The input is invalid; nothing was done.

    Args:
        message: The whole message.
        problems: What is wrong, one clause each, if there may be several; by default the message.
    """

    exit_code = ExitCode.BAD_INPUT

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems) or (message,)


class UnusableKeyError(BadInputError):
    """The settings of an account are invalid or missing here, or the provider rejects its API key."""


class UnknownSignerError(BadInputError):
    """The agreement has no signer with this number."""


class UnknownAgreementError(CommandError):
    """No agreement has this reference."""

    exit_code = ExitCode.UNKNOWN


class UnknownBatchError(UnknownAgreementError):
    """No batch has this name."""


class RefusedError(CommandError):
    """The agreement's state does not allow the operation."""

    exit_code = ExitCode.REFUSED


class BatchEndedError(RefusedError):
    """The batch has ended: it starts no further rows."""


class AlreadySignedError(RefusedError):
    """The signer has already signed."""


class NotYetError(RefusedError):
    """The agreement's state will allow the operation later."""

    exit_code = ExitCode.NOT_YET


class NotSentYetError(NotYetError):
    """The signers are not asked yet."""


class NotInTurnError(NotYetError):
    """Other signers sign before this one.

    Args:
        reference: The agreement's reference.
        signer: The number of the signer, from 1.
        signers: The numbers of those whose turn it is.
    """

    def __init__(self, reference: str, signer: int, signers: tuple[int, ...]) -> None:
        self.signer = signer
        self.signers = signers
        if len(signers) > 1:
            first = f"signers {', '.join(map(str, signers[:-1]))} and {signers[-1]} sign"
        else:
            first = f"signer {signers[0]} signs" if signers else "another person signs"
        super().__init__(f"{reference}: it is not the turn of signer {signer}: {first} first")


class ReferenceTakenError(CommandError):
    """The reference belongs to another agreement; nothing was started.

    Args:
        message: The message.
        fields: The names of the fields that differ; empty if the content cannot be read.
    """

    exit_code = ExitCode.REFERENCE_TAKEN

    def __init__(self, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.fields = tuple(fields)


class BatchTakenError(ReferenceTakenError):
    """The batch was started from another table; nothing was started."""


class UnreachableError(CommandError):
    """Temporal, all workers, the provider or the store are unreachable; retrying is safe."""

    exit_code = ExitCode.UNREACHABLE


class NoWorkerError(UnreachableError):
    """Temporal responds, but no worker does."""


class StuckAgreementError(UnreachableError):
    """The agreement's workflow task keeps failing, so no worker responds."""


class FailedAgreementError(CommandError):
    """The agreement failed: it ended without an outcome.

    Args:
        reference: The agreement's reference.
        why: The reason, in one sentence that is safe to log.
        provider_message: The provider's own words, which may name people; None if it gave none.
    """

    exit_code = ExitCode.NOT_COMPLETED

    def __init__(self, reference: str, why: str, provider_message: str | None = None) -> None:
        super().__init__(f"{reference} failed: {why}")
        self.why = why
        self.provider_message = provider_message
