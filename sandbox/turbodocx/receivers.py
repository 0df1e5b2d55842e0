"""URLs that may receive webhooks."""

from sandbox.core.receivers import is_allowed
from sandbox.turbodocx import errors
from sandbox.turbodocx.sandbox import Sandbox


def check_urls(sandbox: Sandbox, urls: list[str]) -> None:
    """Check the URLs of receivers.

    Raises:
        ApiError: 400, a URL is invalid or not https.
    """
    for url in urls:
        if not is_allowed(sandbox.behavior.http_receivers, url):
            raise errors.domain(400, f'Webhook URL must be a valid HTTPS URL: "{url}"', "ValidationError")
