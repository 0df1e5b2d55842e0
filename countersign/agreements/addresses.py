"""Addresses that other people name: which the internet can reach, and how a URL is read. Pure.

Nothing here resolves a name. Who connects resolves it, and checks every address with `is_public`.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from countersign.loopback import LOOPBACK_HOSTS

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

URL_LIMIT: Final = 2048
"""Characters of a callback URL."""

_PRINTABLE: Final = re.compile(r"[!-~]+")
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\.?")
_UNREACHABLE_NAME: Final = re.compile(
    r"[\d.]+|(0x[0-9a-f.x]*)|.*\.(localhost|local|internal|invalid)\.?", re.IGNORECASE
)
"""Numbers that some resolvers read as an address, and names that no public server has."""
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_PRIVATE: Final = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
)
_NOT_PRIVATE: Final = f"must be networks such as 10.1.2.0/24, within {', '.join(map(str, _PRIVATE))}"
_METADATA: Final = frozenset(
    map(ipaddress.ip_address, ("fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe"))  # AWS, Google, Oracle
)
"""Private addresses at which a machine of a cloud reads its own credentials; the others are link-local."""
_PORTS: Final = {"https": 443, "http": 80}


def is_public(address: IpAddress) -> bool:
    """Return whether an address is a host's on the internet.

    An IPv6 address that embeds an IPv4 address (mapped, 6to4, NAT64) is as public as that one.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast
    embedded = address.ipv4_mapped or address.sixtofour
    if address in _NAT64:  # how a host without IPv4 sees all others
        embedded = ipaddress.IPv4Address(address.packed[-4:])
    if embedded is not None:
        return is_public(embedded)
    return address in _GLOBAL_UNICAST and address.is_global and not address.scope_id


def read_private_networks(text: str) -> tuple[IpNetwork, ...]:
    """Read private networks, separated by commas.

    Raises:
        ValueError: One is none, or is not private.
    """
    networks = []
    for part in filter(None, map(str.strip, text.split(","))):
        try:
            network = ipaddress.ip_network(part)
        except ValueError:
            raise ValueError(_NOT_PRIVATE) from None
        if not any(_is_within(network, private) for private in _PRIVATE):
            raise ValueError(_NOT_PRIVATE)
        networks.append(network)
    return tuple(networks)


def _is_within(network: IpNetwork, other: IpNetwork) -> bool:
    return network[0] in other and network[-1] in other


def is_in(address: IpAddress, networks: Iterable[IpNetwork]) -> bool:
    """Return whether an address belongs to networks, and is not that of a cloud's metadata."""
    return address not in _METADATA and any(address in network for network in networks)


def may_be_public(host: str) -> bool:
    """Return whether a host, a name or an address, may be on the internet; names are not resolved."""
    try:
        return is_public(ipaddress.ip_address(host))
    except ValueError:
        return "." in host.rstrip(".") and _UNREACHABLE_NAME.fullmatch(host) is None


class CallbackUrl(NamedTuple):
    """A URL, taken apart.

    Args:
        scheme: `https` or `http`.
        host: The host in lower case, without brackets.
        port: The port.
        authority: Host and port as written, for the header `Host`.
        target: Path and query, as written.
    """

    scheme: str
    host: str
    port: int
    authority: str
    target: str

    @property
    def is_plain(self) -> bool:
        """Whether it is http without TLS."""
        return self.scheme == "http"

    @property
    def is_loopback(self) -> bool:
        """Whether it names this machine."""
        return self.host in LOOPBACK_HOSTS


def read_callback_url(url: str) -> CallbackUrl:
    """Take a URL apart that a service wants to be called at; the settings say whether it may be.

    Raises:
        ValueError: It is none; the message says why, and does not quote it.
    """
    if len(url) > URL_LIMIT or _PRINTABLE.fullmatch(url) is None:
        raise ValueError(f"must be a URL of at most {URL_LIMIT} printable ASCII characters")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
        is_name = not _is_address(host)
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise ValueError("must not contain a user name or a password")
    if parts.scheme not in _PORTS or not host or (is_name and _NAME.fullmatch(host) is None) or port == 0:
        raise ValueError("must be https://host/path")
    if "#" in url:
        raise ValueError("must end before the #, which is never sent")
    target = url[len(parts.scheme) + len("://") + len(parts.netloc) :]
    return CallbackUrl(
        scheme=parts.scheme,
        host=host,
        port=port or _PORTS[parts.scheme],
        authority=parts.netloc,
        target=target if target.startswith("/") else f"/{target}",
    )


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False
