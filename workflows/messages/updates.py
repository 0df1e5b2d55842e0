"""What a person can tell an agreement."""

from typing import Literal, Self

from pydantic import Field, model_validator

from workflows.messages.message import Message


class VoidRequest(Message):
    """Void an agreement: the document is voided at the provider, the agreement ends `voided`.

    Args:
        reason: Why; the provider shows it to the signers.
    """

    reason: str = Field(min_length=1, max_length=500)


class Resolution(Message):
    """A person's decision on an agreement that needs attention.

    Args:
        action: While it is unknown whether a send went out: `adopt` the document `document_id`, `send_again`,
            or `abandon` the agreement. When another document carries our marker, or finalisation failed:
            `keep` the agreement as it is, the other document having been dealt with, or `abandon` it.
        document_id: The document to adopt.
    """

    action: Literal["adopt", "send_again", "abandon", "keep"]
    document_id: str | None = None

    @model_validator(mode="after")
    def _adopt_names_a_document(self) -> Self:
        if (self.action == "adopt") != (self.document_id is not None):
            raise ValueError("name the document_id to adopt, and only then")
        return self
