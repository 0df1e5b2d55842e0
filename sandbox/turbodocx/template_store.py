"""Store templates."""

import re
from typing import Any, Final
from uuid import uuid4

from sandbox.core.pdf import Paragraph
from sandbox.core.store import Row
from sandbox.turbodocx.sandbox import Sandbox
from sandbox.turbodocx.tags import create_missing

_PLACEHOLDER: Final = re.compile(r"\{([#/]?)([A-Za-z][A-Za-z0-9_. ]{0,99}|(?<=/))\}")
_ANCHOR: Final = re.compile(r"\{(signature|initials?|date|name|title|company|email|text)\d+\}", re.IGNORECASE)


def keep(
    sandbox: Sandbox,
    *,
    name: str,
    file_type: str,
    content: bytes = b"",
    paragraphs: list[Paragraph],
    template_id: str | None = None,
    description: str = "",
    variables: list[str] | None = None,
    roles: list[dict[str, Any]] | None = None,
    fields: list[dict[str, Any]] | None = None,
    tags: list[str] | None = None,
) -> Row:
    """Store a template and return its row; it replaces one with the same id.

    Without `variables`, the placeholders of its text are its variables.
    """
    now = sandbox.clock.stamp()
    row: Row = {
        "id": template_id or str(uuid4()),
        "name": name,
        "description": description,
        "file_type": file_type,
        "file_size": len(content),
        "paragraphs": paragraphs,
        "variables": variables or variables_in(paragraphs),
        "roles": roles or [],
        "fields": fields or [],
        "tags": tags or [],
        "is_active": True,
        "created_on": now,
        "updated_on": now,
    }
    with sandbox.store.transaction():
        sandbox.store.execute("DELETE FROM templates WHERE id = ?", row["id"])
        create_missing(sandbox, row["tags"])
        sandbox.store.insert("templates", row)
        sandbox.store.keep_file(row["id"], content)
    return row


def variables_in(paragraphs: list[Paragraph]) -> list[str]:
    """Return the placeholders of a text in their order, without the anchors of fields.

    A loop `{#Items}` counts as `{Items}`; what stands within it belongs to its items. A path
    `{Customer.name}` counts as `{Customer}`.
    """
    found: list[str] = []
    loops: list[str] = []
    for tag, name in (match for _, text in paragraphs for match in _PLACEHOLDER.findall(text)):
        if tag == "/":
            del loops[-1:]
        elif not loops and not _ANCHOR.fullmatch(f"{{{name}}}"):
            found.append(f"{{{name.partition('.')[0]}}}")
        if tag == "#":
            loops.append(name)
    return list(dict.fromkeys(found))
