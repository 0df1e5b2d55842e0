"""What there is to sign."""

from typing import Annotated, Literal

from pydantic import Field

from workflows.messages.message import Message


class TemplateSource(Message):
    """Generate the document from a template.

    Args:
        template_id: The provider's id of the template.
        variables: Values by placeholder name, `CustomerName` for `{CustomerName}`.
    """

    kind: Literal["template"] = "template"
    template_id: str
    variables: dict[str, str] = Field(default={})


class DeliverableSource(Message):
    """Send a document that the provider has generated before."""

    kind: Literal["deliverable"] = "deliverable"
    deliverable_id: str


class FileSource(Message):
    """Send a file that was put into the store before; files never travel through Temporal.

    Args:
        key: The file's key in the store.
        file_name: Its name with extension: `.pdf`, `.docx` or `.pptx`.
        sha256: Its hash, checked before it is sent.
    """

    kind: Literal["file"] = "file"
    key: str
    file_name: str
    sha256: str


class LinkSource(Message):
    """Let the provider fetch the document from an https link."""

    kind: Literal["link"] = "link"
    url: str = Field(pattern=r"^https://")


class RolesSource(Message):
    """Send a template whose signer roles and fields are set up at the provider; each signer names a role."""

    kind: Literal["roles"] = "roles"
    template_id: str


Source = Annotated[
    TemplateSource | DeliverableSource | FileSource | LinkSource | RolesSource, Field(discriminator="kind")
]
