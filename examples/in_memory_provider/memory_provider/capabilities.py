"""What the provider can do."""

from typing import Final

from countersign.providers.port import Capabilities

CAPABILITIES: Final = Capabilities(
    sources=frozenset({"file"}),
    file_types=frozenset({".pdf"}),
    upload_bytes=10 * 1024**2,
    title_limit=255,
    correlation="external id",
    custom_sender=False,
    copies=False,
    anchors=False,
    field_types=None,
    identity_verification=frozenset(),
    review=False,
    declines=False,
    conclusive_search=True,
    signing_links=False,
    return_url=False,
    optional_emails=True,
    webhook_api=False,
    signed_webhooks="shared secret",
)
