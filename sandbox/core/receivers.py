"""URLs that may receive webhooks: https, and http as the switch allows."""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

_URL_LIMIT: Final = 2048


def is_allowed(http_receivers: str, url: str) -> bool:
    """Return whether a URL may receive webhooks."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or port == 0 or len(url) > _URL_LIMIT or not url.isprintable() or " " in url:
        return False
    if parts.scheme == "https" or (parts.scheme == "http" and http_receivers == "any"):
        return True
    return parts.scheme == "http" and http_receivers == "loopback" and _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
