"""The way in: start, follow and end agreements, from Python or from the command line.

In a service: `from starter import start_agreement`. In a shell: `python starter.py --help`.
"""

if __name__ == "__main__":
    from countersign.installation import require_installed

    require_installed()

from commands.agreements import (
    agreement_input,
    agreement_result,
    agreement_status,
    remind_agreement,
    resolve_agreement,
    void_agreement,
)
from commands.errors import (
    BadInputError,
    CommandError,
    ExitCode,
    FailedAgreementError,
    NoWorkerError,
    ReferenceTakenError,
    RefusedError,
    UnknownAgreementError,
    UnreachableError,
)
from commands.following import follow_agreement
from commands.listing import ListedAgreement, list_agreements
from commands.reuse import StartedAgreement
from commands.starting import check_agreement, start_agreement
from commands.superseding import replace_signer

__all__ = [
    "BadInputError",
    "CommandError",
    "ExitCode",
    "FailedAgreementError",
    "ListedAgreement",
    "NoWorkerError",
    "ReferenceTakenError",
    "RefusedError",
    "StartedAgreement",
    "UnknownAgreementError",
    "UnreachableError",
    "agreement_input",
    "agreement_result",
    "agreement_status",
    "check_agreement",
    "follow_agreement",
    "list_agreements",
    "remind_agreement",
    "replace_signer",
    "resolve_agreement",
    "start_agreement",
    "void_agreement",
]

if __name__ == "__main__":
    from commands.cli import main

    main()
