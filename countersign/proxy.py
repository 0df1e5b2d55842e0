"""The proxy that the environment names, as every HTTP client takes it."""

import urllib.request

from countersign.loopback import LOOPBACK_HOSTS


def named_proxy() -> str | None:
    """Return the proxy for https of `HTTPS_PROXY` or `ALL_PROXY`, with a scheme in any case."""
    proxies = urllib.request.getproxies()
    found = proxies.get("https") or proxies.get("all")
    return found if not found or "://" in found else f"http://{found}"


def environment_proxy(host: str) -> str | None:
    """Find the proxy that leads to a host: none to those of `NO_PROXY`, and none to this machine."""
    return None if host in LOOPBACK_HOSTS or urllib.request.proxy_bypass(host) else named_proxy()


def no_proxy(_: str) -> None:
    """Find none, whatever the environment says."""
