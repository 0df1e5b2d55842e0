"""The initial templates, with fixed ids.

A paragraph is a style (`title`, `heading` or `text`) and its text. `{Name}` is a variable, `{signature1}` an
anchor for a field.
"""

from typing import Any, Final

from sandbox.core import docx
from sandbox.core.pdf import Paragraph
from sandbox.turbodocx.sandbox import Sandbox
from sandbox.turbodocx.template_store import keep

SERVICES_AGREEMENT: Final = "7e3a1c00-0000-4000-8000-000000000001"
MUTUAL_NDA: Final = "7e3a1c00-0000-4000-8000-000000000002"
ORDER_FORM: Final = "7e3a1c00-0000-4000-8000-000000000003"

DESCRIPTIONS: Final = {
    SERVICES_AGREEMENT: "Services Agreement: two signers by anchors; "
    "CustomerName, CompanyName, Service, Price, StartDate",
    MUTUAL_NDA: "Mutual NDA: one signer by anchors; CustomerName, EffectiveDate",
    ORDER_FORM: "Order Form (PDF): signer roles `client` and `countersigner`, fields already placed",
}

_SERVICES: Final[list[Paragraph]] = [
    ("title", "Services Agreement"),
    ("text", "between {CompanyName} (the provider) and {CustomerName} (the customer)."),
    ("heading", "1. Services"),
    ("text", "The provider performs the following services for the customer: {Service}."),
    ("heading", "2. Fee"),
    ("text", "The customer pays {Price} for the services, within 30 days of each invoice."),
    ("heading", "3. Term"),
    ("text", "This agreement begins on {StartDate}. Either side may end it with 30 days' notice."),
    ("heading", "Signatures"),
    ("text", "For the customer: {signature1}"),
    ("text", "Date: {date1}"),
    ("text", "For the provider: {signature2}"),
    ("text", "Date: {date2}"),
]
_NDA: Final[list[Paragraph]] = [
    ("title", "Mutual Non-Disclosure Agreement"),
    ("text", "made with {CustomerName}, effective {EffectiveDate}."),
    ("heading", "1. Confidential information"),
    ("text", "Each side keeps what the other discloses to itself, for three years."),
    ("heading", "Signature"),
    ("text", "Signed: {signature1}"),
    ("text", "Date: {date1}"),
]
_ORDER: Final[list[Paragraph]] = [
    ("title", "Order Form"),
    ("text", "The client orders the services described in the schedule, at the prices given there."),
    ("heading", "Acceptance"),
    ("text", "Both sides sign below."),
]
_ROLES: Final[list[dict[str, Any]]] = [
    {"key": "client", "label": "Client", "order": 1},
    {
        "key": "countersigner",
        "label": "Countersigner",
        "order": 2,
        "defaultName": "Casey Countersigner",
        "defaultEmail": "countersigner@example.com",
    },
]
_ROLE_FIELDS: Final[list[dict[str, Any]]] = [
    {"role": "client", "type": "signature", "page": 1, "x": 60, "y": 300, "width": 200, "height": 40},
    {"role": "client", "type": "date", "page": 1, "x": 60, "y": 350, "width": 100, "height": 24},
    {"role": "countersigner", "type": "signature", "page": 1, "x": 320, "y": 300, "width": 200, "height": 40},
    {"role": "countersigner", "type": "date", "page": 1, "x": 320, "y": 350, "width": 100, "height": 24},
]


def seed(sandbox: Sandbox) -> None:
    """Add the templates that do not exist."""
    for template_id, name, paragraphs in (
        (SERVICES_AGREEMENT, "Services Agreement", _SERVICES),
        (MUTUAL_NDA, "Mutual NDA", _NDA),
    ):
        if sandbox.store.find("templates", template_id) is None:
            keep(
                sandbox,
                template_id=template_id,
                name=name,
                description=DESCRIPTIONS[template_id],
                file_type="docx",
                content=docx.write(paragraphs),
                paragraphs=paragraphs,
            )
    if sandbox.store.find("templates", ORDER_FORM) is None:
        keep(  # its PDF is rendered at its first use
            sandbox,
            template_id=ORDER_FORM,
            name="Order Form",
            description=DESCRIPTIONS[ORDER_FORM],
            file_type="pdf",
            paragraphs=_ORDER,
            roles=_ROLES,
            fields=_ROLE_FIELDS,
        )
