"""Documenso's responses, parsed tolerantly: unknown fields are ignored, above all `token`.

A recipient's token is the credential with which the recipient signs: no model has it but the one for links.
Of a search only whether it was shown is kept.
"""

import math
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel

Private = Annotated[str, Field(repr=False)]


class Wire(BaseModel):
    """A frozen value in the provider's camelCase."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )


class Created(Wire):
    """A draft that was created."""

    id: str


class Recipient(Wire):
    """A person of an envelope: `role` SIGNER, APPROVER, VIEWER, ASSISTANT or CC."""

    id: int
    email: Private
    role: str
    signing_order: float | None = None
    read_status: str = "NOT_OPENED"
    signing_status: str = "NOT_SIGNED"
    signed_at: str | None = None
    expires_at: datetime | None = None
    rejection_reason: Annotated[str | None, Field(repr=False)] = None

    def signs(self) -> bool:
        """Return whether the person has something to do."""
        return self.role != "CC"


class Item(Wire):
    """A file of an envelope."""

    id: str
    order: float = 1


class Meta(Wire):
    """Settings of an envelope."""

    signing_order: str | None = None


class Envelope(Wire):
    """A document; `status` is DRAFT, PENDING, COMPLETED, REJECTED or CANCELLED."""

    id: str
    external_id: str | None = None
    status: str
    title: Private
    created_at: datetime
    user_id: int | None = None
    recipients: tuple[Recipient, ...] = ()
    envelope_items: tuple[Item, ...] = ()
    document_meta: Meta | None = None

    def in_turn(self) -> tuple[Recipient, ...]:
        """Return those who have something to do in their order; a sequence has no two at once."""
        people = [recipient for recipient in self.recipients if recipient.signs()]
        return tuple(sorted(people, key=lambda person: (person.signing_order or math.inf, person.id)))

    def is_sequential(self) -> bool:
        """Return whether one signs after another, and not all at once."""
        return self.document_meta is not None and self.document_meta.signing_order == "SEQUENTIAL"

    def files(self) -> tuple[Item, ...]:
        """Return the files in their order."""
        return tuple(sorted(self.envelope_items, key=lambda item: item.order))


class SigningRecipient(Wire):
    """A recipient with the credential with which they sign."""

    id: int
    token: Annotated[SecretStr, Field(min_length=1)]
    expires_at: datetime | None = None


class SigningRecipients(Wire):
    """The recipients of an envelope, for a link."""

    recipients: tuple[SigningRecipient, ...]


class RowRecipient(Recipient):
    """A person of a search's row."""

    has_token: Annotated[bool, BeforeValidator(bool)] = Field(default=False, alias="token")


class Envelopes(Wire):
    """Several envelopes."""

    data: tuple[Envelope, ...]


class Row(Wire):
    """A row of a search."""

    id: str
    external_id: str | None = None
    status: str
    created_at: datetime
    user_id: int | None = None
    recipients: tuple[RowRecipient, ...] = ()

    @property
    def is_own(self) -> bool:
        """Whether the API token's user made it: only then the tokens of all recipients are shown.

        A user also sees the token of a recipient with the user's own address.
        """
        return bool(self.recipients) and all(recipient.has_token for recipient in self.recipients)

    @property
    def proves_own(self) -> bool:
        """Whether `is_own` holds although one of the recipients may be the user."""
        return self.is_own and len({recipient.email.lower() for recipient in self.recipients}) > 1


class Page(Wire):
    """A page of a search."""

    data: tuple[Row, ...]
    current_page: float
    total_pages: float
