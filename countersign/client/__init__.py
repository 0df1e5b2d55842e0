"""The Python API: start, follow and end agreements without knowledge of Temporal."""

from countersign.client.agreements import (
    agreement_input,
    agreement_result,
    agreement_status,
    remind_agreement,
    resolve_agreement,
    void_agreement,
)
from countersign.client.callbacks import ListedCallback, list_callbacks, replay_callbacks
from countersign.client.errors import (
    AlreadySignedError,
    BadInputError,
    CommandError,
    ExitCode,
    FailedAgreementError,
    NotInTurnError,
    NotSentYetError,
    NotYetError,
    NoWorkerError,
    ReferenceTakenError,
    RefusedError,
    UnknownAgreementError,
    UnknownSignerError,
    UnreachableError,
    UnusableKeyError,
)
from countersign.client.export import Exported, export_agreements
from countersign.client.files import file_source
from countersign.client.follow import follow_agreement
from countersign.client.listing import ListedAgreement, list_agreements
from countersign.client.references import StartedAgreement
from countersign.client.signing import SigningLink, Verification, signing_link
from countersign.client.start import check_agreement, start_agreement
from countersign.client.supersede import replace_signer
from countersign.client.view import AgreementView

__all__ = [
    "AgreementView",
    "AlreadySignedError",
    "BadInputError",
    "CommandError",
    "ExitCode",
    "Exported",
    "FailedAgreementError",
    "ListedAgreement",
    "ListedCallback",
    "NoWorkerError",
    "NotInTurnError",
    "NotSentYetError",
    "NotYetError",
    "ReferenceTakenError",
    "RefusedError",
    "SigningLink",
    "StartedAgreement",
    "UnknownAgreementError",
    "UnknownSignerError",
    "UnreachableError",
    "UnusableKeyError",
    "Verification",
    "agreement_input",
    "agreement_result",
    "agreement_status",
    "check_agreement",
    "export_agreements",
    "file_source",
    "follow_agreement",
    "list_agreements",
    "list_callbacks",
    "remind_agreement",
    "replace_signer",
    "replay_callbacks",
    "resolve_agreement",
    "signing_link",
    "start_agreement",
    "void_agreement",
]
