"""Which callers may deliver, by IP address. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

_WITH_PORT: Final = re.compile(r"\[(?P<six>[^\]]*)\](?::\d{1,5})?|(?P<four>\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}")

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Callers:
    """The addresses that may deliver.

    Args:
        allowed: Networks of callers. If empty, any caller may deliver and the signature alone decides.
        proxies: Networks of the trusted proxies, the only senders of a trusted `X-Forwarded-For`.
    """

    allowed: Sequence[Network] = ()
    proxies: Sequence[Network] = ()

    def admits(self, peer: str | None, forwarded: Sequence[str]) -> bool:
        """Return whether a caller may deliver.

        Args:
            peer: The address at the other end of the connection.
            forwarded: The values of `X-Forwarded-For`, in the order of the headers.
        """
        if not self.allowed:
            return True
        caller = self.find(peer, forwarded)
        return caller is not None and _within(caller, self.allowed)

    def find(self, peer: str | None, forwarded: Sequence[str]) -> Address | None:
        """Return the nearest address that is not a trusted proxy; None if a value is not an address.

        Each proxy appends the address it received the request from, so the list is read from its end.
        """
        hops = [hop for value in forwarded for hop in map(_bare, value.split(",")) if hop]
        caller = _address(peer or "")
        while caller is not None and hops and _within(caller, self.proxies):
            caller = _address(hops.pop())
        return caller


def _bare(hop: str) -> str:
    """Take quotes, brackets and a port from `"203.0.113.7:443"` or `[2001:db8::1]:443`; proxies add them."""
    hop = hop.strip().strip('"').strip()
    found = _WITH_PORT.fullmatch(hop)
    return (found["six"] or found["four"]) if found else hop


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
