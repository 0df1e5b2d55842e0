"""Where an agreement is, whom it waits for, and how it ends."""

from enum import StrEnum


class Stage(StrEnum):
    """Where an agreement is. The last five are ends."""

    GENERATING = "generating"
    SENDING = "sending"
    AWAITING_SIGNATURES = "awaiting_signatures"
    FINALIZATION_FAILED = "finalization_failed"
    ARCHIVING = "archiving"
    COMPLETED = "completed"
    VOIDED = "voided"
    EXPIRED = "expired"
    DECLINED = "declined"
    ABANDONED = "abandoned"


class WaitingFor(StrEnum):
    """Who or what moves an agreement on."""

    PROVIDER = "provider"
    SIGNATURES = "signatures"
    OPERATOR = "operator"
    NOBODY = "nobody"


class Outcome(StrEnum):
    """How an agreement ended."""

    COMPLETED = "completed"
    VOIDED = "voided"
    EXPIRED = "expired"
    DECLINED = "declined"
    ABANDONED = "abandoned"
