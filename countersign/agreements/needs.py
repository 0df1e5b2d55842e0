"""What an agreement asks of a provider beyond signatures. Pure."""

from pathlib import PurePath

from countersign.agreements.messages import AgreementInput, FileSource, Message


class Needs(Message):
    """What not every provider can do; compared with the account's provider before the first step.

    Args:
        source: The kind of the source.
        file_type: The extension of a file, `.pdf` and the like.
        sender: The agreement names a sender.
        copies: People get a copy.
        anchors: A field stands at a text of the document.
    """

    source: str
    file_type: str | None = None
    sender: bool = False
    copies: bool = False
    anchors: bool = False


def needs_of(agreement: AgreementInput) -> Needs:
    """Return what an agreement asks of a provider."""
    source = agreement.source
    return Needs(
        source=source.kind,
        file_type=PurePath(source.file_name).suffix.lower() if isinstance(source, FileSource) else None,
        sender=agreement.sender is not None,
        copies=bool(agreement.cc),
        anchors=any(field.anchor is not None for field in agreement.fields),
    )
