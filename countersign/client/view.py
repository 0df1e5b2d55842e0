"""The status of an agreement for callers: the workflow's status and data from Temporal."""

from typing import Any, Self

from countersign.agreements.messages import AgreementStatus


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
