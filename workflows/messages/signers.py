"""Who signs, who asks for it, and where on the document."""

from pydantic import Field

from workflows.messages.message import Message


class Signer(Message):
    """Somebody who must sign.

    Args:
        name: As it shall stand on the document.
        email: Where the provider sends the invitation.
        order: Signers of order 1 sign first, then those of 2, ...; by default in the order they are listed.
        role: The template's signer role, where the source is a template with roles.
    """

    name: str = Field(min_length=1, max_length=255)
    email: str = Field(min_length=3, max_length=255)
    order: int | None = Field(default=None, ge=1)
    role: str | None = None


class Sender(Message):
    """Who asks for the signatures; by default the provider settings' sender."""

    name: str = Field(min_length=1, max_length=255)
    email: str = Field(min_length=3, max_length=255)


class SignatureField(Message):
    """A field for one signer to fill, placed at a text of the document or at a position.

    Args:
        signer: Which signer, counted from 1.
        type: `signature`, `initial`, `date`, `text`, `full_name`, ... as the provider names them.
        anchor: The text that the field replaces, for example `{Signature1}`.
        page: Counted from 1; with `x`, `y`, `width`, `height` in points from the page's top left.
        required: Whether the signer must fill it.
    """

    signer: int = Field(ge=1)
    type: str = "signature"
    anchor: str | None = None
    page: int | None = Field(default=None, ge=1)
    x: float | None = None
    y: float | None = None
    width: float = 200
    height: float = 40
    required: bool = True
