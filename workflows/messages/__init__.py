"""The types that cross the wire: what an agreement is started with, what it can be asked and told.

Services in any language start `AgreementWorkflow` with `AgreementInput` as JSON. Everything is frozen.
"""

from countersign.events import SignatureEvent
from workflows.messages.agreement import AgreementInput, Continued, ReminderPlan
from workflows.messages.message import Message
from workflows.messages.result import AgreementResult, Archive, StoredDocument
from workflows.messages.signers import Sender, SignatureField, Signer
from workflows.messages.sources import (
    DeliverableSource,
    FileSource,
    LinkSource,
    RolesSource,
    Source,
    TemplateSource,
)
from workflows.messages.stages import Outcome, Stage, WaitingFor
from workflows.messages.status import AgreementStatus, SignerStatus
from workflows.messages.updates import Resolution, VoidRequest

TASK_QUEUE = "countersign"
WORKFLOW_NAME = "AgreementWorkflow"
PROVIDER = "turbodocx"


def provider_task_queue(task_queue: str) -> str:
    """Name the queue of the provider's activities: held back by its circuit, limited by its rate."""
    return f"{task_queue}-{PROVIDER}"


__all__ = [
    "PROVIDER",
    "TASK_QUEUE",
    "WORKFLOW_NAME",
    "AgreementInput",
    "AgreementResult",
    "AgreementStatus",
    "Archive",
    "Continued",
    "DeliverableSource",
    "FileSource",
    "LinkSource",
    "Message",
    "Outcome",
    "ReminderPlan",
    "Resolution",
    "RolesSource",
    "Sender",
    "SignatureEvent",
    "SignatureField",
    "Signer",
    "SignerStatus",
    "Source",
    "Stage",
    "StoredDocument",
    "TemplateSource",
    "VoidRequest",
    "WaitingFor",
    "provider_task_queue",
]
