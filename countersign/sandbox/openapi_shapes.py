"""The shapes of the API's answers, for its OpenAPI description."""

from typing import Any, Final

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "integer"}
FLAG: Final[Schema] = {"type": ["boolean", "integer"], "description": "The database behind it says 0 and 1."}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
ID: Final[Schema] = {"type": "string", "format": "uuid"}
ANYTHING: Final[Schema] = {}
FILE: Final[Schema] = {"type": "string", "format": "binary"}


def maybe(schema: Schema) -> Schema:
    """Allow null too."""
    return {"anyOf": [schema, {"type": "null"}]}


def many(schema: Schema) -> Schema:
    """Describe a list."""
    return {"type": "array", "items": schema}


def shape(optional: dict[str, Schema] | None = None, /, **required: Schema) -> Schema:
    """Describe an object; more keys may come."""
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
    }


def data(schema: Schema) -> Schema:
    """Describe the envelope `{data}`."""
    return shape(data=schema)


def told(schema: Schema) -> Schema:
    """Describe the envelope `{data, message}`."""
    return shape(data=schema, message=TEXT)


def results(schema: Schema) -> Schema:
    """Describe the envelope `{data: {results}}`."""
    return data(shape(results=schema))


def page(schema: Schema) -> Schema:
    """Describe a page of a list."""
    return data(shape(results=many(schema), totalRecords=NUMBER))


_CREATED: Final = {
    "id": ID,
    "name": TEXT,
    "description": TEXT,
    "templateId": ID,
    "createdBy": TEXT,
    "createdOn": TIME,
    "updatedOn": TIME,
    "isActive": FLAG,
    "defaultFont": TEXT,
    "fonts": maybe(many(ANYTHING)),
}
CREATED: Final = shape(**_CREATED)
DELIVERABLE: Final = shape({"tags": many(TEXT)}, **_CREATED, email=TEXT, fileSize=NUMBER, fileType=TEXT)
DELIVERABLE_DETAILS: Final = shape(
    **_CREATED, templateName=maybe(TEXT), templateNotDeleted=FLAG, variables=many(ANYTHING), tags=many(TEXT)
)
CHANGED: Final = data(shape(message=TEXT, deliverableId=ID))
TEMPLATE_ITEM: Final = shape(
    {"tags": many(TEXT)}, id=ID, name=TEXT, type=TEXT, fileType=TEXT, fileSize=NUMBER, isActive=FLAG
)
TEMPLATE: Final = shape(id=ID, name=TEXT, description=TEXT, templateFileType=TEXT, variables=many(ANYTHING))
TEMPLATE_CHANGED: Final = data(shape(message=TEXT, templateId=ID))
ROLE: Final = shape(key=TEXT, label=TEXT, order=NUMBER, hasSavedSigner=FLAG, fieldCount=NUMBER)
ROLES: Final = shape(templateId=ID, roles=many(ROLE))

SENT: Final = shape(
    {"previewUrl": TEXT},
    success=FLAG,
    documentId=ID,
    status=TEXT,
    recipients=many(shape(id=ID, name=TEXT, email=TEXT, signingOrder=NUMBER, metadata=ANYTHING)),
    message=TEXT,
)
STATUS: Final = shape({"expiresAt": maybe(TIME)}, status=TEXT)
DOCUMENT: Final = shape(
    id=ID,
    name=TEXT,
    status=TEXT,
    createdOn=TIME,
    sentOn=maybe(TIME),
    expiresAt=maybe(TIME),
    sentBy=shape(name=TEXT, email=TEXT),
)
RECIPIENT: Final = shape(
    id=ID,
    name=TEXT,
    email=TEXT,
    status=TEXT,
    effectiveStatus=TEXT,
    signedOn=maybe(TIME),
    signingOrder=NUMBER,
    delivery=shape(totalSent=NUMBER, reminderCount=NUMBER, warningCount=NUMBER),
)
RECIPIENTS: Final = shape(
    document=DOCUMENT,
    recipients=many(RECIPIENT),
    summary=shape(total=NUMBER, pending=NUMBER, completed=NUMBER, waitingOn=many(TEXT)),
)
AUDIT_ENTRY: Final = shape(
    id=ID,
    documentId=ID,
    actionType=TEXT,
    timestamp=TIME,
    previousHash=maybe(TEXT),
    currentHash=TEXT,
    createdOn=TIME,
    details=ANYTHING,
)
AUDIT: Final = shape(document=shape(id=ID, name=TEXT), auditTrail=many(AUDIT_ENTRY))
DOWNLOAD: Final = shape(downloadUrl=TEXT, fileName=TEXT)
VOIDED: Final = shape(id=ID, name=TEXT, status=TEXT, voidReason=TEXT, voidedAt=TIME)
RESENT: Final = shape(success=FLAG, recipientCount=NUMBER)
REMINDED: Final = shape(
    results=many(shape({"reminderCount": NUMBER, "phase": TEXT}, recipientId=ID, status=TEXT))
)
SIGNING_URL: Final = shape(
    url=TEXT,
    expiresAt=maybe(TIME),
    recipientId=ID,
    externalId=maybe(TEXT),
    identityVerificationMode=maybe(TEXT),
    pendingChecks=many(TEXT),
)
EMBEDDING: Final = shape(
    enabled=FLAG,
    allowExternalIdv=FLAG,
    allowIdentityOverride=FLAG,
    defaultChannel=TEXT,
    allowChannelOverride=FLAG,
    allowedFrameAncestors=many(TEXT),
)

_WEBHOOK: Final = {
    "id": ID,
    "orgId": TEXT,
    "name": TEXT,
    "urls": many(TEXT),
    "events": many(TEXT),
    "isActive": FLAG,
    "createdOn": TIME,
    "updatedOn": TIME,
    "secretExists": FLAG,
    "maskedSecret": TEXT,
}
WEBHOOK: Final = shape(**_WEBHOOK)
WEBHOOK_DETAILS: Final = shape(**_WEBHOOK, deliveryStats=ANYTHING, availableEvents=many(TEXT))
SECRET: Final = shape({"regeneratedAt": TIME}, id=ID, secret=TEXT)
DELIVERY: Final = shape(
    id=ID,
    eventType=TEXT,
    url=TEXT,
    httpStatus=maybe(NUMBER),
    attemptCount=NUMBER,
    maxAttempts=NUMBER,
    isDelivered=FLAG,
    status=TEXT,
)
NOTIFIED: Final = shape(
    deliveries=many(DELIVERY),
    summary=shape(total=NUMBER, successful=NUMBER, failed=NUMBER, errors=many(TEXT)),
)
DELIVERIES: Final = data(shape(results=many(DELIVERY), totalRecords=NUMBER, limit=NUMBER, offset=NUMBER))
STATS: Final = data(shape(webhook=WEBHOOK, period=ANYTHING, summary=ANYTHING, eventBreakdown=many(ANYTHING)))
