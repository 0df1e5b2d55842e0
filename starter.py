"""The way in: start, follow and end agreements, from Python or from the command line.

In a service: `from starter import start_agreement`. In a shell: `python starter.py --help`.
"""

if __name__ == "__main__":
    from countersign.installation import require_installed

    require_installed()

from countersign.client import (
    BadInputError,
    CommandError,
    ExitCode,
    FailedAgreementError,
    ListedAgreement,
    NoWorkerError,
    ReferenceTakenError,
    RefusedError,
    StartedAgreement,
    UnknownAgreementError,
    UnreachableError,
    agreement_input,
    agreement_result,
    agreement_status,
    check_agreement,
    follow_agreement,
    list_agreements,
    remind_agreement,
    replace_signer,
    resolve_agreement,
    start_agreement,
    void_agreement,
)

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
    from cli.main import main

    main()
