"""What a verb can fail with, and the exit code of each: one clear sentence, no traceback.

| code | when |
|------|------|
| 0 | done |
| 1 | something unforeseen; please report it |
| 2 | the input cannot work: a flag, a file, an agreement, a setting |
| 3 | there is no such agreement |
| 4 | the agreement cannot do that: it has ended, or needs no such decision |
| 5 | Temporal, provider or store cannot be reached, or no worker answers for it; trying again later is safe |
| 6 | the agreement failed, or ended other than completed |
| 7 | a part of the local stack did not start, or stopped by itself |
| 8 | the doctor found something that must be put right |
| 9 | the reference belongs to an agreement with other content |
| 10 | nothing was done: nobody said yes to it |
| 130 | stopped by Ctrl-C or SIGTERM |
"""

from enum import IntEnum


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


class CommandError(Exception):
    """A verb could not do what it was asked; the message is one sentence that says what to do."""

    exit_code = ExitCode.UNFORESEEN


class BadInputError(CommandError):
    """The input cannot work; nothing was done."""

    exit_code = ExitCode.BAD_INPUT


class UnknownAgreementError(CommandError):
    """There is no agreement of this reference."""

    exit_code = ExitCode.UNKNOWN


class RefusedError(CommandError):
    """The agreement cannot do that now."""

    exit_code = ExitCode.REFUSED


class ReferenceTakenError(CommandError):
    """The reference belongs to an agreement with other content; nothing was started."""

    exit_code = ExitCode.REFERENCE_TAKEN


class UnreachableError(CommandError):
    """Temporal, every worker, the provider or the store is out of reach; trying again is safe."""

    exit_code = ExitCode.UNREACHABLE


class NoWorkerError(UnreachableError):
    """Temporal answers, and no worker does."""


class StuckAgreementError(UnreachableError):
    """The agreement's workflow task keeps failing, so no worker can answer for it."""


class FailedAgreementError(CommandError):
    """The agreement failed: it ended without an outcome."""

    exit_code = ExitCode.NOT_COMPLETED

    def __init__(self, reference: str, why: str) -> None:
        super().__init__(f"{reference} failed: {why}")
        self.why = why
