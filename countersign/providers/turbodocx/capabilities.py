"""What TurboDocx can do, by its documentation."""

from typing import Final

from countersign.providers.port import Capabilities

CAPABILITIES: Final = Capabilities(
    sources=frozenset({"template", "deliverable", "file", "link", "roles"}),
    file_types=frozenset({".pdf", ".docx", ".pptx"}),
    upload_bytes=10 * 1024**2,
    title_limit=255,
    correlation="title",
    custom_sender=True,
    copies=True,
    anchors=True,
    field_types=None,
    identity_verification=frozenset({"email", "sms", "external"}),
    review=True,
    declines=False,
    conclusive_search=False,
    signing_links=True,
    return_url=True,
    optional_emails=True,
    webhook_api=True,
    signed_webhooks="signature and time",
)
