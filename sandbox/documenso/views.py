"""Envelopes and their parts as the API shows them."""

from decimal import Decimal
from typing import Any

from sandbox.core.store import Row
from sandbox.documenso import envelopes
from sandbox.documenso.sandbox import OWNER, USERS, Sandbox


def envelope(sandbox: Sandbox, row: Row) -> dict[str, Any]:
    """Build a whole envelope."""
    return summary(sandbox, row) | {
        "documentMeta": meta(row),
        "recipients": [recipient(row, person) for person in envelopes.recipients(sandbox, row["id"])],
        "fields": [field(entry) for entry in envelopes.fields(sandbox, row["id"])],
        "envelopeItems": [item(entry) for entry in envelopes.items(sandbox, row["id"])],
        "directLink": None,
    }


def found(sandbox: Sandbox, row: Row) -> dict[str, Any]:
    """Build an envelope of a search; of another user's envelope only a user's own token is shown."""
    people = [recipient(row, person) for person in envelopes.recipients(sandbox, row["id"])]
    if row["user_id"] != OWNER.id:
        people = [person | {"token": ""} if person["email"] != OWNER.email else person for person in people]
    return summary(sandbox, row) | {"recipients": people}


def summary(sandbox: Sandbox, row: Row) -> dict[str, Any]:
    """Build the columns of an envelope, with its user and team."""
    del sandbox
    user = USERS[row["user_id"]]
    return {
        "internalVersion": 2,
        "type": row["type"],
        "status": row["status"],
        "source": row["source"],
        "visibility": row["visibility"],
        "templateType": "PRIVATE",
        "id": row["id"],
        "secondaryId": f"{row['type'].lower()}_{row['seq']}",
        "externalId": row["external_id"],
        "createdAt": row["created_on"],
        "updatedAt": row["updated_on"],
        "completedAt": row["completed_on"],
        "deletedAt": row["deleted_on"],
        "title": row["name"],
        "authOptions": row["auth"],
        "formValues": row["form_values"] or None,
        "publicTitle": "",
        "publicDescription": "",
        "userId": user.id,
        "teamId": row["team_id"],
        "folderId": row["folder_id"],
        "templateId": row["template_id"],
        "user": {"id": user.id, "name": user.name, "email": user.email},
        "team": {"id": row["team_id"], "url": f"team-{row['team_id']}"},
    }


def meta(row: Row) -> dict[str, Any]:
    """Build an envelope's settings."""
    return {key: value for key, value in row["meta"].items() if key != "reminderSettings"}


def recipient(row: Row, person: Row) -> dict[str, Any]:
    """Build a recipient; `token` is the credential of their signing link."""
    return {
        "envelopeId": row["id"],
        "role": person["role"],
        "readStatus": person["read_status"],
        "signingStatus": person["status"],
        "sendStatus": person["send_status"],
        "id": person["id"],
        "email": person["email"],
        "name": person["name"],
        "token": person["token"],
        "documentDeletedAt": None,
        "expired": None,
        "expiresAt": person["expires_at"],
        "expirationNotifiedAt": person["expiration_notified_at"],
        "signedAt": person["signed_on"],
        "authOptions": person["auth"],
        "signingOrder": person["signing_order"],
        "rejectionReason": person["rejection_reason"],
    }


def recipient_with_fields(sandbox: Sandbox, row: Row, person: Row) -> dict[str, Any]:
    """Build a recipient with their fields."""
    entries = envelopes.fields(sandbox, row["id"], person["id"])
    return recipient(row, person) | {"fields": [field(entry) for entry in entries]}


def field(row: Row) -> dict[str, Any]:
    """Build a field; its place is in decimal strings."""
    return {
        "envelopeId": row["document_id"],
        "envelopeItemId": row["item_id"],
        "type": row["type"],
        "id": row["id"],
        "secondaryId": row["secondary_id"],
        "recipientId": row["recipient_id"],
        "page": row["page"],
        "positionX": _decimal(row["x"]),
        "positionY": _decimal(row["y"]),
        "width": _decimal(row["width"]),
        "height": _decimal(row["height"]),
        "customText": row["value"],
        "inserted": row["inserted"],
        "fieldMeta": row["meta"] or None,
    }


def item(row: Row) -> dict[str, Any]:
    """Build a file of an envelope."""
    return {
        "envelopeId": row["document_id"],
        "id": row["id"],
        "title": row["title"],
        "order": row["place"],
        "documentDataId": row["data_id"],
    }


def link(base_url: str, person: Row) -> dict[str, Any]:
    """Build a recipient with their signing link."""
    return {
        "id": person["id"],
        "name": person["name"],
        "email": person["email"],
        "token": person["token"],
        "role": person["role"],
        "signingOrder": person["signing_order"],
        "signingUrl": f"{base_url}sign/{person['token']}",
    }


def _decimal(value: float) -> str:
    return format(Decimal(str(value)).normalize(), "f")
