"""What an agreement asks for and its provider lacks. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from countersign.agreements.validation import Needs
from countersign.providers.port import Capabilities
from countersign.providers.registry import Account

_SOURCES: Final = {
    "template": ("generate documents from a template's variables", "a template with variables"),
    "deliverable": ("send generated documents", "a generated document"),
    "file": ("send files", "a file"),
    "link": ("download files from a link", "a link"),
    "roles": ("send templates with signer roles", "a template with signer roles"),
}
"""By kind of source: what a provider does with it, and what a caller calls it."""


def lacks(needs: Needs, account: Account, accounts: Mapping[str, Account]) -> tuple[str, ...]:
    """Return what the account's provider cannot do for an agreement, one sentence each.

    Args:
        needs: What the agreement asks for.
        account: The agreement's account.
        accounts: All configured accounts: a sentence names those that can do it.
    """
    return tuple(_sentences(needs, account, tuple(accounts.values())))


def _sentences(needs: Needs, account: Account, accounts: Iterable[Account]) -> Iterator[str]:
    can = account.plugin.capabilities
    kind = account.plugin.kind
    others = [other for other in accounts if not _lacking(needs, other.plugin.capabilities)]
    instead = f", or use account {others[0].name}" if others else ""
    for name in _lacking(needs, can):
        yield f"{kind} does not {_DOES[name](needs)}; {_INSTEAD[name](can)}{instead}"


def _lacking(needs: Needs, can: Capabilities) -> tuple[str, ...]:
    checks = {
        "source": needs.source in can.sources,
        "file_type": needs.file_type is None or needs.file_type in can.file_types,
        "sender": not needs.sender or can.custom_sender,
        "copies": not needs.copies or can.copies,
        "anchors": not needs.anchors or can.anchors,
        "review": not needs.review or can.review,
        "no_emails": not needs.no_emails or can.optional_emails,
        "identity": can.identity_verification.issuperset(needs.identity),
        "field_types": can.field_types is None or can.field_types.issuperset(needs.field_types),
    }
    return tuple(name for name, is_met in checks.items() if not is_met)


_DOES: Final[Mapping[str, Callable[[Needs], str]]] = {
    "source": lambda needs: _SOURCES[needs.source][0],
    "file_type": lambda needs: f"accept {needs.file_type} files",
    "sender": lambda _: "let an agreement name its sender",
    "copies": lambda _: "send copies (cc)",
    "anchors": lambda _: "place fields at a text of the document",
    "review": lambda _: "hold a document for review before it is sent",
    "no_emails": lambda _: "send a document without e-mails",
    "identity": lambda needs: f"verify signers' identities by {' and '.join(needs.identity)}",
    "field_types": lambda needs: f"have all of the field types {', '.join(needs.field_types)}",
}
_INSTEAD: Final[Mapping[str, Callable[[Capabilities], str]]] = {
    "source": lambda can: f"use {_listed(_SOURCES[kind][1] for kind in _SOURCES if kind in can.sources)}",
    "file_type": lambda can: f"use {_listed(sorted(can.file_types))}",
    "sender": lambda _: "leave `sender` out",
    "copies": lambda _: "leave `cc` out",
    "anchors": lambda _: "give `page`, `x` and `y`",
    "review": lambda _: "leave `review` out",
    "no_emails": lambda _: "leave `send_emails` out",
    "identity": lambda can: (
        f"use {_listed(sorted(can.identity_verification))}"
        if can.identity_verification
        else "leave `identity` out"
    ),
    "field_types": lambda can: f"use {_listed(sorted(can.field_types or ()))}",
}


def _listed(words: Iterable[str]) -> str:
    return " or ".join(words)
