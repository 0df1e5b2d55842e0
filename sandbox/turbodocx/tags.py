"""Tags of deliverables and templates: stored as labels, shown as objects."""

from typing import Any
from uuid import uuid4

from sandbox.turbodocx.sandbox import USER_ID, Sandbox


def create_missing(sandbox: Sandbox, labels: list[str]) -> None:
    """Create the tags that the organization does not have yet."""
    now = sandbox.clock.stamp()
    for label in labels:
        sandbox.store.execute(
            "INSERT OR IGNORE INTO tags (id, label, created_on) VALUES (?, ?, ?)", str(uuid4()), label, now
        )


def shown(sandbox: Sandbox, labels: list[str]) -> list[dict[str, Any]]:
    """Build the API's tag objects, in the order of `labels`."""
    create_missing(sandbox, labels)
    return [_shown(sandbox, label) for label in labels]


def labels_of(sandbox: Sandbox, tag_ids: set[str]) -> set[str | None]:
    """Return the labels of the tags with these ids; None stands for an unknown id."""
    tags = [sandbox.store.find("tags", tag_id) for tag_id in tag_ids]
    return {None if tag is None else tag["label"] for tag in tags}


def _shown(sandbox: Sandbox, label: str) -> dict[str, Any]:
    tag = sandbox.store.row("SELECT * FROM tags WHERE label = ?", label) or {}
    return {
        "id": tag["id"],
        "label": label,
        "isActive": sandbox.flag(value=True),
        "updatedOn": tag["created_on"],
        "createdOn": tag["created_on"],
        "createdBy": USER_ID,
        "orgId": sandbox.access.org_id,
    }
