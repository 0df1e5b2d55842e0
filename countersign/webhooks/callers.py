"""Which callers may deliver, by IP address. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

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
        hops = [hop.strip() for value in forwarded for hop in value.split(",")]
        caller = _address(peer or "")
        while caller is not None and hops and _within(caller, self.proxies):
            caller = _address(hops.pop())
        return caller


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
