"""Ports of this machine that nothing listens on."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Self

from countersign.free_ports import free_port, is_free


class PortTakenError(Exception):
    """Something else listens on a port that was asked for by number, or will: another part."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the parts listen on the loopback address."""

    temporal: int
    ui: int
    metrics: int
    sandbox: int
    receiver: int

    @classmethod
    def pick(cls, **wanted: int) -> Self:
        """Take the wanted ports, and free ones for the rest.

        Raises:
            PortTakenError: Something else listens on a wanted port, or two parts want the same.
        """
        for (one, port), (other, same) in combinations(wanted.items(), 2):
            if port == same:
                raise PortTakenError(f"port {port} is wanted for {one} and for {other}: name another")
        ports: dict[str, int] = {}
        for name in cls.__slots__:
            port = wanted.get(name) or free_port([*wanted.values(), *ports.values()])
            if not is_free(port):
                raise PortTakenError(
                    f"port {port}, wanted for {name}, is taken: stop what uses it, or name another"
                )
            ports[name] = port
        return cls(**ports)

    @classmethod
    def prefer(cls, *preferences: Mapping[str, int], **wanted: int) -> Self:
        """Take the wanted ports, else the first preference that is free, else free ones.

        Raises:
            PortTakenError: See `pick`.
        """
        ports = dict(wanted)
        for name in cls.__slots__:
            for port in (preference[name] for preference in preferences if name in preference):
                if name not in ports and port not in ports.values() and is_free(port):
                    ports[name] = port
        return cls.pick(**ports)
