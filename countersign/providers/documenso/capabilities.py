"""What Documenso can do, by its documentation and its source."""

from typing import Final

from countersign.providers.documenso.requests import FIELD_TYPES
from countersign.providers.port import Capabilities

CAPABILITIES: Final = Capabilities(
    sources=frozenset({"file"}),
    file_types=frozenset({".pdf"}),  # it converts other types, to pages whose size is not known before
    upload_bytes=10 * 1024**2,
    title_limit=255,
    correlation="external id",
    custom_sender=False,  # the team of the key sends
    copies=True,
    anchors=False,
    field_types=frozenset(FIELD_TYPES),
    identity_verification=frozenset(),
    review=False,
    declines=True,
    conclusive_search=True,
    signing_links=True,
    return_url=False,  # a redirect is of the whole envelope, and embedded pages have none
    optional_emails=True,
    webhook_api=False,
    signed_webhooks="shared secret",
)
