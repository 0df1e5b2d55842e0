"""The HTTP proxy from the environment."""

import urllib.request

from countersign.loopback import LOOPBACK_HOSTS


def named_proxy() -> str | None:
    """Return the URL of the proxy in `HTTPS_PROXY` or `ALL_PROXY`, always with a scheme; None if not set."""
    proxies = urllib.request.getproxies()
    found = proxies.get("https") or proxies.get("all")
    return found if not found or "://" in found else f"http://{found}"


def environment_proxy(host: str) -> str | None:
    """Return the proxy for a host; None for hosts in `NO_PROXY` and for this machine."""
    return None if host in LOOPBACK_HOSTS or urllib.request.proxy_bypass(host) else named_proxy()


def no_proxy(_: str) -> None:
    """Return None, independent of the environment."""
