"""What a caller sees of an agreement: the workflow's status, and what only Temporal knows."""

from typing import Any, Self

from countersign.agreements.messages import AgreementStatus


class AgreementView(AgreementStatus):
    """An agreement's status with what the client adds.

    Args:
        provider_wait: Why a step at the provider is not done, in one sentence, while it is not.
        failure: Why the agreement failed without an outcome, in one sentence, if it did.
    """

    provider_wait: str | None = None
    failure: str | None = None

    @classmethod
    def of(cls, status: AgreementStatus, **added: Any) -> Self:
        """Add to a status.

        Args:
            status: What the workflow's query returned.
            added: Fields of the view.
        """
        return cls.model_validate(dict(status) | added)
