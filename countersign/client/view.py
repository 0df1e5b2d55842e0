"""The status of an agreement for callers: the workflow's status and data from Temporal."""

from typing import Any, Self

from countersign.agreements.messages import AgreementInput, AgreementStatus, SignerStatus, Stage, WaitingFor


class AgreementView(AgreementStatus):
    """The workflow's status with the fields that only the client can fill.

    Args:
        provider_wait: Why a step waits, in one sentence; None if no step waits.
        failure: Why the agreement failed without an outcome, in one sentence; None if it did not.
    """

    provider_wait: str | None = None
    failure: str | None = None

    @classmethod
    def of(cls, status: AgreementStatus, **added: Any) -> Self:
        """Extend a status.

        Args:
            status: The value of the `status` query.
            added: Fields of the view, by name.
        """
        return cls.model_validate(dict(status) | added)

    @classmethod
    def at_start(cls, agreement: AgreementInput) -> Self:
        """Return the status of an agreement that has just started, without asking its worker."""
        return cls(
            reference=agreement.reference,
            stage=Stage.GENERATING,
            waiting_for=WaitingFor.PROVIDER,
            signers=tuple(
                SignerStatus(name=signer.name, order=signer.order or number)
                for number, signer in enumerate(agreement.signers, 1)
            ),
            deadline=agreement.deadline,
            supersedes=agreement.supersedes,
        )
